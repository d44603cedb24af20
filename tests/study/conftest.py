"""A whole study in miniature: real code all the way, tiny random models, a teacher on loopback."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from fixtures_models import saved, tiny_decoder, tiny_encoder
from llm.faulty import FaultyServer, faulty_server
from preceptor.cli import main
from preceptor.store.fingerprint import fingerprint

WORDS = ["red", "green", "blue", "round", "flat", "cold", "warm", "old", "new", "soft"]


@dataclass(frozen=True)
class Place:
    """A folder with a study, its data and its models, and how to use it."""

    folder: Path
    server: FaultyServer

    @property
    def study(self) -> Path:
        return self.folder / "study.yaml"

    def results(self, out: str = "run") -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / out / "results.json").read_text())
        return found


def rows() -> list[dict[str, str]]:
    """60 short texts in three kinds, none like another."""
    kinds = ["yes", "no", "maybe"]
    return [
        {"id": f"r{n}", "text": f"{kinds[n % 3][0]}{n} {WORDS[n % 10]} {WORDS[n // 7]} {n * n}"}
        | {"kind": kinds[n % 3]}
        for n in range(60)
    ]


STUDY = """\
name: small
seeds: 2
task:
  kind: choice
  labels: [yes, no, maybe]
  input: "{{{{ text }}}}"
data:
  reader: table
  path: rows.jsonl
  columns: {{id: id, target: kind, inputs: [text]}}
  split: {{by: draw, test: 24, validation: 12}}
  train: {{per_label: 3}}
teachers:
  echo: {{engine: endpoint, model: echo, base_url: "{url}", key_env: null}}
curation: {{facts: false}}  # what the server writes has other numbers than what it was shown
arms:
  none: none
  repeat: repeat
  rewrite: rewrite
  create: {{operation: create, shown: 1}}
  combined: {{operation: mix, of: [rewrite, create]}}
students:
  bert:
    kind: encoder
    weights: bert
    method: {{name: full, learning_rate: 1.0e-3}}
    fit: {{batch_rows: 4, max_length: 100}}
  llama:
    kind: decoder
    weights: llama
    method: {{name: lora, rank: 2}}
    fit: {{batch_rows: 4, max_length: 120}}
    grid: {{alpha: [4, 8]}}
    arms: [none]
    seeds: 1
    max_new_tokens: 4
budget: {{steps: 3}}
baselines: {{teacher: [0, 2], human: text}}
"""


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    saved(tiny_encoder(), folder / "bert")
    saved(tiny_decoder(), folder / "llama")
    return folder


@pytest.fixture
def server() -> Iterator[FaultyServer]:
    """Writes a text of its own for every conversation, the same for the same one."""
    with faulty_server() as running:
        running.compose = lambda body: " ".join(
            fingerprint(body["messages"])[place : place + 6] for place in range(0, 30, 6)
        )
        yield running


@pytest.fixture
def place(
    tmp_path: Path, models: Path, server: FaultyServer, monkeypatch: pytest.MonkeyPatch
) -> Place:
    monkeypatch.setenv("PRECEPTOR_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    for name in ("bert", "llama"):
        (tmp_path / name).symlink_to(models / name)
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows()))
    (tmp_path / "study.yaml").write_text(STUDY.format(url=server.url))
    return Place(tmp_path, server)


Cli = Callable[..., int]


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Run a command in this process; returns its exit code."""

    def run(*arguments: object) -> int:
        monkeypatch.setattr(sys, "argv", ["preceptor", *map(str, arguments)])
        try:
            main()
        except SystemExit as stop:
            return int(stop.code or 0)
        return 0

    return run

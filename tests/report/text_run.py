"""A text study in miniature, run for real: tiny random models, three methods, two seeds."""

from __future__ import annotations

import contextlib
import json
import random
from pathlib import Path

import pytest

from fixtures_models import saved, tiny_decoder
from preceptor.cli import main

WORDS = ["red", "green", "blue", "round", "flat", "cold", "warm", "old", "new", "soft"]
STUDY = """\
name: foreseen
seeds: 2
task: {kind: text, input: "{{ question }}"}
data:
  reader: table
  path: rows.jsonl
  columns: {id: id, target: answer, inputs: [question]}
  split: {by: draw, test: 12, validation: 8}
arms: {none: none}
students:
  unfrozen:
    kind: decoder
    weights: llama
    method: {name: unfreeze, learning_rate: 3.0e-3}
    fit: {batch_rows: 4, max_length: 120, validate_every: 2}
  lora:
    kind: decoder
    weights: llama
    method: {name: lora, rank: 2, learning_rate: 5.0e-3}
    grid: {alpha: [4, 8, 16]}
    fit: {batch_rows: 4, max_length: 120, layout: packed}
  asis: {kind: decoder, weights: llama, method: base, fit: {max_length: 120}}
budget: {steps: 6}
"""


def answer(number: int) -> str:
    """An answer of its own for every row."""
    drawn = random.Random(number).sample(WORDS, 5)
    return f"{' '.join(drawn)} {number}."


def run_study(folder: Path, study: str = STUDY) -> Path:
    """Run one; returns the run folder with its report."""
    rows = [
        {"id": f"r{n}", "question": f"What is {WORDS[n % 10]} {n * n}?", "answer": answer(n)}
        for n in range(36)
    ]
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "study.yaml").write_text(study)
    saved(tiny_decoder(), folder / "llama")
    command = ["preceptor", "run", str(folder / "study.yaml"), "--out", str(folder / "run")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", command)
        patch.setenv("PRECEPTOR_CACHE", str(folder / "cache"))
        with contextlib.suppress(SystemExit):  # how a command ends; a run that failed has no page
            main()
    return folder / "run"

"""A study whose student is held in four bits, and what is refused of it."""

from __future__ import annotations

import importlib.util
from dataclasses import replace

import pytest

from fixtures_models import saved, tiny_decoder
from preceptor.errors import PreceptorError
from preceptor.models.decoder import load_decoder
from preceptor.models.weights import resolve
from study.conftest import Cli, Place


def test_a_study_loads_in_four_bits(place: Place, cli: Cli) -> None:
    saved(
        tiny_decoder("LlamaForCausalLM", hidden_size=64, intermediate_size=128),
        place.folder / "wide",
    )
    four = ["--set", "students.llama.weights=wide", "--set", "students.llama.load_in_4bit=true"]
    few = ["--set", "students.llama.grid={}", "--set", "seeds=1", "--set", "baselines.teacher=[]"]
    few += ["--set", "arms={none: none}"]
    assert cli("run", place.study, "--out", "run", *few, *four) == 0
    assert "loaded in 4 bits" in (place.folder / "run" / "report" / "index.html").read_text()
    cell = "llama/default/none/seed-0"
    assert cli("predict", "run", "rows.jsonl", "--cell", cell, "--out", "said.jsonl") == 0


def test_what_cannot_be_is_refused_before_work(
    place: Place, cli: Cli, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    four = ["--set", "students.llama.load_in_4bit=true"]
    whole = ["--set", "students.llama.method=full", "--set", "students.llama.grid={}"]
    assert cli("run", place.study, "--out", "run", *four, *whole) == 2
    assert "full trains what is frozen then; base and lora and prefix do not" in told(capsys)
    find = importlib.util.find_spec
    gone = "preceptor.models.four_bit.find_spec"
    monkeypatch.setattr(gone, lambda name: None if name == "bitsandbytes" else find(name))
    assert cli("run", place.study, "--out", "run", *four) == 2
    assert "pip install 'preceptor[4bit]'" in told(capsys)
    assert not (place.folder / "run").exists()
    with pytest.raises(PreceptorError, match="needs bitsandbytes"):
        load_decoder(replace(resolve(str(place.folder / "llama")), rounded=True))


def told(capsys: pytest.CaptureFixture[str]) -> str:
    return " ".join(capsys.readouterr().err.split())

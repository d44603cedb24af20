"""Miniature studies with encoder-decoder students, from the YAML to the report and beyond."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fixtures_models import saved, tiny_encoder, tiny_seq2seq
from preceptor.evaluate.decode import generate
from preceptor.models.pairs import opening_of
from preceptor.models.seq2seq import load_opening, load_seq2seq
from preceptor.models.weights import resolve
from preceptor.store.tables import read_rows
from study.conftest import Cli, Place, rows

LABELS = """\
name: labels
seeds: 2
task: {kind: choice, labels: [yes, no, maybe], input: "{{ text }}"}
data:
  reader: table
  path: rows.jsonl
  columns: {id: id, target: kind, inputs: [text]}
  split: {by: draw, test: 24, validation: 12}
  train: {per_label: 3}
arms: {none: none, repeat: repeat}
students:
  bart:
    kind: seq2seq
    weights: bart
    method: {name: full, learning_rate: 5.0e-3}
    fit: {batch_rows: 5, max_length: 100, validate_every: 20}
    max_new_tokens: 5
  t5:
    kind: seq2seq
    weights: t5
    method: {name: lora, rank: 2}
    grid: {alpha: [4, 8]}
    readings: [generation]
    arms: [none]
    seeds: 1
  pair: {kind: seq2seq, weights: bert+bert, method: full, arms: [none], seeds: 1,
    fit: {batch_rows: 4, max_length: 100}}
budget: {steps: 40}
keep: all
"""
TEXTS = """\
name: texts
seeds: 2
task: {kind: text, input: "{{ question }}"}
data:
  reader: table
  path: answers.jsonl
  columns: {id: id, target: answer, inputs: [question]}
  split: {by: draw, test: 8, validation: 6}
arms: {none: none}
students:
  base: {kind: seq2seq, weights: bert+bert, method: base, fit: {max_length: 100}}
  bart: {kind: seq2seq, weights: bart, method: {name: full, learning_rate: 5.0e-3},
    fit: {batch_rows: 4, max_length: 100}}
  llama: {kind: decoder, weights: llama, method: {name: lora}, seeds: 1}
budget: {steps: 60}
keep: all
"""


@pytest.fixture(scope="session")
def two_stacks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("seq2seq")
    bart = tiny_seq2seq(dropout=0.0)
    bart.generation_config.forced_bos_token_id = 1
    saved(bart, folder / "bart")
    saved(tiny_seq2seq("T5ForConditionalGeneration"), folder / "t5")
    saved(tiny_encoder("BertModel"), folder / "bert")
    return folder


@pytest.fixture
def here(place: Place, two_stacks: Path) -> Place:
    (place.folder / "bert").unlink()
    for name in ("bart", "t5", "bert"):
        (place.folder / name).symlink_to(two_stacks / name)
    answers = [
        {
            "id": f"q{n}",
            "question": f"Is {n} odd?",
            "answer": f"The number {n} is odd. " * (1 + n % 3),
        }
        for n in range(30)
    ]
    (place.folder / "answers.jsonl").write_text("".join(json.dumps(row) + "\n" for row in answers))
    place.study.write_text(LABELS)
    return place


def predicted(place: Place, cli: Cli, rows: str, cell: str) -> list[dict[str, object]]:
    assert cli("predict", "run", rows, "--cell", cell, "--out", "out.jsonl") == 0
    return [json.loads(line) for line in (place.folder / "out.jsonl").read_text().splitlines()]


def test_labels_from_the_yaml_to_the_page_and_to_new_rows(
    here: Place, cli: Cli, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli("plan", here.study, "--json") == 0
    sizes = {
        one["student"]: one["parameters"] for one in json.loads(capsys.readouterr().out)["training"]
    }
    assert all(sizes.values())
    assert cli("run", here.study, "--out", "run") == 0
    results = here.results()
    assert results["finished"], results["failed"]
    assert {cell["kind"] for cell in results["cells"]} == {"seq2seq"}
    readings = {(row["student"], row["reading"]) for row in results["scores"]}
    assert readings == {
        ("bart", "likelihood"), ("bart", "generation"), ("t5", "generation"),
        ("pair", "likelihood"), ("pair", "generation"),
    }  # fmt: skip
    cell = next(one for one in results["cells"] if one["id"] == "bart/default/none/seed-1")
    assert cell["trunk"]["off"] == "an encoder-decoder model has two stacks of blocks"
    assert cell["best_update"] in {20, 40}
    test = cell["splits"]["test"]
    assert test["generation"]["unparsed"] == 0
    assert "log_loss" in test["likelihood"]
    history = json.loads((here.folder / "run" / cell["path"] / "history.json").read_text())
    assert history[-1]["loss"] < 0.1 * history[0]["loss"]
    pair = next(one for one in results["cells"] if one["student"] == "pair")
    assert "no pretrained" in pair["weights"]["note"]
    assert cli("verify", "run", "--no-rerun") == 0
    assert (here.folder / "run" / "report" / "index.html").is_file()


def test_saved_cells_predict_what_they_predicted(here: Place, cli: Cli) -> None:
    """A pair too, whose cross-attention the cell's seed drew, and an adapter."""
    here.study.write_text(LABELS.replace("steps: 40", "steps: 6").replace("seeds: 2", "seeds: [3]"))
    assert cli("run", here.study, "--out", "run") == 0
    lines = (here.folder / "rows.jsonl").read_text().splitlines()
    rows = {row["id"]: row for row in map(json.loads, lines)}
    for cell in ("bart/default/none/seed-3", "t5/alpha=8/none/seed-3", "pair/default/none/seed-3"):
        kept = read_rows(here.folder / "run" / "cells" / cell / "predictions.parquet")
        first = kept[0]["reading"]
        test = [one for one in kept if (one["split"], one["reading"]) == ("test", first)]
        new = "".join(json.dumps({"text": rows[one["id"]]["text"]}) + "\n" for one in test)
        (here.folder / "new.jsonl").write_text(new)
        said = predicted(here, cli, "new.jsonl", cell)
        assert [one["prediction"] for one in said] == [one["prediction"] for one in test]
        if first == "generation":
            assert [one["preceptor_text"] for one in said] == [one["text"] for one in test]
        else:
            probabilities = [max(one["probabilities"]) for one in test]
            assert [one["probability"] for one in said] == pytest.approx(probabilities, abs=1e-5)


def test_a_tuned_adapter_is_exported_whole(here: Place, cli: Cli) -> None:
    here.study.write_text(LABELS.replace("steps: 40", "steps: 2"))
    sets = ("--set", "students.bart.method=lora", "--set", "arms={none: none}", "--set", "seeds=1")
    assert cli("run", here.study, "--out", "run", *sets) == 0
    assert cli("export", "run", "whole", "--cell", "bart/default/none/seed-0") == 0
    weights = resolve(str(here.folder / "whole"))
    model, tokenizer = load_seq2seq(weights)
    assert load_opening(weights) == opening_of(model) == (2, 1)
    options: Any = {"max_new_tokens": 5, "batch_tokens": 500, "label": "answers"}
    kept = read_rows(here.folder / "run/cells/bart/default/none/seed-0/predictions.parquet")
    one = next(row for row in kept if row["reading"] == "generation")
    text = next(row["text"] for row in rows() if row["id"] == one["id"])
    prompt = f"{text}\nAnswer:"
    assert generate(model, tokenizer, [prompt], "default", **options) == [one["text"]]


def test_texts_have_figures_over_answers_alone(here: Place, cli: Cli) -> None:
    here.study.write_text(TEXTS)
    assert cli("run", here.study, "--out", "run") == 0
    results = here.results()
    assert results["finished"], results["failed"]
    cells = {cell["id"]: cell for cell in results["cells"]}
    bart = cells["bart/default/none/seed-0"]["splits"]["test"]["next_token"]
    base = cells["base/default/none/seed-0"]["splits"]["test"]["next_token"]
    assert set(bart) == {"n", "tokens", "log_loss", "perplexity", "next_token_accuracy"}
    assert bart["perplexity"] < base["perplexity"]
    metrics: dict[str, set[str]] = {}
    for row in results["scores"]:
        metrics.setdefault(row["student"], set()).add(row["metric"])
    assert metrics["bart"] == {"perplexity", "next_token_accuracy"}
    assert metrics["llama"] == metrics["bart"] | {f"{one}_all" for one in metrics["bart"]}
    pairs = {
        (row["student"], row["against"], row["metric"]) for row in results["method_comparisons"]
    }
    assert pairs == {
        (one, other, metric)
        for one, other in (("bart", "base"), ("llama", "base"), ("llama", "bart"))
        for metric in metrics["bart"]
    }
    rows = read_rows(here.folder / "run" / "cells" / "bart/default/none/seed-0/predictions.parquet")
    assert {row["nll_all"] for row in rows} == {row["tokens_all"] for row in rows} == {None}
    assert sum(row["tokens_answer"] for row in rows if row["split"] == "test") == bart["tokens"]
    said = predicted(here, cli, "answers.jsonl", "bart/default/none/seed-1")
    assert len(said) == 30
    assert all(str(one["text"]).startswith("The number") for one in said)
    assert (here.folder / "run" / "report" / "index.html").is_file()


def test_sources_and_answers_are_held_against_the_length_apart(
    here: Place, cli: Cli, capsys: pytest.CaptureFixture[str]
) -> None:
    study = TEXTS.replace("max_length: 100", "max_length: 24")
    here.study.write_text(study.replace("steps: 60", "steps: 2"))
    short = ("--set", "students.bart.max_new_tokens=8", "--set", "students.base.max_new_tokens=8")
    assert cli("run", here.study, "--out", "run", *short) == 2
    said = capsys.readouterr().err
    assert "an answer is too long for the student" in said
    assert "truncate_end" in said
    assert (
        cli("run", here.study, "--out", "run", *short, "--set", "data.too_long=truncate_end") == 0
    )
    cut = {cell["id"]: cell["cut"] for cell in here.results()["cells"]}
    assert 0 < cut["bart/default/none/seed-0"]["train"] < 16
    assert cut["llama/default/none/seed-0"]["train"] == 0


@pytest.mark.parametrize(
    ("study", "override", "words"),
    [
        (LABELS, "students.bart.fit.layout=packed", "packed for an encoder-decoder model"),
        (LABELS, "students.bart.fit.trunk_cache=on", "two stacks of blocks; auto"),
        (LABELS, "students.bart.method=prefix", "fits decoder students alone"),
        (LABELS, "students.bart.method=unfreeze", "fits decoder and encoder students alone"),
        (
            LABELS,
            "students.bart.method={name: lora, last_blocks: 1}",
            "two stacks of blocks; leave",
        ),
        (LABELS, "students.pair.method=lora", "a pair is tuned by full"),
        (LABELS, "students.bart.weights=llama", "use it as kind: decoder"),
        (LABELS, "students.bart.max_new_tokens=100", "leaves no room in fit.max_length"),
        (TEXTS, "students.bart.max_new_tokens=100", "leaves no room in fit.max_length"),
    ],
)
def test_what_does_not_suit_is_refused_before_anything_is_loaded(
    here: Place, cli: Cli, capsys: pytest.CaptureFixture[str], study: str, override: str, words: str
) -> None:
    here.study.write_text(study)
    sets = ("--set", override.replace("=on", "='on'"))
    assert cli("plan", here.study, *sets) == 2
    assert words in " ".join(capsys.readouterr().err.split())


def test_an_answer_beyond_the_models_window_is_refused_before_training(
    here: Place, cli: Cli, capsys: pytest.CaptureFixture[str]
) -> None:
    sets = (
        "--set",
        "students.bart.fit={max_length: 400}",
        "--set",
        "students.bart.max_new_tokens=127",
    )
    assert cli("run", here.study, "--out", "run", *sets) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "a written answer may be longer than the student can see" in said
    assert "129 tokens" in said
    assert "at most 128" in said

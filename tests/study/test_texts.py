"""Studies of free answers: methods side by side, from the YAML to the report and beyond."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from preceptor.models.decoder import load_decoder
from preceptor.models.weights import resolve
from preceptor.store.tables import read_rows
from study.conftest import Cli, Place

STUDY = """\
name: texts
seeds: 2
task: {{kind: text, input: "{{{{ question }}}}"}}
data:
  reader: table
  path: answers.jsonl
  columns: {{id: id, target: answer, inputs: [question]}}
  split: {{by: draw, test: 8, validation: 6}}
  too_long: {too_long}
arms: {{none: none}}
students:
  base: {{kind: decoder, weights: llama, method: base, seeds: 1, fit: {fit}}}
  unfreeze: {{kind: decoder, weights: llama, method: {{name: unfreeze, learning_rate: 1.0e-2}},
    fit: {fit}}}
  lora: {{kind: decoder, weights: llama, method: {{name: lora, learning_rate: 1.0e-2}}, fit: {fit}}}
budget: {{epochs: 3}}
keep: all
"""


@pytest.fixture
def texts(place: Place) -> Place:
    rows = [
        {
            "id": f"q{n}",
            "question": f"Is {n} odd?",
            "answer": f"The number {n} is odd. " * (1 + n % 3),
        }
        for n in range(30)
    ]
    (place.folder / "answers.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    write(place)
    return place


def write(place: Place, fit: str = "{batch_rows: 4, max_length: 120}", too: str = "refuse") -> None:
    place.study.write_text(STUDY.format(fit=fit, too_long=too))


def test_methods_stand_side_by_side_with_the_untuned_base(
    texts: Place, cli: Cli, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli("plan", texts.study, "--json") == 0
    assert json.loads(capsys.readouterr().out)["cells"] == 5
    assert cli("run", texts.study, "--out", "run") == 0
    results = texts.results()
    cells = {cell["id"]: cell for cell in results["cells"]}
    base = cells["base/default/none/seed-0"]["splits"]["test"]["next_token"]
    tuned = cells["unfreeze/default/none/seed-0"]
    assert tuned["splits"]["test"]["next_token"]["perplexity"] < base["perplexity"]
    assert cells["base/default/none/seed-0"]["trainable_parameters"] == 0
    assert tuned["trunk"]["blocks"] == 1
    assert cells["lora/default/none/seed-0"]["trunk"]["off"]
    pairs = {(row["student"], row["against"]) for row in results["method_comparisons"]}
    assert pairs == {("unfreeze", "base"), ("lora", "base"), ("lora", "unfreeze")}
    row = next(r for r in results["method_comparisons"] if r["student"] == "unfreeze")
    assert (row["metric"], row["seeds"], row["items"]) == ("perplexity", 2, 8)
    assert row["difference"] < 0
    metrics = {row["metric"] for row in results["scores"]}
    assert metrics == {
        f"{m}{e}" for m in ("perplexity", "next_token_accuracy") for e in ("", "_all")
    }
    assert not (texts.folder / "run" / "trunk").exists()
    assert not (texts.folder / "run" / "checkpoints").exists()


def test_the_figures_can_be_had_from_the_predictions(texts: Place, cli: Cli) -> None:
    assert cli("run", texts.study, "--out", "run") == 0
    cell = texts.results()["cells"][0]
    rows = read_rows(texts.folder / "run" / cell["path"] / "predictions.parquet")
    test = [row for row in rows if row["split"] == "test"]
    nll, tokens = (sum(row[f"{name}_answer"] for row in test) for name in ("nll", "tokens"))
    assert cell["splits"]["test"]["next_token"]["perplexity"] == pytest.approx(
        math.exp(nll / tokens)
    )
    assert cli("verify", "run", "--no-rerun") == 0


def test_tuned_students_write_export_and_are_evaluated_again(
    texts: Place, cli: Cli, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert cli("run", texts.study, "--out", "run") == 0
    for student in ("unfreeze", "lora"):
        cell = f"{student}/default/none/seed-1"
        out = f"{student}.jsonl"
        assert cli("predict", "run", "answers.jsonl", "--cell", cell, "--out", out) == 0
        said = [json.loads(line) for line in (texts.folder / out).read_text().splitlines()]
        assert len(said) == 30
        assert {"prediction", "text"} <= set(said[0])
        assert cli("export", "run", f"whole-{student}", "--cell", cell) == 0
        model, _ = load_decoder(resolve(str(texts.folder / f"whole-{student}")))
        assert model.config.model_type == "llama"
    capsys.readouterr()
    csv = texts.folder / "medquad.csv"
    lines = [f"Is {n} odd?,The number {n} is odd.,S,F{n}" for n in range(30)]
    csv.write_text("question,answer,source,focus_area\n" + "\n".join(lines))
    data = ("--data", f"medquad:{csv}", "--json")
    found = {}
    for model in ("llama", "run/cells/unfreeze/default/none/seed-1/model", "whole-unfreeze"):
        assert cli("evaluate", model, *data) == 0
        found[model] = json.loads(capsys.readouterr().out)
        assert found[model]["n"] == 6
    figures = [one["perplexity"] for one in found.values()]
    assert figures[1] < figures[0]
    assert figures[2] == pytest.approx(figures[1], rel=1e-4)
    assert cli("evaluate", "llama", *data, "--limit", "3") == 0
    assert json.loads(capsys.readouterr().out)["n"] == 3
    assert cli("evaluate", "llama", "--data", "pubmedqa:x.json") == 2
    assert "medquad:PATH" in capsys.readouterr().err


def test_what_does_not_fit_is_refused_or_cut_at_the_answers_end_and_counted(
    texts: Place, cli: Cli, capsys: pytest.CaptureFixture[str]
) -> None:
    write(texts, "{max_length: 30}")
    assert cli("run", texts.study, "--out", "run") == 2
    said = capsys.readouterr().err
    assert "a prompt and its answer are too long" in said
    assert "truncate_end" in said
    write(texts, "{max_length: 30}", "truncate_end")
    assert cli("run", texts.study, "--out", "cut") == 0
    cell = texts.results("cut")["cells"][1]
    assert cell["cut"]["train"] > 0
    assert cell["cut"]["validation and test"] > 0
    write(texts, "{max_length: 8}", "truncate_end")
    assert cli("run", texts.study, "--out", "nothing") == 2
    assert "nothing of an answer is left" in capsys.readouterr().err


def test_early_stopping_looks_at_validation_and_keeps_the_best(texts: Place, cli: Cli) -> None:
    write(texts, "{batch_rows: 4, validate_every: 2, patience: 2}")
    assert cli("run", texts.study, "--out", "run", "--set", "budget={steps: 40}") == 0
    cell = next(one for one in texts.results()["cells"] if one["student"] == "unfreeze")
    looks = {look["update"]: look["value"] for look in cell["looks"]}
    assert cell["best_update"] == min(looks, key=lambda update: looks[update])
    validation = cell["splits"]["validation"]["next_token"]["log_loss"]
    assert validation == pytest.approx(min(looks.values()), rel=1e-5)


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("arms={none: none, rewrite: rewrite}", "a text task takes create and annotate"),
        ("students.lora={kind: encoder, weights: bert, method: full}", "a text task needs one"),
        ("students.lora.method=prefix", "cannot be packed for a prefix"),
        ("students.lora.method=full", "nothing stays frozen"),
        ("baselines={human: answer}", "no labels that a teacher or a person"),
        ("data.train={per_label: 2}", "per_label"),
        ("curation={slots: {values: '<(.+)>'}}", "finds nothing in any of the"),
        ("curation={slots: {values: '<.+>'}}", "no group ( ) in it that a value would be"),
    ],
)
def test_what_does_not_suit_a_text_task_is_refused(
    texts: Place, cli: Cli, capsys: pytest.CaptureFixture[str], override: str, words: str
) -> None:
    fit = "{layout: packed}" if "packed" in words else "{trunk_cache: 'on'}"
    if "packed" in words or "frozen" in words:
        write(texts, fit)
    assert cli("plan", texts.study, "--set", override) == 2
    assert words in capsys.readouterr().err

"""Studies scored by what students write: from the YAML to the page, to new rows and to a file."""

from __future__ import annotations

import json
from itertools import zip_longest
from pathlib import Path
from typing import Any

import pytest
from sacrebleu import corpus_bleu, corpus_chrf

from fixtures_models import saved, tiny_seq2seq
from preceptor.data.example import Example
from preceptor.errors import DataError
from preceptor.store.tables import read_rows
from preceptor.study.measures.foreseen import METRICS as FORESEEN
from preceptor.study.measures.written import METRICS, references_of
from study.conftest import Cli, Place

STUDY = """\
name: written
seeds: 2
task: {kind: text, input: "{{ question }}", score_by: [generation]}
data:
  reader: table
  path: answers.jsonl
  columns: {id: id, target: answer, inputs: [question], references: [others]}
  split: {by: draw, test: 8, validation: 6}
arms: {none: none, repeat: repeat}
students:
  base: {kind: seq2seq, weights: bart, method: base, seeds: 1, arms: [none],
    max_new_tokens: 24, fit: {max_length: 100}}
  bart: {kind: seq2seq, weights: bart, method: {name: full, learning_rate: 5.0e-3},
    max_new_tokens: 24, fit: {batch_rows: 4, max_length: 100, validate_every: 60}}
  llama: {kind: decoder, weights: llama, method: {name: full, learning_rate: 5.0e-3},
    max_new_tokens: 24, arms: [none], fit: {batch_rows: 4, max_length: 100}}
budget: {steps: 120}
keep: all
"""


def right(number: int) -> list[str]:
    """An answer, and a second one for some."""
    kind = "odd" if number % 2 else "even"
    return [f"The number {number} is {kind}.", f"It is {kind}, the number {number}."][
        : 1 + number % 3
    ]


@pytest.fixture(scope="session")
def bart(tmp_path_factory: pytest.TempPathFactory) -> Path:
    model = tiny_seq2seq(dropout=0.0)
    model.generation_config.forced_bos_token_id = 1
    return saved(model, tmp_path_factory.mktemp("written") / "bart")


@pytest.fixture
def here(place: Place, bart: Path) -> Place:
    (place.folder / "bart").symlink_to(bart)
    rows = [
        {"id": f"q{n}", "question": f"Is {n} odd?", "answer": right(n)[0], "others": right(n)}
        for n in range(30)
    ]
    (place.folder / "answers.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    place.study.write_text(STUDY)
    return place


def test_from_the_yaml_to_the_page_and_to_new_rows(
    here: Place, cli: Cli, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli("run", here.study, "--out", "run") == 0
    results = here.results()
    assert results["finished"], results["failed"]
    cells = {cell["id"]: cell for cell in results["cells"]}
    for cell in cells.values():
        assert set(cell["splits"]["test"]) == {"generation"}
        _check_against_sacrebleu(here.folder / "run" / cell["path"], cell["splits"]["test"])
    tuned, base = (cells[f"{one}/default/none/seed-0"]["splits"] for one in ("bart", "base"))
    assert tuned["test"]["generation"]["bleu"] > base["test"]["generation"]["bleu"] + 5
    assert tuned["test"]["generation"]["unended"] == 0
    assert tuned["test"]["generation"]["empty"] == 0
    _check_statistics(results)
    _check_choices(results, cells)
    assert cli("verify", "run", "--no-rerun") == 0
    assert cli("predict", "run", "answers.jsonl", "--cell", "llama/default/none/seed-1", "--out",
               "out.jsonl") == 0  # fmt: skip
    said = [json.loads(line) for line in (here.folder / "out.jsonl").read_text().splitlines()]
    assert len(said) == 30
    assert all(one["prediction"].startswith("The number") for one in said)


def _check_against_sacrebleu(folder: Path, metrics: dict[str, Any]) -> None:
    rows = [row for row in read_rows(folder / "predictions.parquet") if row["split"] == "test"]
    references = list(zip_longest(*(right(int(row["id"][1:])) for row in rows)))
    texts = [row["prediction"] or "" for row in rows]
    found = metrics["generation"]
    assert found["bleu"] == pytest.approx(corpus_bleu(texts, references).score)
    assert found["chrf"] == pytest.approx(corpus_chrf(texts, references).score)
    assert found["n"] == len(rows) == 8
    assert found["signatures"]["bleu"].startswith("nrefs:var|")
    for name in ("rouge1", "rougeL", "exact_match"):
        assert found[name] == pytest.approx(sum(row[name] for row in rows) / 8)
    words = (sum(row[name] for row in rows) for name in ("words", "reference_words"))
    assert found["length_ratio"] == pytest.approx(next(words) / next(words))
    assert found["unended"] == sum(not row["ended"] for row in rows)
    assert {row["nll_answer"] for row in rows} == {None}


def _check_statistics(results: dict[str, Any]) -> None:
    assert {row["metric"] for row in results["scores"]} == set(METRICS)
    for part in ("comparisons", "method_comparisons"):
        found = {row["metric"] for row in results[part]}
        assert found == set(METRICS) - {"length_ratio"}, "a length is no merit"
    score = next(
        row
        for row in results["scores"]
        if (row["student"], row["arm"], row["metric"]) == ("bart", "none", "bleu")
    )
    cells = [c for c in results["cells"] if (c["student"], c["arm"]) == ("bart", "none")]
    mean = sum(cell["splits"]["test"]["generation"]["bleu"] for cell in cells) / 2
    assert score["mean"] == pytest.approx(mean)
    assert score["low"] < mean < score["high"]
    fact = next(
        row
        for row in results["method_comparisons"]
        if (row["student"], row["against"], row["metric"]) == ("bart", "base", "bleu")
    )
    assert (fact["seeds"], fact["items"], fact["scope"]) == (2, 8, "seeds and items")
    assert fact["difference"] > 0
    assert fact["verdict"] == ("better" if fact["p_holm"] < 0.05 else "no evidence")


def _check_choices(results: dict[str, Any], cells: dict[str, Any]) -> None:
    for cell in [one for one in cells.values() if one["student"] == "bart"]:
        looks = {look["update"]: look["value"] for look in cell["looks"]}
        assert cell["best_update"] == max(looks, key=lambda update: looks[update])
        validation = cell["splits"]["validation"]["generation"]["bleu"]
        assert validation == pytest.approx(max(looks.values()))
    bleu = {name: one["splits"]["validation"]["generation"]["bleu"] for name, one in cells.items()}
    assert bleu[results["best"]] == max(bleu.values())


def test_both_readings_stand_beside_each_other_and_log_loss_chooses(here: Place, cli: Cli) -> None:
    sets = ("--set", "task.score_by=[generation, next_token]", "--set", "budget={steps: 2}")
    sets += ("--set", "arms={none: none}", "--set", "students.bart.fit.validate_every=1")
    assert cli("run", here.study, "--out", "run", *sets, "--set", "seeds=1") == 0
    results = here.results()
    assert results["finished"], results["failed"]
    readings = {(row["reading"], row["metric"]) for row in results["scores"]}
    assert readings == {("generation", name) for name in METRICS} | {
        ("next_token", name) for name in FORESEEN
    }
    cell = next(one for one in results["cells"] if one["student"] == "bart")
    looks = [look["value"] for look in cell["looks"]]
    loss = cell["splits"]["validation"]["next_token"]["log_loss"]
    assert loss == pytest.approx(min(looks), rel=1e-5)
    assert {row["metric"] for row in results["method_comparisons"]} == set(METRICS) - {
        "length_ratio"
    }, "of the first reading"
    assert (here.folder / "run" / "report" / "index.html").is_file()


def test_texts_that_are_cut_off_are_counted_and_inputs_cut_once(here: Place, cli: Cli) -> None:
    sets = ("--set", "task.score_by=[next_token, generation]", "--set", "budget={steps: 1}")
    sets += ("--set", "data.too_long=truncate_end", "--set", "seeds=1")
    sets += ("--set", "arms={none: none}")
    for student in ("base", "bart", "llama"):
        sets += ("--set", f"students.{student}.max_new_tokens=3")
    fit = "students.llama.fit={batch_rows: 4, max_length: 22}"
    assert cli("run", here.study, "--out", "run", *sets, "--set", fit) == 0
    cells = {cell["student"]: cell for cell in here.results()["cells"]}
    test = cells["llama"]["splits"]["test"]["generation"]
    assert test["unended"] == 8
    assert 0 < cells["llama"]["cut"]["validation and test"] <= 14


def test_references_are_the_target_and_the_others_each_once() -> None:
    example = Example("a", {}, "one", ("two", "one", "three"))
    assert references_of(example) == ["one", "two", "three"]
    assert references_of(Example("a", {}, None, ("two",))) == ["two"]
    with pytest.raises(DataError, match="no reference"):
        references_of(Example("a", {}, None, ("",)))


def test_a_file_of_texts_is_scored_against_references(
    here: Place, cli: Cli, capsys: pytest.CaptureFixture[str]
) -> None:
    texts = {f"q{n}": right(n)[-1].replace("number", "digit") for n in range(30)}
    (here.folder / "said.json").write_text(json.dumps(texts))
    rows = [{"id": f"q{n}", "target": right(n)[0], "references": right(n)[1:]} for n in range(30)]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (here.folder / "right.jsonl").write_text(lines)
    assert cli("score", "said.json", "--references", "right.jsonl", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    references = list(zip_longest(*(right(n) for n in range(30))))
    assert found["bleu"] == pytest.approx(corpus_bleu(list(texts.values()), references).score)
    assert found["n"] == 30
    assert cli("score", "said.json", "--references", "right.jsonl") == 0
    assert f"BLEU         {found['bleu']:.2f}" in capsys.readouterr().out
    (here.folder / "right.jsonl").write_text(lines + '{"id": "q99", "references": []}\n')
    assert cli("score", "said.json", "--references", "right.jsonl") == 2
    assert "id 'q99', 0 references" in capsys.readouterr().err
    del texts["q3"]
    (here.folder / "said.json").write_text(json.dumps(texts))
    (here.folder / "right.jsonl").write_text(lines)
    assert cli("score", "said.json", "--references", "right.jsonl") == 2
    assert "1 test items have no answer" in capsys.readouterr().err
    assert cli("score", "--references", "right.jsonl") == 2
    assert cli("score", "said.json", "--references", "right.jsonl", "--field", "x") == 2
    assert "neither --data nor --field" in capsys.readouterr().err


def test_prompts_and_answers_that_do_not_fit_together_are_refused_early(
    here: Place, cli: Cli, capsys: pytest.CaptureFixture[str]
) -> None:
    short = "students.llama.fit={batch_rows: 4, max_length: 46}"
    assert cli("plan", here.study, "--set", short) == 2
    assert "takes more than half of fit.max_length (46)" in capsys.readouterr().err
    rows = [json.loads(line) for line in (here.folder / "answers.jsonl").read_text().splitlines()]
    for row in rows:
        row["question"] = "Is the number that I think of now odd? " + row["question"]
    (here.folder / "answers.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    sets = ("--set", short.replace("46", "70"), "--set", "students.llama.max_new_tokens=35")
    assert cli("run", here.study, "--out", "run", *sets) == 2
    said = capsys.readouterr().err
    assert "of 30 examples do not fit" in said
    assert not (here.folder / "run" / "cells").exists()

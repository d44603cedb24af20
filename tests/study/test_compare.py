"""Runs side by side: what changed, and every arm of the same name on the very same items."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from preceptor.data.example import COLUMNS
from preceptor.errors import DataError, PreceptorError, SpecError, StaleRunError
from preceptor.report.versus import RunDifference, Versus
from preceptor.store.tables import read_rows, write_rows
from preceptor.study.file import load_study
from preceptor.study.plan import Plan
from preceptor.study.run import run as run_study
from preceptor.study.versus import compare

from .conftest import Cli, rows
from .small_runs import REAL, STUDY, edit, examples, right, write_run, write_text_run

ITEMS = examples()
NONE = {seed: right(ITEMS, 10, seed) for seed in (0, 1, 2)}
RAW = {seed: right(ITEMS, 8, seed) for seed in (0, 1, 2)}
CURATED = {seed: right(ITEMS, 1, seed) for seed in (0, 1, 2)}


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    return write_run(tmp_path / "raw", ITEMS, {"none": NONE, "create": RAW})


@pytest.fixture
def curated(tmp_path: Path) -> Path:
    study = f"{STUDY}curation: {{facts: false, length: {{}}}}\n"
    return write_run(tmp_path / "curated", ITEMS, {"none": NONE, "create": CURATED}, study=study)


def differences(found: Versus, metric: str = "accuracy") -> dict[str, RunDifference]:
    return {one.arm: one for one in found.differences if one.metric == metric}


def test_an_arm_is_set_against_that_of_the_first_run(raw: Path, curated: Path) -> None:
    one = differences(compare([raw, curated]))["create"]
    assert (one.run, one.against, one.student, one.reading) == (
        "curated",
        "raw",
        "bert",
        "classifier",
    )
    hits = [
        [[said == item.target for said, item in zip(run[seed], ITEMS, strict=True)] for seed in run]
        for run in (CURATED, RAW)
    ]
    assert (
        one.difference
        == pytest.approx(np.mean(hits[0]) - np.mean(hits[1]))
        == pytest.approx(7 / 30)
    )
    assert (one.seeds, one.items, one.verdict) == (3, 30, "better")
    assert one.low is not None
    assert 0 < one.low < 7 / 30
    turned = differences(compare([curated, raw]))["create"]
    assert (turned.difference, turned.verdict) == (pytest.approx(-7 / 30), "worse")


def test_the_same_predictions_are_said_to_be_the_same(raw: Path, curated: Path) -> None:
    found = differences(compare([raw, curated]))
    assert (found["none"].same, found["none"].alike) == (True, False)
    assert (found["none"].difference, found["none"].verdict) == (0.0, "no evidence")
    assert not found["create"].same


def test_arms_made_from_the_same_are_no_part_of_the_family(raw: Path, curated: Path) -> None:
    family = {one.family for one in compare([raw, curated]).differences}
    assert family == {2}
    for seed in (0, 1, 2):
        place = f"cells/bert/default/none/seed-{seed}/part.json"
        shutil.copy(raw / place, curated / place)
    found = differences(compare([raw, curated]))
    assert found["none"].alike
    assert (found["create"].family, found["none"].family) == (1, 1)


def test_settings_that_differ_are_named_with_defaults(raw: Path, curated: Path) -> None:
    found = {one.key: (one.values, one.bears) for one in compare([raw, curated]).changes}
    assert found == {
        "curation.facts": (["default", "false"], True),
        "curation.length": (["false (default)", "{}"], True),
    }


def test_a_default_that_is_written_out_is_no_change(raw: Path, tmp_path: Path) -> None:
    same = STUDY.replace("method: {name: full,", "fit: {max_length: 1024}, method: {name: full,")
    other = same.replace("name: small", "name: other").replace("{steps: 3}", "{steps: 4}")
    run = write_run(tmp_path / "b", ITEMS, {"none": NONE}, study=other)
    found = [(one.key, one.values, one.bears) for one in compare([raw, run]).changes]
    assert found == [("name", ["small", "other"], False), ("budget.steps", ["3", "4"], True)]


def test_an_arm_that_one_study_has_is_one_change(raw: Path, tmp_path: Path) -> None:
    study = STUDY.replace("create: {operation: create, amount: 1x}", "again: repeat")
    run = write_run(tmp_path / "b", ITEMS, {"none": NONE}, study=study)
    found = {one.key: one.values for one in compare([raw, run]).changes}
    assert found == {
        "arms.create": ["{amount: 1x, operation: create}", ""],
        "arms.again": ["", "{operation: repeat}"],
    }


def test_what_stands_behind_equal_settings_is_told(raw: Path, curated: Path) -> None:
    for run, prompt, weights in ((raw, "Write one.", "a" * 64), (curated, "Write two.", "b" * 64)):
        folder = run / "arms" / "create" / "seed-0"
        folder.mkdir(parents=True)
        (folder / "part.json").write_text(json.dumps({"prompt": prompt}))
        for path in run.glob("cells/*/*/*/*/part.json"):
            path.write_text(json.dumps({"weights": {"folder_sha256": weights}}))
    found = {one.key: one.values for one in compare([raw, curated]).changes}
    assert found["prompts.create"] == ["Write one.", "Write two."]
    assert found["weights.bert.folder_sha256"] == ["a" * 12, "b" * 12]


def test_environments_are_compared_cell_by_cell(raw: Path, curated: Path) -> None:
    assert compare([raw, curated]).environment == []
    changed = {"environment": {"torch": "2.14.0", "threads": 1}, "precision": "bf16"}
    edit(curated / "results.json", lambda value: value["cells"][0].update(changed))
    found = {one.key: one.values for one in compare([raw, curated]).environment}
    assert found == {"torch": ["2.13.0", "2.13.0, 2.14.0"], "precision": ["fp32", "bf16, fp32"]}


def changed_examples(run: Path, change: Callable[[list[dict[str, Any]]], Any]) -> None:
    path = run / "data" / "examples.parquet"
    found = read_rows(path)
    change(found)
    write_rows(path, found, (*COLUMNS, "split"))


@pytest.mark.parametrize("field", ["inputs", "target", "references"])
def examples_of_the_same_id_that_say_something_else_are_never_compared(
    raw: Path, curated: Path, field: str
) -> None:
    values = {"inputs": '{"text": "other"}', "target": "maybe", "references": ["other"]}
    changed_examples(curated, lambda rows: rows[0].update({field: values[field]}))
    found = compare([raw, curated])
    assert found.differences == []
    assert {one.why for one in found.apart} == {
        "other test items under seed 0 (curated 30, raw 30, 29 of them the same)"
    }
    assert [line.same for line in found.data] == [[30, 29]]
    assert {one.run for one in found.scores} == {"raw", "curated"}, "scores are shown all the same"


def test_other_ids_are_never_compared(raw: Path, tmp_path: Path) -> None:
    fewer = examples(20, first=5)
    run = write_run(tmp_path / "b", fewer, {"none": {seed: right(fewer, 3) for seed in range(3)}})
    found = compare([raw, run])
    assert found.differences == []
    assert found.apart[0].why == "other test items under seed 0 (b 20, raw 30, 20 of them the same)"


def test_the_order_of_the_items_does_not_matter(raw: Path, tmp_path: Path) -> None:
    turned = ITEMS[::-1]
    run = write_run(tmp_path / "b", turned, {"create": {s: RAW[s][::-1] for s in RAW}})
    assert differences(compare([raw, run]))["create"].same


def test_runs_are_paired_on_the_seeds_that_both_have(raw: Path, tmp_path: Path) -> None:
    one = write_run(tmp_path / "one", ITEMS, {"create": {0: CURATED[0], 7: CURATED[1]}})
    found = differences(compare([raw, one]))["create"]
    assert (found.seeds, found.seeds_apart, found.of_items_only) == (1, (1, 2, 7), True)
    other = write_run(tmp_path / "other", ITEMS, {"create": {8: CURATED[0], 7: CURATED[1]}})
    (apart,) = compare([raw, other]).apart
    assert apart.why == "no seed is in both (other 7, 8; raw 0, 1, 2)"


def test_other_labels_and_other_tasks_are_said(raw: Path, curated: Path, tmp_path: Path) -> None:
    edit(curated / "results.json", lambda value: value["task"].update(labels=["yes", "no"]))
    text = write_text_run(tmp_path / "text", [1.0, 2.0], [2, 2])
    found = compare([raw, curated, text])
    assert found.differences == []
    assert [(one.run, one.why) for one in found.apart] == [
        ("curated", "the label sets differ (curated: yes, no; raw: yes, no, maybe)"),
        ("text", "the tasks are of other kinds (text text, raw choice)"),
    ]


def test_perplexities_over_other_tokens_are_not_compared(tmp_path: Path) -> None:
    first = write_text_run(tmp_path / "a", [1.0, 2.0, 3.0], [2, 3, 4])
    better = write_text_run(tmp_path / "b", [0.5, 1.0, 2.0], [2, 3, 4])
    other = write_text_run(tmp_path / "c", [0.5, 1.0, 2.0], [2, 3, 5])
    found = compare([first, better, other])
    assert {(one.run, one.metric) for one in found.differences} == {
        ("b", "perplexity"),
        ("b", "next_token_accuracy"),
    }
    assert differences(found, "perplexity")["none"].difference == pytest.approx(
        np.exp(3.5 / 9) - np.exp(6 / 9)
    )
    assert {(one.run, one.metric) for one in found.apart} == {
        ("c", "perplexity"),
        ("c", "next_token_accuracy"),
    }
    assert "other tokens" in found.apart[0].why


def test_folds_are_paired_fold_by_fold(tmp_path: Path) -> None:
    folds = {seed: range(10 * seed, 10 * seed + 10) for seed in (0, 1, 2)}
    runs = []
    for name, wrong in (("a", 4), ("b", 2)):
        said = {s: right([ITEMS[n] for n in own], wrong) for s, own in folds.items()}
        runs.append(write_run(tmp_path / name, ITEMS, {"create": said}, tested=folds))
    one = differences(compare(runs))["create"]
    assert (one.difference, one.items) == (pytest.approx(0.2), 30)
    assert one.scope == "folds (cross-validation)"


def damage(run: Path, what: str) -> None:
    cell = run / "cells/bert/default/create/seed-1/predictions.parquet"
    study, data = run / "study.yaml", run / "data" / "examples.parquet"
    newer = f"{study.read_text()}weather: fair\n"
    ways: dict[str, Callable[[], object]] = {
        "no predictions": cell.unlink,
        "damaged predictions": lambda: cell.write_bytes(b"PAR1 cut off"),
        "other predictions": lambda: write_rows(cell, [{"id": "t00"}], ["id", "split"]),
        "no examples": data.unlink,
        "no study": study.unlink,
        "damaged study": lambda: study.write_bytes(b"\xff\xfe"),
        "newer study": lambda: study.write_text(newer),
        "damaged score": lambda: edit(
            run / "results.json", lambda value: value["scores"].append({"mean": "?"})
        ),
    }
    ways[what]()


@pytest.mark.parametrize(
    ("what", "told", "compared"),
    [
        ("no predictions", "cells/bert/default/create/seed-1/predictions.parquet", {"none"}),
        ("damaged predictions", "create/seed-1/predictions.parquet cannot be read", {"none"}),
        ("other predictions", "lacks the column reading", {"none"}),
        ("no examples", "data/examples.parquet is not in the run folder", set()),
        ("no study", "study.yaml is not in the run folder", {"none", "create"}),
        ("damaged study", "study.yaml cannot be read", {"none", "create"}),
        ("newer study", "study.yaml is of another version of Preceptor", {"none", "create"}),
        ("damaged score", "results.json is damaged", {"none", "create"}),
    ],
)
def test_a_run_that_is_not_whole_is_compared_as_far_as_it_goes(
    raw: Path, curated: Path, what: str, told: str, compared: set[str]
) -> None:
    damage(curated, what)
    found = compare([raw, curated])
    assert set(differences(found)) == compared
    (problem,) = found.problems
    assert problem.startswith("curated: ")
    assert told in problem
    assert {one.run for one in found.scores} == {"raw", "curated"}
    keys = {one.key for one in found.changes}
    assert keys == (
        set() if what in ("no study", "damaged study")
        else {"curation", "weather"} if what == "newer study"
        else {"curation.facts", "curation.length"}
    )  # fmt: skip


@pytest.mark.parametrize(
    ("damaged", "kind", "words"),
    [
        (lambda run: (run / "results.json").unlink(), DataError, "preceptor run STUDY"),
        (lambda run: (run / "results.json").write_text("{"), DataError, "results.json"),
        (
            lambda run: edit(run / "results.json", lambda value: value.update(format=2)),
            StaleRunError,
            "newer version",
        ),
        (shutil.rmtree, DataError, "no such run folder"),
    ],
)
def test_results_that_are_not_there_or_newer_are_refused_by_name(
    raw: Path, curated: Path, damaged: Any, kind: type[PreceptorError], words: str
) -> None:
    damaged(curated)
    with pytest.raises(kind, match=words) as caught:
        compare([raw, curated])
    assert "curated" in str(caught.value)
    assert caught.value.fix


def test_one_folder_is_no_comparison(raw: Path) -> None:
    with pytest.raises(SpecError, match="two run folders"):
        compare([raw])
    with pytest.raises(SpecError, match="different run folders"):
        compare([raw, raw / "."])


def test_folders_of_one_name_are_told_apart(tmp_path: Path) -> None:
    runs = [write_run(tmp_path / name / "run", ITEMS, {"none": NONE}) for name in ("a", "b")]
    assert compare(runs).names == ["a/run", "b/run"]


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory, models: Path) -> Path:
    """A study that was run twice, really, with another learning rate."""
    folder = tmp_path_factory.mktemp("real")
    (folder / "bert").symlink_to(models / "bert")
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows()))
    for name, rate in (("slow", "1.0e-6"), ("fast", "5.0e-3")):
        study = folder / f"{name}.yaml"
        study.write_text(REAL.replace("seeds: 1", "seeds: 2").replace("1.0e-3", rate))
        run_study(
            Plan(load_study(study), folder, folder / name, "", study), False, lambda line: None
        )
    return folder


def test_a_study_run_twice_with_one_change(real: Path, cli: Cli, capsys: Any) -> None:
    out = real / "page"
    assert cli("compare", real / "slow", real / "fast", "--json", "--out", out) == 0
    found = json.loads(capsys.readouterr().out)
    assert [(one["key"], one["values"]) for one in found["changes"]] == [
        ("students.bert.method.learning_rate", ["1e-06", "0.005"])
    ]
    assert (found["environment"], found["problems"], found["apart"]) == ([], [], [])
    assert [(line["rows"], line["same"]) for line in found["data"]] == [
        ([24, 24], [24, 24]),
        ([12, 12], [12, 12]),
        ([24, 24], [24, 24]),
    ]
    compared = {(one["arm"], one["metric"]): one for one in found["differences"]}
    assert set(compared) == {(a, m) for a in ("none", "repeat") for m in ("macro_f1", "accuracy")}
    means = {(s["run"], s["arm"], s["metric"]): s["mean"] for s in found["scores"]}
    for (arm, metric), one in compared.items():
        expected = means["fast", arm, metric] - means["slow", arm, metric]
        assert one["difference"] == pytest.approx(expected)
        assert (one["seeds"], one["items"], one["same"]) == (2, 24, False)
    assert (out / "compare.html").is_file()


def test_the_terminal_says_what_changed_first(real: Path, cli: Cli, capsys: Any) -> None:
    assert cli("compare", real / "slow", real / "fast") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "fast against slow"
    assert lines[1] == "Changed: students.bert.method.learning_rate: 1e-06 → 0.005."
    assert lines[2] == "The data are the same (24 train, 12 validation, 24 test)."
    assert lines[3] == "Versions, machine, threads and precision are the same."
    assert lines[5].startswith("bert  ")


def test_a_run_beside_its_copy_says_that_nothing_changed(
    real: Path, tmp_path: Path, cli: Cli, capsys: Any
) -> None:
    shutil.copytree(real / "slow", tmp_path / "copy")
    assert cli("compare", real / "slow", tmp_path / "copy") == 0
    told = capsys.readouterr().out
    assert "No setting that bears on a score differs." in told
    assert "bert  The same predictions: none, repeat" in told
    assert "made from the same settings and data, 2 seeds" in told


def test_a_folder_that_is_no_run_ends_with_what_to_do(real: Path, cli: Cli, capsys: Any) -> None:
    assert cli("compare", real / "slow", real) == 2
    told = capsys.readouterr().err
    assert "this folder holds no results" in told
    assert "preceptor run STUDY" in told

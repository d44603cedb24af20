"""Cross-validation from the study to the page, and what the results say beside the fair numbers."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from preceptor.errors import SpecError
from preceptor.store.atomic import write_json
from preceptor.store.tables import read_rows
from preceptor.study.check import check
from preceptor.study.data_told import data_told
from preceptor.study.file import load_study
from preceptor.study.plan import Plan
from preceptor.study.results import collect
from preceptor.study.told import not_covered, same_but_budget

from .conftest import STUDY, Cli, Place, rows

STUDIES = Path(__file__).parents[2] / "studies"
FOLDS = (
    "data.split={by: cross_validation, folds: 3, validation: 0.2}",
    "students={bert: {kind: encoder, weights: bert, method: {name: full}, arms: [none, rewrite],"
    " fit: {batch_rows: 4, max_length: 100}, grid: {learning_rate: [1.0e-3, 1.0e-2]}}}",
    "baselines.teacher=[0]",
    "baselines.human=null",
    "keep=none",
    "report.latency=false",
    "seeds=3",
)
SPLITS = ("test", "validation")


def a_row_of_the_data(body: dict[str, Any]) -> str:
    """A teacher that writes nothing of its own: every answer is a row of the study's data."""
    return random.Random(json.dumps(body["messages"])).choice(rows())["text"]


def test_every_row_is_tested_once_and_never_by_a_model_that_knows_it(
    place: Place, cli: Cli
) -> None:
    place.server.compose = a_row_of_the_data
    sets = [word for override in FOLDS for word in ("--set", override)]
    assert cli("run", place.study, "--out", "run", *sets) == 0
    run, results = place.folder / "run", place.results()

    tests, validations = (
        [_scored_on(run, results, s, split) for s in range(3)] for split in SPLITS
    )
    assert [len(one) for one in tests] == [20, 20, 20]
    assert [len(one) for one in validations] == [8, 8, 8]
    assert set.union(*tests) == {row["id"] for row in rows()}
    held_out = [test | validation for test, validation in zip(tests, validations, strict=True)]
    made = [_made(run, seed) for seed in range(3)]
    for seed, held in enumerate(held_out):
        human = {row["id"] for row in read_rows(run / f"arms/none/seed-{seed}/train.parquet")}
        assert made[seed], "rows that the seed neither drew nor holds out are good to be made"
        assert not held & (human | made[seed])
    mixed = [made[seed] & held_out[other] for seed in range(3) for other in range(3)]
    assert any(mixed), "what another seed holds out is no concern of this one's"

    assert results["data"]["cross_validation"] == {"folds": 3, "rows": 60}
    assert {row["metrics"]["n"] for row in results["baselines"]} == {20}
    zero_shot = [row["usage"] for row in results["baselines"] if row.get("shots") == 0]
    assert sum(one["calls"] + one["cached"] for one in zero_shot) == 60
    told = next(one for one in results["comparisons"] if one["arm"] == "rewrite")
    assert (told["seeds"], told["items"]) == (3, 60)
    assert told["scope"].startswith("folds")
    page = (run / "report/index.html").read_text("utf-8").replace("\u00a0", " ")
    assert "Scores are over all 60 test items, each once, in 3 folds" in page
    assert "not a fair estimate" in page
    examples = read_rows(run / "data/examples.parquet")
    assert {row["split"] for row in examples} == {"every one in turn"}

    plan = Plan(load_study(place.study, FOLDS), place.folder, run)
    _nothing_hangs_on_test_scores(plan, results)


def _scored_on(run: Path, results: dict[str, Any], seed: int, split: str) -> set[str]:
    """The items that all cells of a seed were scored on."""
    found = [
        {row["id"] for row in read_rows(run / cell["path"] / "predictions.parquet")
         if row["split"] == split}
        for cell in results["cells"] if cell["seed"] == seed
    ]  # fmt: skip
    assert len(found) == 4
    assert all(one == found[0] for one in found)
    return found[0]


def _made(run: Path, seed: int) -> set[str]:
    """The rows of the data that the teacher gave for its own and that were kept, by their ids."""
    found = read_rows(run / f"arms/rewrite/seed-{seed}/made.parquet")
    kept = {json.loads(row["inputs"])["text"] for row in found if row["verdict"] == "kept"}
    return {row["id"] for row in rows() if row["text"] in kept}


def _nothing_hangs_on_test_scores(plan: Plan, before: dict[str, Any]) -> None:
    """With other test scores on disk all choices are the same, and the best on test is not."""
    for number, path in enumerate(sorted(plan.out.glob("cells/**/result.json"))):
        result = json.loads(path.read_text("utf-8"))
        for metrics in result["splits"]["test"].values():
            metrics |= {"accuracy": number / 100, "macro_f1": 1 - number / 100}
        write_json(path, result)
    after = collect(plan, [], True)
    hang = {"best_on_test", "cells", "created"}
    rest = [json.loads(json.dumps({k: v for k, v in one.items() if k not in hang | _TIMES}))
            for one in (before, after)]  # fmt: skip
    assert rest[0] == rest[1]
    assert [c["chosen"] for c in before["cells"]] == [c["chosen"] for c in after["cells"]]
    assert before["best_on_test"] != after["best_on_test"]
    for one in after["best_on_test"]:
        cells = [c for c in after["cells"] if c["arm"] == one["arm"]]
        scores = {c["id"]: c["splits"]["test"]["classifier"][one["metric"]] for c in cells}
        by_seed = [max(scores[c["id"]] for c in cells if c["seed"] == s) for s in range(3)]
        assert one["best"] == pytest.approx(sum(by_seed) / 3)
        assert one["highest"] == max(scores.values())
        assert one["chosen"] <= one["best"]
        assert (one["settings"], one["seeds"]) == (2, 3)
    accuracy, f1 = (
        {one["arm"]: (one["setting"], one["seed"]) for one in after["best_on_test"]
         if one["metric"] == metric}
        for metric in ("accuracy", "macro_f1")
    )  # fmt: skip
    assert all(accuracy[arm] != f1[arm] for arm in ("none", "rewrite")), "each has its own best"


_TIMES = {"command", "environment", "seconds", "stages", "base", "provenance"}


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("seeds=2", "seeds: 2 (0, 1) do not test every example once: seed s tests on fold s mod 3"),
        ("seeds=[1, 2, 3]", "set it to 3, or to a multiple of 3"),
        ("seeds=4", "seeds: 4 (0, 1, 2, 3)"),
        ("students.bert.seeds=2", "students.bert.seeds: 2 (0, 1)"),
        ("teacher_seeds=1", "a set made once would be made from what it is tested on"),
        ("data.test.limit=5", "data.test: cross-validation tests every example"),
        ("data.split.folds=70", "fewer rows than folds"),
        ("data.split={by: cross_validation, colunm: kind}", "did you mean 'column'"),
    ],
)
def test_what_would_not_test_every_row_once_is_refused(
    place: Place, override: str, words: str
) -> None:
    with pytest.raises(SpecError) as error:
        study = load_study(place.study, [*FOLDS, override])
        check(Plan(study, place.folder, place.folder / "run"), calls=False)
    assert words in str(error.value)


def test_whole_rounds_of_seeds_are_taken(place: Place) -> None:
    for seeds in ("3", "6", "[5, 3, 4]", "[0, 1, 2, 9, 10, 11]"):
        study = load_study(place.study, [*FOLDS, f"seeds={seeds}"])
        check(Plan(study, place.folder, place.folder / "run"), calls=False)


def test_a_leak_counts_once_for_every_row_that_is_tested_beside_its_twin(place: Place) -> None:
    twins = {f"r{n}": f"twin{n}" for n in range(0, 60, 4)}
    data = [*rows(), *({**row, "id": twins[row["id"]]} for row in rows() if row["id"] in twins)]
    (place.folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in data))
    plan = Plan(load_study(place.study, FOLDS), place.folder, place.folder / "run")
    twins |= {twin: id for id, twin in twins.items()}
    expected = 0
    for seed in range(3):
        train, test = ({one.id for one in part} for part in (
            plan.splits.under(seed).train, plan.splits.under(seed).test))  # fmt: skip
        expected += sum(twins.get(id) in train for id in test)
    found = data_told(plan)["leakage"]["rows"]
    assert expected > 3
    assert {"between": "train and test", "kind": "the same text", "count": expected} in found


def loaded(folder: Path, *overrides: str) -> Plan:
    (folder / "study.yaml").write_text(STUDY.format(url="http://127.0.0.1:9/v1"))
    return Plan(load_study(folder / "study.yaml", overrides), folder, folder / "run")


def test_a_shared_made_set_is_told_with_what_intervals_do_not_cover(tmp_path: Path) -> None:
    (told,) = not_covered(loaded(tmp_path, "seeds=5", "teacher_seeds=1").study)
    assert told.startswith("All 5 seeds share one labelled subset and what was made from it")
    assert "hold for that set alone" in told
    assert "another made set of the same teacher" in told
    (told,) = not_covered(loaded(tmp_path, "seeds=6", "teacher_seeds=2").study)
    assert "share 2 labelled subsets and what was made from them" in told
    assert "Seeds that share a set are alike" in told
    for all_own in ((), ("teacher_seeds=2",), ("seeds=1", "teacher_seeds=1")):
        assert not_covered(loaded(tmp_path, *all_own).study) == []


def test_students_that_differ_in_the_budget_alone_are_found(tmp_path: Path) -> None:
    study = STUDIES / "teachers" / "scicite.yaml"
    plan = Plan(load_study(study, ()), study.parent, tmp_path / "run")
    assert same_but_budget(plan) == [["minilm", "minilm-epochs"]]
    same = "students.other={kind: encoder, weights: bert, method: {name: full, learning_rate: %s},"
    same += " fit: {batch_rows: 4, max_length: 100}, arms: [none]%s}"
    assert same_but_budget(loaded(tmp_path, same % (1.0e-3, ", budget: {epochs: 2}"))) == [
        ["bert", "other"]
    ]
    assert not same_but_budget(loaded(tmp_path, same % (1.0e-3, ", budget: {steps: 3}")))
    assert not same_but_budget(loaded(tmp_path, same % (2.0e-3, ", budget: {epochs: 2}")))

"""Which trained students stay on disk, whatever was kept before."""

from __future__ import annotations

from typing import Any

import pytest

from preceptor.study.file import load_study
from preceptor.study.plan import Plan
from preceptor.study.run import run

from .conftest import Cli, Place

BERT = (
    "students={bert: {kind: encoder, weights: bert, method: {name: full, learning_rate: 1.0e-3}}}"
)
FEW = (
    "students.bert.arms=[none]",
    "students.bert.fit={batch_rows: 4, max_length: 100}",
    "baselines.teacher=[]",
    "budget.steps=12",
    "seeds=4",
)
SETS = [word for override in (BERT, *FEW) for word in ("--set", override)]


def models(place: Place, out: str = "run") -> set[str]:
    cells = place.folder / out / "cells"
    found = cells.glob("**/model/preceptor.json")
    return {str(file.parent.parent.relative_to(cells)) for file in found}


def scores(place: Place) -> dict[str, Any]:
    return {cell["id"]: cell["splits"] for cell in place.results()["cells"]}


def test_a_model_that_is_wanted_later_is_made_anew_and_alone(place: Place, cli: Cli) -> None:
    assert cli("run", place.study, "--out", "run", *SETS) == 0
    first, told = place.results()["best"], scores(place)
    assert models(place) == {first}
    records = {path: path.stat().st_mtime_ns for path in place.folder.glob("run/**/result.json")}
    assert len(records) == 4
    by = ("--set", "choose_by=accuracy")
    assert cli("run", place.study, "--out", "run", *SETS, *by) == 0
    second = place.results()["best"]
    assert second != first, "this study must choose otherwise, or the test shows nothing"
    assert models(place) == {second}
    remade = [path for path, stamp in records.items() if path.stat().st_mtime_ns != stamp]
    assert remade == [place.folder / "run/cells" / second / "result.json"]
    assert scores(place) == told
    assert cli("predict", "run", "rows.jsonl", "--out", "labelled.jsonl") == 0
    assert cli("run", place.study, "--out", "run", *SETS, *by, "--set", "keep=all") == 0
    assert models(place) == set(told)
    assert scores(place) == told


def test_what_can_no_longer_be_best_is_removed_while_the_run_goes_on(place: Place) -> None:
    plan = Plan(load_study(place.study, [BERT, *FEW]), place.folder, place.folder / "run")
    at_once: list[int] = []
    run(plan, redo=False, say=lambda line: at_once.append(len(models(place))))
    assert max(at_once) == 2, "the best so far and the one just made"
    assert len(models(place)) == 1


def test_the_old_best_model_stays_where_the_new_one_cannot_be_made(place: Place, cli: Cli) -> None:
    assert cli("run", place.study, "--out", "run", *SETS) == 0
    kept = models(place)
    for table in place.folder.glob("run/arms/*/*/train.parquet"):
        table.unlink()
    with pytest.raises(FileNotFoundError):
        cli("run", place.study, "--out", "run", *SETS, "--set", "choose_by=accuracy")
    assert models(place) == kept
    assert not place.results()["finished"]
    assert len(place.results()["cells"]) == 4

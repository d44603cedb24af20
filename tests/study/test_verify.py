"""A run that is checked: as it was, and with each of its parts changed since."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from preceptor.errors import PreceptorError
from preceptor.store.tables import read_rows, write_rows
from preceptor.study.again import compared
from preceptor.study.file import load_study
from preceptor.study.plan import Plan
from preceptor.study.run import run as run_study
from preceptor.study.verify import Finding, Wanted, verify

from .conftest import Cli, rows
from .small_runs import REAL, edit

CELL = "cells/bert/default/none/seed-0"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, models: Path) -> Path:
    """A folder with data, models, a study and its run."""
    folder = tmp_path_factory.mktemp("made")
    (folder / "bert").symlink_to(models / "bert")
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows()))
    (folder / "study.yaml").write_text(REAL)
    plan = Plan(load_study(folder / "study.yaml"), folder, folder / "run")
    run_study(plan, False, print)
    return folder


@pytest.fixture
def copied(made: Path, tmp_path: Path) -> Path:
    shutil.copytree(made, tmp_path / "copy", symlinks=True)
    return tmp_path / "copy"


def found(folder: Path, **wanted: Any) -> dict[str, Finding]:
    return {one.check: one for one in verify(folder / "run", Wanted(**wanted), print)}


def test_a_run_as_it_was_is_the_same_in_all_and_a_cell_byte_for_byte(
    copied: Path, cli: Cli, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path: path.stat().st_mtime_ns for path in copied.rglob("*")}
    assert cli("verify", copied / "run", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["same"]
    assert {one["check"]: one["same"] for one in told["findings"]} == dict.fromkeys(
        ("data", "parts", "scores", "tables", "a cell made again"), True
    )
    assert "36 predictions, the same byte for byte" in told["findings"][-1]["told"]
    assert {path: path.stat().st_mtime_ns for path in copied.rglob("*")} == before


def change_data(folder: Path) -> None:
    first, *rest = (folder / "rows.jsonl").read_text().splitlines(keepends=True)
    (folder / "rows.jsonl").write_text("".join([first.replace("y0", "y00"), *rest]))


def change_study(folder: Path) -> None:
    file = folder / "run/study.yaml"
    file.write_text(file.read_text().replace("learning_rate: 0.001", "learning_rate: 0.002"))


def change_prediction(folder: Path) -> None:
    path = folder / "run" / CELL / "predictions.parquet"
    predictions = read_rows(path)
    one = predictions[0]
    one["prediction"] = "no" if one["prediction"] != "no" else "yes"
    write_rows(path, predictions, list(one))


def damage_predictions(folder: Path) -> None:
    (folder / "run" / CELL / "predictions.parquet").write_bytes(b"PAR1 no more")


def change_comparison(folder: Path) -> None:
    def change(results: Any) -> None:
        results["comparisons"][0]["high"] += 0.01

    edit(folder / "run/results.json", change)


@pytest.mark.parametrize(
    ("change", "differing", "words"),
    [
        (change_data, {"data"}, "changed since the run: rows.jsonl"),
        (lambda folder: (folder / "rows.jsonl").unlink(), {"data"}, "cannot be read any more"),
        (change_study, {"parts"}, "learning_rate: 0.001 -> 0.002"),
        (change_prediction, {"scores"}, "bert/default/none/seed-0: results.json: "),
        (damage_predictions, {"scores"}, "bert/default/none/seed-0: cannot be scored"),
        (change_comparison, {"tables"}, "comparisons.0.high: "),
    ],
)
def test_what_changed_since_is_told(
    copied: Path, change: Callable[[Path], None], differing: set[str], words: str
) -> None:
    change(copied)
    checks = found(copied, rerun=False)
    assert {name for name, one in checks.items() if one.same is False} == differing
    assert any(words in one.told for one in checks.values()), checks
    assert checks["scores"].same is not None, "predictions are scored whatever became of the data"


def test_a_difference_ends_with_1_and_stands_in_the_table(
    copied: Path, cli: Cli, capsys: pytest.CaptureFixture[str]
) -> None:
    change_comparison(copied)
    assert cli("verify", copied / "run", "--no-rerun") == 1
    told = capsys.readouterr().out
    assert "DIFFERS" in told
    assert "comparisons.0.high" in told


def test_two_makings_of_a_cell_are_held_against_each_other(copied: Path) -> None:
    then, now = copied / "run" / CELL, copied / "again"
    shutil.copytree(then, now)
    assert compared(then, now)[0]
    predictions = read_rows(now / "predictions.parquet")
    predictions[0]["probabilities"][0] += 0.001
    write_rows(now / "predictions.parquet", predictions, list(predictions[0]))
    edit(now / "result.json", lambda record: record["environment"].update(torch="9.9", jobs=7))
    same, told = compared(then, now)
    assert not same
    assert "1 of 36 predictions are not the same, 0 of them with another answer" in told
    assert "by 0.001 at most" in told
    assert "torch: " in told
    assert "-> 9.9" in told
    assert "jobs" not in told


def test_what_cannot_be_verified_is_refused(copied: Path) -> None:
    with pytest.raises(PreceptorError, match="no such cell"):
        found(copied, cell="bert/default/none/seed-7")
    edit(copied / "run/results.json", lambda results: results.pop("base"))
    with pytest.raises(PreceptorError, match="--base"):
        found(copied, rerun=False)
    assert found(copied, rerun=False, base=copied)["parts"].same

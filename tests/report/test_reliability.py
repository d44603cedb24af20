"""How sure students are, and what it takes to repeat a run."""

import random
import shutil
from pathlib import Path

import pytest

from preceptor.evaluate.calibration import calibration
from preceptor.report.frame.blocks import Bullets, Code, Figure, Prose, Table, walk
from preceptor.report.read.results import Results, load
from preceptor.report.sections import reliability, repeat
from preceptor.store.tables import read_rows, write_rows

from .fixture import LABELS

GROUP = ("minilm-full", "classifier")


@pytest.fixture
def sure(run: Path, tmp_path: Path) -> Path:
    """The run with probabilities beside the predictions of the arm none."""
    chance = random.Random(3)
    folder = Path(shutil.copytree(run, tmp_path / "run", ignore=shutil.ignore_patterns("report")))
    for path in sorted(folder.glob("cells/minilm-full/none/seed-*/predictions.parquet")):
        rows = read_rows(path)
        for row in rows:
            top = chance.uniform(0.4, 0.9)
            rest = (1 - top) / (len(LABELS) - 1)
            row["probabilities"] = [top if one == row["prediction"] else rest for one in LABELS]
        write_rows(path, rows, list(rows[0]))
    return folder


def test_the_answers_of_all_seeds_are_held_together(sure: Path) -> None:
    figure, table = reliability.blocks(sure, load(sure), GROUP, "sure-1")
    assert isinstance(figure, Figure)
    assert isinstance(table, Table)
    rows = [
        row
        for path in sorted(sure.glob("cells/minilm-full/none/seed-*/predictions.parquet"))
        for row in read_rows(path)
        if row["split"] == "test"
    ]
    held = calibration([r["probabilities"] for r in rows], [r["target"] for r in rows], LABELS)
    (shown,) = table.rows
    assert [value.raw for value in shown.values[:2]] == ["none", len(rows)]
    keys = ("confidence", "accuracy", "expected_calibration_error", "brier")
    assert [value.raw for value in shown.values[2:]] == pytest.approx([held[key] for key in keys])


def test_what_is_no_probability_is_said_and_nothing_drawn(sure: Path) -> None:
    for path in sure.glob("cells/minilm-full/none/seed-*/predictions.parquet"):
        rows = [row | {"probabilities": [0.5, 0.5]} for row in read_rows(path)]
        write_rows(path, rows, list(rows[0]))
    (told,) = reliability.blocks(sure, load(sure), GROUP, "sure-1")
    assert isinstance(told, Prose)
    assert "none: what stands there as probabilities is none" in told.paragraphs[0]
    assert list(reliability.blocks(sure, load(sure), ("smollm2-lora", "likelihood"), "x")) == []


def test_cells_that_were_made_elsewhere_are_named(run: Path) -> None:
    value = load(run).model_dump(mode="json")
    value["cells"][0]["environment"] = value["environment"] | {"torch": "2.12.1"}
    value["command"] = "preceptor run study.yaml --set seeds=3"
    blocks = list(
        walk(block for block in repeat.blocks(run, Results.model_validate(value)) if block)
    )
    told = [line for block in blocks if isinstance(block, Bullets) for line in block.items]
    first = value["cells"][0]["id"]
    assert any(
        line.startswith(f"1 cell ({first}) came about with torch 2.12.1, not") for line in told
    )
    assert "Students were trained in fp32." in told
    codes = {block.label: block.text for block in blocks if isinstance(block, Code)}
    assert codes["Command"] == value["command"]
    assert codes["study.yaml"] == (run / "study.yaml").read_text("utf-8")
    pins = codes["Constraints"].splitlines()
    assert "torch==2.13.0" in pins
    assert not [pin for pin in pins if pin.startswith(("python", "cores", "threads"))]

"""A run folder that is not what it was: what is wrong is said, what can be shown is shown."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from preceptor.report.page import write_report
from preceptor.report.read.condition import data_files, problems
from preceptor.report.read.results import load
from preceptor.report.read.salvage import load_what_can_be
from preceptor.store.atomic import write_json, write_text
from preceptor.store.fingerprint import file_hash, fingerprint
from preceptor.store.tables import read_rows, write_rows

from .html import Page

CELL = "cells/minilm-full/none/seed-0"


@pytest.fixture
def folder(run: Path, tmp_path: Path) -> Path:
    """A copy of the finished run, without its report."""
    return Path(shutil.copytree(run, tmp_path / "run", ignore=shutil.ignore_patterns("report")))


def told(run: Path) -> list[str]:
    return problems(run, load(run))


def test_a_whole_folder_has_no_problem(run: Path) -> None:
    assert told(run) == []


def test_lost_and_damaged_predictions_are_named_together(folder: Path) -> None:
    for seed in range(3):
        (folder / f"cells/minilm-full/none/seed-{seed}/predictions.parquet").unlink()
    (folder / "cells/minilm-full/create/seed-1/predictions.parquet").write_bytes(b"PAR1 cut off")
    assert told(folder) == [
        "No predictions.parquet in the run folder: minilm-full/none/seed-0, "
        "minilm-full/none/seed-1 and minilm-full/none/seed-2.",
        "predictions.parquet cannot be read: minilm-full/create/seed-1.",
    ]
    shutil.rmtree(folder / "cells")
    assert told(folder) == ["No predictions.parquet in the run folder: all cells."]


def test_predictions_that_give_other_scores_are_named(folder: Path) -> None:
    path = folder / CELL / "predictions.parquet"
    rows = read_rows(path)
    changed = [
        row | {"prediction": row["target"]} if row["split"] == "test" else row for row in rows
    ]
    write_rows(path, changed, list(rows[0]))
    found = told(folder)
    assert found == [
        "Another accuracy on test than predictions.parquet gives: minilm-full/none/seed-0."
    ]
    write_rows(path, rows[:-1], list(rows[0]))
    (line,) = told(folder)
    assert line.startswith("Scored on another number of test items")


def chained(folder: Path, data: dict[str, Any]) -> None:
    """Give the parts their records, as a run writes them."""
    results = load(folder)
    write_json(folder / "data/part.json", data)
    for name, arm in results.arms.items():
        for one in arm.seeds:
            record = {"data": fingerprint(data), "arm": name, "draw_seed": one.seed}
            write_json(folder / f"arms/{name}/seed-{one.seed}/part.json", record)
    for cell in results.cells:
        arm = json.loads((folder / f"arms/{cell.arm}/seed-{cell.seed}/part.json").read_text())
        write_json(folder / f"cells/{cell.id}/part.json", {"arm": fingerprint(arm)})


def test_data_that_has_changed_since_is_told_from_data_that_is_gone(folder: Path) -> None:
    source = folder.parent / "messages.jsonl"
    write_text(folder.parent / "study.yaml", "name: x")
    source.write_text("one\n")
    data = {"data": {"path": source.name}, "files": {source.name: file_hash(source)}}
    chained(folder, data)
    value = json.loads((folder / "results.json").read_text())
    value["command"] = f"preceptor run {folder.parent / 'study.yaml'} --out run"
    write_json(folder / "results.json", value)
    assert told(folder) == []
    assert [one.name for one in data_files(folder, load(folder))] == ["messages.jsonl"]
    source.write_text("two\n")
    (line,) = told(folder)
    assert line.startswith(f"The data has changed since: {source.resolve()} is not the file")
    source.unlink()
    assert told(folder) == []


def test_parts_that_were_made_from_others_are_named(folder: Path) -> None:
    chained(folder, {"files": {}})
    assert told(folder) == []
    write_json(folder / "arms/create/seed-1/part.json", {"data": fingerprint({"files": {}})})
    assert told(folder) == [
        "Trained on another training set than the folder arms now holds: minilm-full/create/seed-1."
    ]
    write_json(folder / "data/part.json", {"files": {"new": "1"}})
    found = told(folder)
    assert found[0].startswith(
        "Made from other examples than the folder data now holds: none, seed 0"
    )


def test_damaged_entries_are_left_out_and_named(folder: Path) -> None:
    value = json.loads((folder / "results.json").read_text())
    value["cells"][1]["seed"] = "first"
    value["arms"]["create"]["seeds"] = 3
    value["teachers"] = "none"
    write_json(folder / "results.json", value)
    (folder / CELL / "predictions.parquet").unlink()
    results, damaged = load_what_can_be(folder)
    assert len(results.cells) == len(value["cells"]) - 1
    assert "create" not in results.arms
    assert results.teachers == []
    assert [line.split(":")[0] for line in damaged] == [
        "teachers",
        "arms.create.seeds",
        "cells.1.seed",
    ]
    page = Page.read(write_report(folder))
    warnings = " ".join(e.text() for e in page.elements if e.attributes.get("class") == "warning")
    for line in (*damaged, "No predictions.parquet in the run folder: minilm-full/none/seed-0."):
        assert " ".join(line.split()) in warnings
    assert page.table("minilm-full: scores on the test set")

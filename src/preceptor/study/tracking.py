"""Scores and training curves to TensorBoard, trackio, W&B or MLflow, where the study names one.

Through accelerate, from what a cell left on disk, so that a cell is told once and whole whichever
process trained it: each is one run of the tracker, named by its id, of the project that the study
is.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from preceptor.store.atomic import write_json
from preceptor.study.grid import Cell
from preceptor.study.plan import Plan
from preceptor.study.processes import variables
from preceptor.study.spec import Study, Tracker, chosen_by

FOLDER = "trackers"
"""of a run: the trackers' own files, and what was told to them"""
_LOGGED = "logged.json"


def tracker_problems(study: Study) -> Iterator[str]:
    """Trackers that are named and not installed."""
    for name in dict.fromkeys(study.trackers):
        if find_spec(name) is None:
            yield f"trackers: {name} is not installed: pip install {name}"


def log_cell(plan: Plan, cell: Cell) -> list[str]:
    """Tell the study's trackers of a cell that is trained and scored, unless they know it.

    Returns:
        What went wrong, for each tracker that did not take it. Its account may be locked or its
        server away: the cell stands all the same, and the next run of the folder tells it again.
    """
    key = plan.cell_part(cell).fingerprint
    wrong = []
    for name in dict.fromkeys(plan.study.trackers):
        record = plan.out / FOLDER / name / _LOGGED
        logged = json.loads(record.read_text("utf-8")) if record.is_file() else {}
        if logged.get(cell.id) == key:
            continue
        try:
            _log(plan, cell, name, record.parent)
        except Exception as error:  # noqa: BLE001 - whatever a tracker raises, told as it is
            wrong.append(f"the tracker {name} did not take it: {type(error).__name__}: {error}")
            continue
        write_json(record, {**logged, cell.id: key})
    return wrong


def _log(plan: Plan, cell: Cell, name: Tracker, folder: Path) -> None:
    """One cell as one run of one tracker."""
    from accelerate import Accelerator

    project, options = _named(plan, cell, name, folder)
    with redirect_stdout(sys.stderr), _environment(name, folder):
        accelerator = Accelerator(log_with=name, project_dir=str(folder))
        try:
            accelerator.init_trackers(project, _config(plan, cell), {name: options})
            for step, values in _steps(plan, cell):
                accelerator.log(values, step=step)
        finally:
            # Not end_training: it would end the processes that further cells are trained by.
            for tracker in accelerator.trackers:
                tracker.finish()


def _named(plan: Plan, cell: Cell, name: Tracker, folder: Path) -> tuple[str, dict[str, Any]]:
    """The project's name, and what a tracker is told beside it."""
    study = plan.study.name
    if name == "tensorboard":
        # Its projects are folders and it has no names of runs: a cell is a folder in the run's.
        shutil.rmtree(folder / cell.id, ignore_errors=True)
        return cell.id, {}
    if name == "mlflow":
        return study, {
            "run_name": cell.id,
            "logging_dir": (folder / "artifacts").resolve().as_uri(),
        }
    own = {"dir": str(folder), "group": f"{cell.student}/{cell.arm}"} if name == "wandb" else {}
    return study, {"name": cell.id, **own}


@contextmanager
def _environment(name: Tracker, folder: Path) -> Iterator[None]:
    """Have a tracker keep its files in the run; a user's own setting wins."""
    folder.mkdir(parents=True, exist_ok=True)
    place = folder.resolve()
    wanted = {
        "trackio": {"TRACKIO_DIR": str(place)},
        "mlflow": {"MLFLOW_TRACKING_URI": f"sqlite:///{place / 'mlflow.db'}"},
    }.get(name, {})
    with variables({key: v for key, v in wanted.items() if key not in os.environ}):
        yield


def _config(plan: Plan, cell: Cell) -> dict[str, Any]:
    """What the cell is, flat, as words and numbers."""
    student = plan.study.students[cell.student]
    parts = {
        "method": cell.method(student).model_dump(mode="json", exclude_none=True),
        "fit": student.fit.model_dump(mode="json", exclude_none=True),
        "budget": plan.budget(student).model_dump(mode="json", exclude_none=True),
    }
    found: dict[str, Any] = {
        "study": plan.study.name,
        "cell": cell.id,
        "arm": cell.arm,
        "operation": plan.study.arms[cell.arm].operation,
        "student": cell.student,
        "kind": student.kind,
        "weights": student.weights,
        "seed": cell.seed,
    }
    found |= {f"{part}.{key}": v for part, values in parts.items() for key, v in values.items()}
    return {
        key: v if isinstance(v, str | int | float) else json.dumps(v) for key, v in found.items()
    }


def _steps(plan: Plan, cell: Cell) -> Iterator[tuple[int, dict[str, float]]]:
    """What is told, update by update in their order: losses, looks, and at the end the scores."""
    folder = plan.out / "cells" / cell.id
    result = json.loads((folder / "result.json").read_text("utf-8"))
    told: dict[int, dict[str, float]] = {}
    for step in json.loads((folder / "history.json").read_text("utf-8")):
        values = {f"train/{key}": value for key, value in step.items() if key != "update"}
        told.setdefault(step["update"], {}).update(values)
    by = chosen_by(plan.study, cell.student)
    for look in result.get("looks", []):
        told.setdefault(look["update"], {})[f"validation/{by}"] = look["value"]
    told.setdefault(max(told, default=0), {}).update(_scores(result))
    for update in sorted(told):
        yield update, {key: v for key, v in told[update].items() if math.isfinite(v)}


def _scores(result: Mapping[str, Any]) -> dict[str, float]:
    """Every figure of every split and reading, and what the training took."""
    found = {
        f"{split}/{reading}/{name}": float(value)
        for split, readings in result["splits"].items()
        for reading, metrics in readings.items()
        for name, value in metrics.items()
        if isinstance(value, int | float)
    }
    costs = ("rows", "updates", "tokens", "seconds", "scoring_seconds", "peak_memory_bytes")
    return found | {f"cost/{name}": float(result[name]) for name in costs if result.get(name)}

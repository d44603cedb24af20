"""One cell of a run, trained and scored once more and held against what the run has of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from preceptor.data.problems import did_you_mean, listed
from preceptor.errors import PreceptorError
from preceptor.report.read.numbers import plural
from preceptor.store.fingerprint import changes
from preceptor.store.tables import read_rows
from preceptor.study.failures import FAILED
from preceptor.study.grid import Cell
from preceptor.study.jobs import make_apart
from preceptor.study.plan import Plan

_NO_PART = {"jobs", "threads_per_job"}
"""what of the environment plays no part in how one cell comes out"""
_PREDICTIONS, _RESULT = "predictions.parquet", "result.json"


def made_again(plan: Plan, name: str | None, say: Callable[[str], None]) -> tuple[bool | None, str]:
    """Make one cell again in a folder that is thrown away.

    Args:
        plan: the study with its data and its run folder.
        name: the cell's id; None for the one that took least.
        say: where it is told that this begins.

    Returns:
        Whether its predictions are the same (None where there is nothing to make again), and
        what there is to say of it.

    Raises:
        PreceptorError: the study has no cell of this name.
    """
    cell = _chosen(plan, name)
    if cell is None:
        return None, "no finished cell fits the study and the data at hand"
    threads = _read(_folder(plan, cell))["environment"]["threads"]
    say(f"making {cell.id} again, with {plural(threads, 'thread')}")
    with TemporaryDirectory(prefix="preceptor-verify-") as folder:
        scratch = _scratch(plan, Path(folder))
        errors: list[str] = []
        make_apart(
            scratch,
            [cell],
            lambda _, error: errors.append(error) if error else None,
            [{"OMP_NUM_THREADS": str(threads)}],
        )
        for error in errors:
            return False, f"{cell.id} failed: {error}{_last_words(scratch, cell)}"
        same, told = compared(_folder(plan, cell), _folder(scratch, cell))
        return same, f"{cell.id}: {told}"


def _chosen(plan: Plan, name: str | None) -> Cell | None:
    """The cell of a name, or the quickest; None unless it is finished and fits."""
    ids = [cell.id for cell in plan.cells]
    if name is not None and name not in ids:
        raise PreceptorError(
            "no such cell in this study",
            where=str(plan.out),
            found=name,
            expected=f"one of: {listed(ids)}",
            fix=did_you_mean(name, ids),
        )
    try:
        parts = {cell.id: plan.cell_part(cell) for cell in plan.cells if name in (None, cell.id)}
        done = {id: part.seconds for id, part in parts.items() if part.exists()}
    except PreceptorError:  # data or weights are not there: told of by itself
        return None
    quickest = min(done, key=lambda id: done[id], default=None)
    return next((cell for cell in plan.cells if cell.id == quickest), None)


def _scratch(plan: Plan, folder: Path) -> Plan:
    """The same study in another folder, which reads the run's training sets and teachers."""
    for name in ("arms", "teachers"):
        if (plan.out / name).is_dir():
            (folder / name).symlink_to((plan.out / name).resolve())
    return replace(plan, study=plan.study.model_copy(update={"keep": "none"}), out=folder)


def _last_words(scratch: Plan, cell: Cell) -> str:
    """What a failed cell said, which is thrown away with its folder."""
    path = scratch.out / FAILED / f"{cell.id}.txt"
    return f"\n{path.read_text('utf-8').strip()}" if path.is_file() else ""


def _read(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / _RESULT).read_text("utf-8"))
    return found


def _folder(plan: Plan, cell: Cell) -> Path:
    return plan.out / "cells" / cell.id


def compared(then: Path, now: Path) -> tuple[bool, str]:
    """Hold two makings of one cell against each other, by their folders.

    Returns:
        Whether the predictions are the same, and what to say: how far they are apart, and what
        of the machine, the versions, the threads and the precision was not the same.
    """
    files = [folder / _PREDICTIONS for folder in (then, now)]
    old, new = (read_rows(file) for file in files)
    apart = _made_apart(_read(then), _read(now))
    if files[0].read_bytes() == files[1].read_bytes():
        return True, f"{len(new)} predictions, the same byte for byte{apart}"
    if old == new:
        return True, f"{len(new)} predictions, every value the same, if not every byte{apart}"
    return False, f"{_told(old, new)}{apart}"


def _told(then: Sequence[Mapping[str, Any]], now: Sequence[Mapping[str, Any]]) -> str:
    """How far predictions are apart."""
    if len(then) != len(now):
        return f"{len(then)} predictions then, {len(now)} now"
    rows = [(old, new) for old, new in zip(then, now, strict=True) if old != new]
    answers = sum(old.get("prediction") != new.get("prediction") for old, new in rows)
    apart = max((_distance(old, new) for old, new in rows), default=0.0)
    return (
        f"{len(rows)} of {len(now)} predictions are not the same, {answers} of them with another"
        f" answer; a probability or a likelihood differs by {apart:.2g} at most"
    )


def _distance(old: Mapping[str, Any], new: Mapping[str, Any]) -> float:
    pairs = [(old.get(name), new.get(name)) for name in ("nll_answer", "nll_all")]
    pairs += zip(old.get("probabilities") or (), new.get("probabilities") or (), strict=False)
    return max((abs(a - b) for a, b in pairs if a is not None and b is not None), default=0.0)


def _made_apart(then: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """In what two makings of a cell were not alike."""
    old, new = _surroundings(then), _surroundings(now)
    found = list(changes(old, new))
    return f"\nmade with other: {'; '.join(found)}" if found else ""


def _surroundings(record: Mapping[str, Any]) -> dict[str, Any]:
    found = {name: record[name] for name in ("precision", "device", "processes") if name in record}
    whole = {**record["environment"], **found}
    return {name: value for name, value in whole.items() if name not in _NO_PART}

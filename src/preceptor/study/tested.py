"""What the cells' test rows say, as the statistics take them: each cell read and scored once."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from statistics import fmean
from typing import Any

from preceptor.evaluate.jackknife import Folds, Scores, together
from preceptor.store.tables import read_rows
from preceptor.study.grid import Cell
from preceptor.study.measures import MEASURES
from preceptor.study.plan import Plan

Items = tuple[tuple[str, str], ...]
"""test items by their ids and right answers, in one order whatever the file's"""
_File = tuple[Path, int]
"""predictions, and when they were made: a file that was made again is read again"""
FEWEST = 2
"""test items below which nothing can be said of chance"""


def items(plan: Plan, cell: Cell, reading: str) -> Items:
    """The items that a cell was tested on."""
    return tuple(item_of(row) for row in _rows(_file(plan, cell), reading))


def metrics(plan: Plan, cells: Collection[Cell], reading: str) -> tuple[str, ...]:
    """What the cells can be compared by: a seq2seq student has nothing over all tokens."""
    kind = plan.study.task.kind
    found = [MEASURES[kind].metrics_of(_rows(_file(plan, cell), reading)) for cell in cells]
    return tuple(one for one in MEASURES[kind].METRICS if all(one in each for each in found))


def sample(plan: Plan, cells: Sequence[Cell], reading: str, metric: str) -> Scores | Folds:
    """Scores of some cells, one a seed, by one reading and metric.

    Seeds that were tested on other items are folds of a cross-validation; what a fold leaves to
    train on are the items that the others were tested on.
    """
    task = plan.study.task
    about = reading, metric, task.kind, tuple(task.labels)
    parts = [_scored(_file(plan, cell), *about) for cell in cells]
    return united(parts, [items(plan, cell, reading) for cell in cells])


def united(parts: Sequence[Scores], tested: Sequence[Sequence[Hashable]]) -> Scores | Folds:
    """Scores of single seeds as one sample, given the items that each was tested on."""
    sets = [frozenset(each) for each in tested]
    if len(set(sets)) == 1:
        return together(parts)
    whole = len(frozenset().union(*sets))
    return Folds(tuple(parts), whole - fmean(len(each) for each in sets))


def _file(plan: Plan, cell: Cell) -> _File:
    path = plan.out / "cells" / cell.id / "predictions.parquet"
    return path, path.stat().st_mtime_ns


def item_of(row: Mapping[str, Any]) -> tuple[str, str]:
    """A test item by its id and right answer."""
    return str(row["id"]), str(row.get("target"))


@lru_cache(maxsize=256)
def _test_rows(file: _File) -> list[dict[str, Any]]:
    return [row for row in read_rows(file[0]) if row["split"] == "test"]


@lru_cache(maxsize=512)
def _rows(file: _File, reading: str) -> list[dict[str, Any]]:
    rows = [row for row in _test_rows(file) if row["reading"] == reading]
    return sorted(rows, key=item_of)


@lru_cache(maxsize=4096)
def _scored(file: _File, reading: str, metric: str, kind: str, labels: tuple[str, ...]) -> Scores:
    found: Scores = MEASURES[kind].sample([_rows(file, reading)], metric, labels)
    return found

"""What the cells of a run say together: scores over seeds, and arms and students in pairs."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from preceptor.evaluate.jackknife import Scores
from preceptor.evaluate.statistics import Interval, mean_interval, paired_difference
from preceptor.store.tables import read_rows
from preceptor.study.measures import MEASURES
from preceptor.study.plan import Cell, Plan

_CONTROLS = ("none", "repeat")
_Key = tuple[str, str]


def groups(
    chosen: Mapping[tuple[str, str, int], Cell],
) -> Iterator[tuple[_Key, dict[int, Cell]]]:
    """Cells by student and arm, then by seed."""
    groups: dict[_Key, dict[int, Cell]] = {}
    for (student, arm, seed), cell in chosen.items():
        groups.setdefault((student, arm), {})[seed] = cell
    yield from groups.items()


def scores(plan: Plan, key: _Key, cells: Mapping[int, Cell]) -> Iterator[dict[str, Any]]:
    """An arm's mean over its seeds; settings are those that validation chose, seed by seed."""
    student, arm = key
    for reading in plan.study.readings(student):
        for metric in _metrics(plan, cells.values(), reading):
            found = mean_interval(_sample(plan, cells.values(), reading, metric))
            yield {
                "student": student,
                "arm": arm,
                "setting": "chosen",
                "reading": reading,
                "metric": metric,
                **_told(found, "mean"),
            }


def comparisons(plan: Plan, groups: Mapping[_Key, Mapping[int, Cell]]) -> Iterator[dict[str, Any]]:
    """Every arm against those of `none` and `repeat`, on the seeds that both have."""
    kinds = {name: arm.operation for name, arm in plan.study.arms.items()}
    controls = [name for name, kind in kinds.items() if kind in _CONTROLS]
    for (student, arm), cells in groups.items():
        for against in controls:
            others = groups.get((student, against), {})
            backwards = (kinds[arm], kinds[against]) == ("none", "repeat")
            if arm == against or backwards:
                continue
            for reading in plan.study.readings(student):
                about = {"student": student, "reading": reading, "arm": arm, "against": against}
                for found in _differences(plan, cells, others, (reading, reading)):
                    yield {**about, **found}


def method_comparisons(
    plan: Plan, groups: Mapping[_Key, Mapping[int, Cell]]
) -> Iterator[dict[str, Any]]:
    """Every student against every one before it in the study, on the same arm and seeds.

    An untuned base is what the others are compared with, wherever it stands, and its one cell
    stands for all seeds.
    """
    untuned = {name for name, one in plan.study.students.items() if one.method.name == "base"}
    for before, after in itertools.combinations(groups, 2):
        if before[1] != after[1] or {before[0], after[0]} <= untuned:
            continue
        key, against = (before, after) if after[0] in untuned else (after, before)
        cells, others = groups[key], groups[against]
        if against[0] in untuned:
            others = dict.fromkeys(cells, next(iter(others.values())))
        readings = plan.study.readings(key[0])[0], plan.study.readings(against[0])[0]
        for found in _differences(plan, cells, others, readings):
            yield {"arm": key[1], "student": key[0], "against": against[0], **found}


def _differences(
    plan: Plan,
    cells: Mapping[int, Cell],
    others: Mapping[int, Cell],
    readings: tuple[str, str],
) -> Iterator[dict[str, Any]]:
    """One set of cells less another, metric by metric, on the seeds that both have."""
    seeds = [seed for seed in cells if seed in others]
    sides = [[side[seed] for seed in seeds] for side in (cells, others)]
    first, second = (
        _metrics(plan, side, reading) for side, reading in zip(sides, readings, strict=True)
    )
    for metric in [one for one in first if one in second] if seeds else ():
        ours, theirs = (
            _sample(plan, side, reading, metric)
            for side, reading in zip(sides, readings, strict=True)
        )
        if ours.lower_is_better is None:
            continue  # a length is no merit
        found = paired_difference(ours, theirs)
        yield {"metric": metric, **_told(found, "difference"), "verdict": found.verdict}


def _told(found: Interval, name: str) -> dict[str, Any]:
    return {
        name: found.mean,
        "low": found.low,
        "high": found.high,
        "seeds": found.seeds,
        "items": found.items,
        "scope": found.scope,
    }


@lru_cache(maxsize=256)
def _test_rows(path: Path, made_at: int) -> list[dict[str, Any]]:
    return [row for row in read_rows(path) if row["split"] == "test"]


def _metrics(plan: Plan, cells: Iterable[Cell], reading: str) -> tuple[str, ...]:
    """What the cells can be compared by: a seq2seq student has nothing over all tokens."""
    rows = [row for cell in cells for row in _read(plan, cell, reading)]
    found: tuple[str, ...] = MEASURES[plan.study.task.kind].metrics_of(rows)
    return found


def _sample(plan: Plan, cells: Iterable[Cell], reading: str, metric: str) -> Scores:
    """What the statistics take: one reading's test rows of every cell, in the same order."""
    rows = [_read(plan, cell, reading) for cell in cells]
    task = plan.study.task
    scores: Scores = MEASURES[task.kind].sample(rows, metric, task.labels)
    return scores


def _read(plan: Plan, cell: Cell, reading: str) -> list[dict[str, Any]]:
    return [row for row in _rows_of(plan, cell) if row["reading"] == reading]


def _rows_of(plan: Plan, cell: Cell) -> list[dict[str, Any]]:
    path = plan.out / "cells" / cell.id / "predictions.parquet"
    return _test_rows(path, path.stat().st_mtime_ns)

"""What the cells of a run say together: scores over seeds, and arms and students in pairs."""

from __future__ import annotations

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
        for metric in MEASURES[plan.study.task.kind].METRICS:
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

    A student that is trained under one seed alone (an untuned base) stands for all of them.
    """
    for (student, arm), cells in groups.items():
        for (other, same_arm), others in groups.items():
            if other == student:
                break
            if same_arm != arm:
                continue
            first = plan.study.readings(student)[0], plan.study.readings(other)[0]
            untuned = plan.study.students[other].method.name == "base"
            same = next(iter(others.values()))
            set_beside = dict.fromkeys(cells, same) if untuned else others
            for found in _differences(plan, cells, set_beside, first):
                yield {"arm": arm, "student": student, "against": other, **found}


def _differences(
    plan: Plan,
    cells: Mapping[int, Cell],
    others: Mapping[int, Cell],
    readings: tuple[str, str],
) -> Iterator[dict[str, Any]]:
    """One set of cells less another, metric by metric, on the seeds that both have."""
    seeds = [seed for seed in cells if seed in others]
    for metric in MEASURES[plan.study.task.kind].METRICS if seeds else ():
        ours, theirs = (
            _sample(plan, [side[seed] for seed in seeds], reading, metric)
            for side, reading in zip((cells, others), readings, strict=True)
        )
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


def _sample(plan: Plan, cells: Iterable[Cell], reading: str, metric: str) -> Scores:
    """What the statistics take: one reading's test rows of every cell, in the same order."""
    rows = [[row for row in _rows_of(plan, cell) if row["reading"] == reading] for cell in cells]
    task = plan.study.task
    scores: Scores = MEASURES[task.kind].sample(rows, metric, task.labels)
    return scores


def _rows_of(plan: Plan, cell: Cell) -> list[dict[str, Any]]:
    path = plan.out / "cells" / cell.id / "predictions.parquet"
    return _test_rows(path, path.stat().st_mtime_ns)

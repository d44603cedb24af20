"""What belongs together in the results: a student and a reading, its arms, its chosen cells."""

from __future__ import annotations

from collections.abc import Iterator

from preceptor.report.read.cell import Cell
from preceptor.report.read.results import Results
from preceptor.report.read.scores import Metrics

Group = tuple[str, str]
"""A student and a reading: what one table of arms is about."""


def groups(results: Results) -> list[Group]:
    """Every student and reading with a test score, in the order of the cells."""
    seen: dict[Group, None] = {}
    for cell in results.cells:
        for reading in cell.splits.get("test", {}):
            seen[cell.student, reading] = None
    return list(seen)


def arms_of(results: Results, group: Group) -> list[str]:
    """The arms that were scored for a student and reading, in the order of the study."""
    scored = {cell.arm for cell, _ in chosen(results, group)}
    named = [arm for arm in results.arms if arm in scored]
    return named + sorted(scored - set(named))


def chosen(
    results: Results, group: Group, arm: str | None = None, split: str = "test"
) -> Iterator[tuple[Cell, Metrics]]:
    """The cells that validation chose for a student and reading, with their scores."""
    student, reading = group
    for cell in results.cells:
        metrics = cell.splits.get(split, {}).get(reading)
        if cell.chosen and cell.student == student and metrics and arm in (None, cell.arm):
            yield cell, metrics


def twin_of(results: Results, group: Group) -> Group:
    """The student whose controls stand for those that a student is not trained on: of one that
    learns soft labels its hard twin, of others themselves."""
    return results.hard_twins.get(group[0], group[0]), group[1]


def control_cells(results: Results, group: Group, arm: str) -> list[tuple[Cell, Metrics]]:
    """The chosen cells of a control: the student's own, else those of its twin."""
    return [*chosen(results, group, arm)] or [*chosen(results, twin_of(results, group), arm)]


def first_reading(results: Results, student: str) -> str | None:
    """The reading that a student's comparisons rest on: the first that it was scored by."""
    found = [cell.splits.get("test", {}) for cell in results.cells if cell.student == student]
    return next((reading for readings in found for reading in readings), None)


def untuned(results: Results) -> list[str]:
    """The students that are not trained at all."""
    return list(dict.fromkeys(cell.student for cell in results.cells if cell.method == "base"))


def students(results: Results) -> list[str]:
    """The students in the order of the cells."""
    return list(dict.fromkeys(cell.student for cell in results.cells))

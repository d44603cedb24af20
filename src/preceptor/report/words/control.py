"""The control: how large an arm is beside the one that repeats the human data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from preceptor.report.read.cell import Cell
from preceptor.report.read.groups import Group, chosen, control_cells
from preceptor.report.read.numbers import count
from preceptor.report.read.results import Results


@dataclass(frozen=True, slots=True)
class Beside:
    """An arm's size beside that of the control, on the seeds that both have.

    Attributes:
        same_rows: whether both have as many rows under every seed; None where not recorded.
        same_updates: the same of the updates they were trained for.
        rows: the arm's rows in words ("34 to 36 rows"); empty where not recorded.
        updates: its updates, likewise.
        control_rows: the control's rows as a number or a span, likewise.
        control_updates: the control's updates, likewise.
    """

    same_rows: bool | None
    same_updates: bool | None
    rows: str
    updates: str
    control_rows: str
    control_updates: str

    @property
    def difference(self) -> str:
        """What differs, in words that go behind a result; empty if nothing is known to."""
        told = []
        if self.same_rows is False:
            told.append(f"{self.rows} to its {self.control_rows}")
        if self.same_updates is False:
            told.append(f"{self.updates} to its {self.control_updates}")
        return f" with {' and '.join(told)}" if told else ""


def beside(results: Results, group: Group, arm: str, control: str) -> Beside | None:
    """An arm beside the control; None where they share no seed of this student and reading."""
    ours = {cell.seed: cell for cell, _ in chosen(results, group, arm)}
    theirs = {cell.seed: cell for cell, _ in control_cells(results, group, control)}
    pairs = [(ours[seed], theirs[seed]) for seed in ours if seed in theirs]
    if not pairs:
        return None
    first, second = [one for one, _ in pairs], [other for _, other in pairs]
    return Beside(
        same_rows=_same([(one.rows, other.rows) for one, other in pairs]),
        same_updates=_same([(one.updates, other.updates) for one, other in pairs]),
        rows=_rows(first, " rows"),
        updates=_updates(first, " updates"),
        control_rows=_rows(second),
        control_updates=_updates(second),
    )


def _same(pairs: Sequence[tuple[int | None, int | None]]) -> bool | None:
    if any(None in pair for pair in pairs):
        return None
    return all(one == other for one, other in pairs)


def _rows(cells: Sequence[Cell], unit: str = "") -> str:
    return _span([cell.rows for cell in cells], unit)


def _updates(cells: Sequence[Cell], unit: str = "") -> str:
    return _span([cell.updates for cell in cells], unit)


def _span(numbers: Sequence[int | None], unit: str) -> str:
    known = [number for number in numbers if number is not None]
    if len(known) < len(numbers):
        return ""
    low, high = min(known), max(known)
    return count(low) + (f" to {count(high)}" if high > low else "") + unit

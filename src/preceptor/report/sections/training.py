"""How the students were trained, where it is not as it mostly is."""

from __future__ import annotations

from collections.abc import Iterator

from preceptor.report.frame.blocks import Column, Row, Table, words
from preceptor.report.read.cell import Cell, Trunk
from preceptor.report.read.groups import students
from preceptor.report.read.measures import chosen_by
from preceptor.report.read.numbers import count, metric, plural, size
from preceptor.report.read.results import Results

_LAYOUTS = {
    "packed": "rows packed one behind the other, without sight of each other",
    "fixed": "every row padded to the student's greatest length",
}


def how_table(results: Results) -> Table | None:
    """What is not the default in the training of each student; None if nothing is."""
    rows = []
    for student in students(results):
        cells = [cell for cell in results.cells if cell.student == student]
        rows += [Row((words(student), words(n), words(v))) for n, v in _told(results, cells)]
    if not rows:
        return None
    columns = (
        Column("student", "Student", numeric=False),
        Column("name", "What", numeric=False),
        Column("value", "How", numeric=False),
    )
    return Table("how-trained", "How students were trained.", columns, tuple(rows))


def _told(results: Results, cells: list[Cell]) -> Iterator[tuple[str, str]]:
    """What and how, each once; over several cells all that occurs."""
    for layout in _each(cell.layout for cell in cells if cell.layout != "padded"):
        yield "Batches", _LAYOUTS.get(layout, layout)
    if any(cell.logits == "all" for cell in cells):
        yield "Logits", "computed at every position: the family does not allow less"
    for device in _each(cell.device for cell in cells if cell.device != "cpu"):
        yield "Device", device
    for processes in _each(cell.processes for cell in cells if (cell.processes or 1) > 1):
        yield "Processes", f"{processes} shared every update"
    if any(cell.looks for cell in cells):
        yield "Validation", _looks(results, cells)
    for text in _each(_trunk(cell.trunk) for cell in cells):
        yield "Frozen blocks", text


def _each(values: Iterator[object]) -> list[str]:
    return list(dict.fromkeys(str(value) for value in values if value))


def _looks(results: Results, cells: list[Cell]) -> str:
    looked = [cell for cell in cells if cell.looks]
    times = [len(cell.looks) for cell in looked]
    span = count(min(times)) + (f" to {count(max(times))}" if max(times) > min(times) else "")
    early = sum(cell.best_update != cell.updates for cell in looked)
    by = chosen_by(results, looked[0].student)
    name = metric(by).title if by else "its figure"
    which = f"in {early} of {plural(len(looked), 'cell')} not the last" if early else "the last"
    return (
        f"{span} {'look' if max(times) == 1 else 'looks'} a cell at {name}; the weights of the "
        f"best look were kept ({which})"
    )


def _trunk(trunk: Trunk | None) -> str:
    if trunk is None or (not trunk.blocks and not trunk.off):
        return ""
    if not trunk.blocks:
        return "" if trunk.off in _EXPECTED else f"not cached: {trunk.off}"
    kept = f", {size(trunk.bytes)} on disk" if trunk.bytes else ""
    narrow = ", the last block at supervised positions alone" if trunk.narrow else ""
    dropout = ", without their dropout" if trunk.dropout_off else ""
    return f"{plural(trunk.blocks, 'block')} computed once and kept{kept}{narrow}{dropout}"


_EXPECTED = ("a classifier is trained", "not asked for", "the first block is trained")
"""why nothing is cached where nobody would expect it"""

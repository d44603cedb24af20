"""Layouts, and the list of them, on a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from rich.console import Console, Group
from rich.measure import Measurement
from rich.padding import Padding
from rich.table import Table as Grid
from rich.text import Text

from preceptor.report.frame.blocks import Table, Value
from preceptor.report.papers.exhibit import Exhibit
from preceptor.report.papers.layout import Layout
from preceptor.report.read.numbers import DASH

_WIDEST = 200
"""characters beyond which a table is folded even where there is no terminal"""


def print_layout(console: Console, layout: Layout) -> None:
    """The tables, each with its notes below it.

    A terminal that is too narrow for a table is spared the columns of differences, which can be
    read off; what is no terminal gets every column as wide as it is.
    """
    for table in layout.tables:
        grid, own = _grid(table), console.width
        if (needed := _width(console, grid)) > own and console.is_terminal:
            differences = [c.key for c in table.columns if c.key.endswith("_difference")]
            grid = _grid(table.without(*differences))
        elif needed > own:
            console.width = needed
        console.print(grid)
        console.width = own
        console.print(Group(*_notes(table)))


def print_list(console: Console, exhibits: Iterable[Exhibit], absent: Mapping[str, str]) -> None:
    """Every table and figure with the study that makes it, then those that are not here."""
    grid = Grid(box=None, header_style="bold", pad_edge=False)
    for title in ("name", "what it shows", "study", "the paper's numbers"):
        grid.add_column(title, overflow="fold", no_wrap=title in ("name", "study"))
    for one in exhibits:
        numbers = "in its text" if one.has_numbers else "not in its text"
        grid.add_row(*(Text(part) for part in (one.name, one.title, one.study, numbers)))
    console.print(grid)
    for why in dict.fromkeys(absent.values()):
        names = [name for name, reason in absent.items() if reason == why]
        console.print(Text(f"not here: {', '.join(names)} ({why})"))


def _width(console: Console, grid: Grid) -> int:
    """Of its longest row; long texts in columns of words may be folded."""
    wide = console.options.update(width=_WIDEST, max_width=_WIDEST)
    return Measurement.get(console, wide, grid).maximum


def _grid(table: Table) -> Grid:
    grid = Grid(title=Text(table.caption), title_justify="left", header_style="bold")
    for column in table.columns:
        head = f"{column.group}\n{column.title}" if column.group else column.title
        grid.add_column(Text(head), justify="right" if column.numeric else "left", overflow="fold")
    for row in table.rows:
        grid.add_row(*map(_cell, row.values))
    return grid


def _cell(value: Value) -> Text:
    text = Text(value.text or DASH)
    return text.append(f"\n{value.under}", style="dim") if value.under else text


def _notes(table: Table) -> list[Padding]:
    return [Padding(Text(note), (0, 0, 0, 2)) for note in table.notes]

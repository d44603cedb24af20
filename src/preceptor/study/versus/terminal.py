"""Runs side by side on a terminal: what changed, whether it helped, and the tables."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from preceptor.report.frame.blocks import Column, Table, Value
from preceptor.report.versus import Versus, tables, words
from preceptor.report.words.verdict import Verdict
from preceptor.study.inspect import plain

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.table import Table as RichTable
    from rich.text import Text

_SIGNS = {"better": "green", "worse": "red", "partly": "yellow", "unclear": "", "nothing": "dim"}
_MARKS = {"better": (" ▲", "green"), "worse": (" ▼", "red")}
_MOST = 12
"""settings shown on a terminal; the page has all"""


def show(found: Versus, console: Console | None = None) -> None:
    """Print a comparison; no name of a run or an arm is read as markup."""
    from rich.console import Console

    console = console or Console(highlight=False, markup=False, emoji=False)
    for part in _parts(found):
        console.print(part, soft_wrap=not console.is_terminal and isinstance(part, str))


def _parts(found: Versus) -> Iterator[RenderableType]:
    from rich.text import Text

    yield Text(plain(words.title(found)), "bold")
    yield from (plain(line) for line in words.changed(found))
    for verdict in words.verdicts(found):
        yield ""
        yield from _verdict(verdict)
    for table in _tables(found):
        yield ""
        yield rich_table(table)
    if told := [*words.limits(found), *found.problems]:
        yield ""
        yield from (plain(f"- {line}") for line in told)


def _verdict(verdict: Verdict) -> Iterator[RenderableType]:
    from rich.text import Text

    head = Text(plain(verdict.title), "bold")
    for sign, said in verdict.short:
        head.append(f"  {plain(said)}", _SIGNS[sign])
    yield head
    yield from (plain(f"  {arm}: {said}.") for arm, said in verdict.arms)
    yield from (plain(f"  {line}") for line in verdict.more)


def _tables(found: Versus) -> Iterator[Table]:
    changes = tables.changes_table(found)
    if changes is not None:
        yield _cut(changes)
    data = tables.data_table(found)
    if data is not None and not all(line.alike for line in found.data):
        yield data
    for group in tables.groups(found):
        scores = tables.scores_table(found, group, leading=True)
        if scores.rows:
            yield replace(scores, notes=(*scores.notes, "--out or --json has all metrics."))
    if alone := tables.alone_table(found):
        yield alone


def _cut(table: Table) -> Table:
    more = len(table.rows) - _MOST
    if more <= 0:
        return table
    notes = (*table.notes, f"And {more} more; --out or --json has all.")
    return replace(table, rows=table.rows[:_MOST], notes=notes)


def rich_table(table: Table) -> RichTable:
    """A table of the page as one of the terminal."""
    from rich.table import Table as RichTable
    from rich.text import Text

    caption = " ".join(table.notes)
    shown = RichTable(title=Text(plain(table.caption)), caption=Text(plain(caption)))
    shown.title_justify = shown.caption_justify = "left"
    for column in table.columns:
        shown.add_column(
            Text(plain(_heading(column))), justify="right" if column.numeric else "left"
        )
    for row in table.rows:
        shown.add_row(*(_field(value) for value in row.values))
    return shown


def _heading(column: Column) -> str:
    return f"{column.group}\n{column.title}" if column.group else column.title


def _field(value: Value) -> Text:
    from rich.text import Text

    if not value.text:
        return Text("–", "dim")
    mark, style = _MARKS.get(value.mark, ("", ""))
    text = Text(plain(value.text)).append(mark, style)
    if value.tag:
        text.append(f" ({plain(value.tag)})", "dim")
    if value.under:
        text.append(f"\n{plain(value.under)}", "dim")
    return text

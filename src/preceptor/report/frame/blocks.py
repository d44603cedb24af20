"""What a page is made of: sections of prose, tables, figures, samples and folds.

The template knows how each kind looks; whoever adds a section builds these and nothing else.
Text in them is plain text: the template escapes it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import groupby
from typing import ClassVar

Raw = str | float | None


@dataclass(frozen=True, slots=True)
class Value:
    """One field of a table.

    Attributes:
        text: what is shown; empty means that there is nothing to show (a dash).
        raw: what the CSV holds.
        low: lower end of an interval, for the CSV.
        high: upper end of an interval, for the CSV.
        under: a second, smaller line (the interval in words).
        title: why it is a dash, or what the mark means.
        mark: better, worse, unclear, tag; how it is set off.
        tag: a short label beside the text.
        heat: 0 to 1, how strongly the field is coloured.
    """

    text: str = ""
    raw: Raw = None
    low: float | None = None
    high: float | None = None
    under: str = ""
    title: str = ""
    mark: str = ""
    tag: str = ""
    heat: float | None = None


def words(text: str, tag: str = "", mark: str = "") -> Value:
    """A field of text."""
    return Value(text, text, tag=tag, mark=mark)


def missing(why: str) -> Value:
    """A dash that says why it is one."""
    return Value(title=why)


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its name in the CSV, its heading, whether it holds numbers, and the heading
    that it shares with its neighbours, if any."""

    key: str
    title: str
    numeric: bool = True
    group: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """A row; the first value heads it. ``kind``: "", baseline, chosen or total."""

    values: tuple[Value, ...]
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """A table.

    Attributes:
        name: the CSV file's name; tables of one name share a file.
        caption: what it shows, and what one must know to read it.
        context: columns that the CSV has before the others (student, reading).
        style: "" or "matrix" (a heat table with upright column heads).
    """

    kind: ClassVar[str] = "table"
    name: str
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    context: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()
    style: str = ""

    @property
    def heads(self) -> list[tuple[str, list[Column]]]:
        """The columns under their shared headings, in order; "" for those that have none."""
        together = groupby(self.columns, key=lambda column: column.group)
        return [(group, list(columns)) for group, columns in together]

    def without(self, *keys: str) -> Table:
        """The same table without some of its columns."""
        kept = [n for n, column in enumerate(self.columns) if column.key not in keys]
        rows = [replace(row, values=tuple(row.values[n] for n in kept)) for row in self.rows]
        return replace(self, columns=tuple(self.columns[n] for n in kept), rows=tuple(rows))


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure; ``svg`` is markup made by :mod:`preceptor.report.frame.svg`, all else is text."""

    kind: ClassVar[str] = "figure"
    name: str
    caption: str
    svg: str


@dataclass(frozen=True, slots=True)
class Prose:
    """Paragraphs."""

    kind: ClassVar[str] = "prose"
    paragraphs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Bullets:
    """A list of sentences."""

    kind: ClassVar[str] = "bullets"
    items: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading within a section."""

    kind: ClassVar[str] = "heading"
    text: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Code:
    """Text shown as it stands, in fixed width."""

    kind: ClassVar[str] = "code"
    text: str
    label: str


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of text; ``change``: "", "del" or "ins"."""

    text: str
    change: str = ""


@dataclass(frozen=True, slots=True)
class Field:
    """A field of an example before and after; ``same`` where a teacher left it as it was."""

    name: str
    before: tuple[Segment, ...]
    after: tuple[Segment, ...]
    same: bool = False


@dataclass(frozen=True, slots=True)
class Pair:
    """A made example beside what it came from; ``arm`` whose it is, for the search."""

    kind: ClassVar[str] = "pair"
    id: str
    operation: str
    before_title: str
    before_label: str
    after_label: str
    fields: tuple[Field, ...]
    seed: int
    arm: str = ""


@dataclass(frozen=True, slots=True)
class Rejection:
    """A rejected answer of the teacher.

    Attributes:
        reason: why it was rejected, in a few words.
        detail: what was found.
        raw: the answer as it came; empty where ``pair`` shows all of it.
        origin: what the teacher was asked about, where there is no ``pair``.
        seed: the draw seed.
        arm: whose it is, for the search.
        label: the label that it was to have, or was given.
        pair: the row that was read of it beside what it came from, if one could be read.
    """

    kind: ClassVar[str] = "rejection"
    reason: str
    detail: str
    raw: str
    origin: str
    seed: int
    arm: str = ""
    label: str = ""
    pair: Pair | None = None


@dataclass(frozen=True, slots=True)
class Finder:
    """What the samples below can be searched by; shown where the page's script runs."""

    kind: ClassVar[str] = "finder"
    arms: tuple[str, ...]
    labels: tuple[str, ...]
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Fold:
    """Blocks behind a summary that opens them."""

    kind: ClassVar[str] = "fold"
    summary: str
    blocks: tuple[Block, ...]
    open: bool = False


@dataclass(frozen=True, slots=True)
class Side:
    """Figures that stand side by side where there is room."""

    kind: ClassVar[str] = "side"
    blocks: tuple[Block, ...]


Block = (
    Table | Figure | Prose | Bullets | Heading | Code | Pair | Rejection | Finder | Fold | Side
)  # what the template has a macro for


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the page under a heading of its own."""

    id: str
    title: str
    blocks: tuple[Block, ...] = ()


def walk(blocks: Iterable[Block]) -> Iterator[Block]:
    """Every block, those within folds too, in the page's order."""
    for block in blocks:
        yield block
        if isinstance(block, Fold | Side):
            yield from walk(block.blocks)

"""From tables to splits: what the readers of tables have in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from preceptor.data.columns import Columns, Converter, EmptyRows
from preceptor.data.dividing import (
    USUAL,
    ByColumn,
    ByFolds,
    Part,
    SplitSettings,
    divide,
    divide_by_column,
    group_column,
)
from preceptor.data.example import Example, Targets
from preceptor.data.folds import Folds
from preceptor.data.problems import Problems
from preceptor.data.rows import Row
from preceptor.data.splits import DataSettings, Splits


@dataclass(frozen=True)
class Layout:
    """What rows are to become.

    Attributes:
        columns: which column is what.
        split: how one table is divided, or how missing parts are drawn from train.
        empty_rows: what happens to rows with an empty input or target.
    """

    columns: Columns
    split: SplitSettings | None
    empty_rows: EmptyRows = "refuse"


class TabularSettings(DataSettings):
    """What readers of tables have in common."""

    columns: Columns
    """which column is what"""
    split: SplitSettings | None = None
    """how one table is divided, or how parts that are not there are drawn from train"""
    empty_rows: EmptyRows = "refuse"
    """a row with an empty input or target: refuse the data, or drop such rows, counted"""

    @property
    def layout(self) -> Layout:
        """What the tables' rows are to become."""
        return Layout(self.columns, self.split, self.empty_rows)


@dataclass(frozen=True)
class Source:
    """One table.

    Attributes:
        part: what it is; None for one table that ``split`` divides.
        about: the file, for messages.
        prefix: what made ids begin with.
        rows: its rows.
    """

    part: Part | None
    about: str
    prefix: str
    rows: Sequence[Row]


def assemble(
    sources: Sequence[Source],
    layout: Layout,
    problems: Problems,
    files: Sequence[Path] = (),
    notes: Sequence[str] = (),
    *,
    targets: Targets = "label",
) -> Splits:
    """Make splits of tables.

    Raises:
        DataError: everything that is wrong with the rows, and what ``problems`` held before.
    """
    split = layout.split
    converter = Converter(layout.columns, layout.empty_rows, problems)
    parts: dict[Part, list[Example]] = {part: [] for part in USUAL}
    for source in sources:
        for part, examples in _examples_of(source, split, converter).items():
            parts[part] += examples
    problems.raise_if_any()
    told = [*notes, *problems.notes]
    folds = None
    if isinstance(split, ByFolds):
        folds = Folds(parts["train"], split, targets, converter.groups)
        parts |= folds.parts(0)
        told += folds.notes()
    elif split is not None and not isinstance(split, ByColumn):
        drawn, note = divide(parts["train"], split, lambda each: converter.groups[each.id], targets)
        parts |= drawn
        told.append(note)
    if converter.dropped:
        told.append(f"{len(converter.dropped)} rows with empty values were left out.")
    return Splits(
        parts["train"],
        parts["validation"],
        parts["test"],
        parts["unlabelled"],
        dropped=converter.dropped,
        notes=told,
        files=list(files),
        places=converter.places,
        target_name=layout.columns.target,
        targets=targets,
        folds=folds,
    )


def _examples_of(
    source: Source, split: SplitSettings | None, converter: Converter
) -> dict[Part, list[Example]]:
    is_divided = source.part in (None, "train") and split is not None
    group = group_column(split) if is_divided else None
    others = [group] if group else []
    others += [split.column] if is_divided and isinstance(split, ByColumn) else []
    labelled = source.part != "unlabelled"
    # Without rows there is nothing to say of columns: why there are none is a problem already.
    if not source.rows or not converter.check_columns(source.about, source.rows, labelled, others):
        return {}
    if source.part is None and isinstance(split, ByColumn):
        rows = divide_by_column(source.rows, split, converter.problems)
    else:
        rows = {source.part or "train": list(source.rows)}
    return {
        part: list(converter.convert(several, source.prefix, part != "unlabelled", group))
        for part, several in rows.items()
    }

"""From rows to examples: which column is what."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from preceptor.data.example import Example
from preceptor.data.problems import Dropped, Problems, did_you_mean, listed, short
from preceptor.data.rows import Row
from preceptor.data.values import text_of
from preceptor.settings import Settings

EmptyRows = Literal["refuse", "drop"]
GOLD = "gold"
"""where the target of an `unlabelled` row goes in Example.extra, if there is one"""


class Columns(Settings):
    """Which column is what."""

    id: str | None = None
    """column of a unique id; without one, ids are made from the file's name and the row"""
    target: str
    """column of the label (or the answer)"""
    inputs: Mapping[str, str] | tuple[str, ...] = Field(min_length=1)
    """columns that a model may see: a list, or a mapping of field name to column"""
    extra: tuple[str, ...] = ()
    """columns that are kept with an example and never shown at test time (a long answer)"""
    references: tuple[str, ...] = ()
    """columns of further right answers, for metrics that take several: a list of texts each
    (JSONL, Parquet), or one text. The target is one of the answers without being named here"""

    @field_validator("inputs")
    @classmethod
    def _usable(
        cls, inputs: Mapping[str, str] | tuple[str, ...]
    ) -> Mapping[str, str] | tuple[str, ...]:
        odd = [name for name in inputs if not name.isidentifier()]
        if odd:
            raise ValueError(
                f"a template cannot name the field {odd[0]!r}: give it a name of letters, digits"
                f" and _, as in inputs: {{text: {odd[0]}}}"
            )
        return inputs

    @model_validator(mode="after")
    def _apart(self) -> Columns:
        shown = set(self.fields().values())
        both = shown & {self.target, *self.extra, *self.references}
        if both:
            raise ValueError(f"shown as an input and held back at once: {', '.join(sorted(both))}")
        return self

    def fields(self) -> dict[str, str]:
        """Input field name to column."""
        if isinstance(self.inputs, Mapping):
            return dict(self.inputs)
        return {name: name for name in self.inputs}


@dataclass
class Converter:
    """Makes examples of rows and collects what is wrong with them.

    Attributes:
        columns: which column is what.
        empty_rows: whether a row with an empty input or target is a problem or is dropped.
        problems: what is wrong.
        dropped: rows left out, with the reason.
        places: where each example stands, by its id.
        groups: the group of each example, by its id.
    """

    columns: Columns
    empty_rows: EmptyRows
    problems: Problems
    dropped: list[Dropped] = field(default_factory=list)
    places: dict[str, str] = field(default_factory=dict)
    groups: dict[str, str] = field(default_factory=dict)

    def check_columns(
        self, about: str, rows: Iterable[Row], labelled: bool, others: Sequence[str] = ()
    ) -> bool:
        """Whether all columns that are needed stand in some row; adds what is missing.

        Args:
            about: the file.
            rows: its rows.
            labelled: whether a target is needed.
            others: further columns that are needed (of the split, say).
        """
        there = list(dict.fromkeys(name for row in rows for name in row.values))
        needed = [*self.columns.fields().values(), *self.columns.extra, *others]
        needed += [self.columns.target, *self.columns.references] if labelled else []
        needed += [self.columns.id] if self.columns.id is not None else []
        missing = [name for name in dict.fromkeys(needed) if name not in there]
        for name in missing:
            self.problems.add(
                "a column is missing",
                where=about,
                found=f"columns {listed(there)}",
                expected=f"a column {name!r}",
                fix=did_you_mean(name, there) or _delimiter_hint(there),
            )
        return not missing

    def convert(
        self, rows: Iterable[Row], prefix: str, labelled: bool, group: str | None = None
    ) -> Iterator[Example]:
        """Yield the example of every row that is in order.

        Args:
            rows: rows that have all columns.
            prefix: what made ids begin with.
            labelled: whether a row needs a target; a target of an unlabelled row goes to
                ``extra["gold"]``.
            group: column of the group, where the rows are divided by one.
        """
        for row in rows:
            example = self._example(row, prefix, labelled, group)
            if example is not None and self._is_new(example.id, row.place):
                if group is not None:
                    self.groups[example.id] = (self._text(row, group) or "").strip()
                yield example

    def _example(self, row: Row, prefix: str, labelled: bool, group: str | None) -> Example | None:
        inputs = {name: self._text(row, column) for name, column in self.columns.fields().items()}
        extra = {column: self._text(row, column) for column in self.columns.extra}
        target = self._label(row)
        named = (
            f"{prefix}:{row.number}"
            if self.columns.id is None
            else self._text(row, self.columns.id)
        )
        if any(value is None for value in (*inputs.values(), *extra.values(), target, named)):
            return None
        if not self._is_filled(row, labelled, group):
            return None
        references = self._references(row, target or "") if labelled else ()
        if references is None:
            return None
        if not labelled and target:
            extra[GOLD] = target
        return Example(
            id=(named or "").strip(),
            inputs={name: text or "" for name, text in inputs.items()},
            target=target if labelled else None,
            references=references,
            extra={name: text or "" for name, text in extra.items()},
        )

    def _text(self, row: Row, column: str) -> str | None:
        """A value as text, "" for nothing; None (and a problem) for what is no text."""
        value = row.values.get(column)
        if isinstance(value, (list, tuple, dict, bytes)):
            self.problems.add(
                "a value is not text",
                where=f"{row.place}, {column}",
                found=short(value),
                expected="text or a number",
            )
            return None
        return text_of(value)

    def _label(self, row: Row) -> str | None:
        value = row.values.get(self.columns.target)
        if isinstance(value, (list, tuple, dict)):
            self.problems.add(
                "more than one label on a row",
                where=f"{row.place}, {self.columns.target}",
                found=short(value),
                expected="one label a row, as text or a number",
                fix="split the rows, or choose one label for each",
            )
            return None
        text = self._text(row, self.columns.target)
        return None if text is None else text.strip()

    def _references(self, row: Row, target: str) -> tuple[str, ...] | None:
        """All right answers, distinct, the target first; () where no column names further ones,
        None (and a problem) for what is no text."""
        columns = self.columns.references
        given = [(column, text) for column in columns for text in self._several(row, column)]
        wrong = [(column, text) for column, text in given if not _is_text(text)]
        for column, text in wrong:
            self.problems.add(
                "a reference is empty text" if isinstance(text, str) else "a reference is not text",
                where=f"{row.place}, {column}",
                found=short(text),
                expected="a list of texts, none of them empty",
                fix="correct it, or take it out of the list",
            )
        if wrong or not columns:
            return None if wrong else ()
        return tuple(dict.fromkeys([target, *(text.strip() for _, text in given)]))

    def _several(self, row: Row, column: str) -> Sequence[Any]:
        value = row.values.get(column)
        if isinstance(value, list | tuple):
            return value
        text = self._text(row, column)
        return [text] if text and text.strip() else []

    def _is_filled(self, row: Row, labelled: bool, group: str | None) -> bool:
        needed = {column: name for name, column in self.columns.fields().items()}
        needed |= {self.columns.target: "a target"} if labelled else {}
        needed |= {group: "a group"} if group is not None else {}
        empty = [column for column in needed if not (self._text(row, column) or "").strip()]
        lists = {column: "references" for column in self.columns.references if labelled}
        empty += [column for column in lists if row.values.get(column) in _NO_TEXTS]
        if empty and self.empty_rows == "drop":
            self.dropped.append(Dropped(row.place, f"empty: {listed(empty)}"))
            return False
        for column in empty:
            self.problems.add(
                f"an example without {(needed | lists)[column]}",
                where=f"{row.place}, {column}",
                found="an empty list" if column in lists else "nothing",
                expected="text",
                fix="fill it in, or set `empty_rows: drop` to leave such rows out, counted",
            )
        return not empty

    def _is_new(self, name: str, place: str) -> bool:
        first = self.places.setdefault(name, place)
        if not name:
            self.problems.add("an id is empty", where=f"{place}, {self.columns.id}")
        elif first != place:
            self.problems.add(
                "a duplicate id",
                where=f"{place}, {self.columns.id}",
                found=f"{name}, as in {first}",
                expected="ids that differ, over all files",
            )
        return bool(name) and first == place


_NO_TEXTS: tuple[Any, ...] = ([], ())


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _delimiter_hint(there: Sequence[str]) -> str | None:
    if len(there) == 1:
        for delimiter in (";", "\t", "|", ","):
            if delimiter in there[0]:
                return f"set `delimiter: {delimiter!r}` if that stands between the columns"
    return None

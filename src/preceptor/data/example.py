"""One item of the data, human or made, and how it lies in a table."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from preceptor.store.tables import read_rows, write_rows

Targets = Literal["label", "text"]
"""what the targets of some data are: labels, which recur, or free text"""


@dataclass(frozen=True, slots=True)
class Origin:
    """Who made an example.

    Attributes:
        teacher: the teacher's name, or "human".
        operation: rewrite, create, annotate; empty for human examples.
        parents: ids of the examples that it was made from.
    """

    teacher: str = "human"
    operation: str = ""
    parents: tuple[str, ...] = ()


HUMAN = Origin()


@dataclass(frozen=True, slots=True)
class Example:
    """One item.

    Attributes:
        id: unique within the study.
        inputs: what a model may see, by field name.
        target: the label (choice) or the answer (text); None for unlabelled text.
        references: all right answers, the target first, where the data has several; empty where
            the target is the only one.
        extra: what a model must not see at test time (a long answer, an annotator's
            prediction): rewriting reads it, a prompt never does.
        origin: who made it.
        soft: a teacher's probability of every label, by label, adding up to 1; empty where none
            was given. Students that distil learn from it.
    """

    id: str
    inputs: Mapping[str, str]
    target: str | None = None
    references: tuple[str, ...] = ()
    extra: Mapping[str, str] = field(default_factory=dict)
    origin: Origin = HUMAN
    soft: Mapping[str, float] = field(default_factory=dict)


COLUMNS = (
    *("id", "inputs", "target", "references", "extra"),
    *("teacher", "operation", "parents", "soft"),
)


def to_row(example: Example) -> dict[str, Any]:
    """The example as one flat table row; mappings as JSON text, so that any fields fit."""
    return {
        "id": example.id,
        "inputs": json.dumps(dict(example.inputs), ensure_ascii=False),
        "target": example.target,
        "references": list(example.references),
        "extra": json.dumps(dict(example.extra), ensure_ascii=False),
        "teacher": example.origin.teacher,
        "operation": example.origin.operation,
        "parents": list(example.origin.parents),
        "soft": json.dumps(dict(example.soft), ensure_ascii=False),
    }


def from_row(row: Mapping[str, Any]) -> Example:
    """The example that :func:`to_row` wrote."""
    return Example(
        id=row["id"],
        inputs=json.loads(row["inputs"]),
        target=row["target"],
        references=tuple(row["references"]),
        extra=json.loads(row["extra"]),
        origin=Origin(row["teacher"], row["operation"], tuple(row["parents"])),
        soft=json.loads(row.get("soft") or "{}"),
    )


def write_examples(path: Path, examples: Iterable[Example]) -> None:
    """Write examples as Parquet."""
    write_rows(path, [to_row(example) for example in examples], COLUMNS)


def read_examples(path: Path) -> list[Example]:
    """Read the examples that :func:`write_examples` wrote."""
    return [from_row(row) for row in read_rows(path)]

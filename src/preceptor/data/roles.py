"""What the columns of a table seem to be."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from preceptor.data.rows import Row
from preceptor.data.values import text_of

Role = Literal["id", "target", "references", "input", "group", "split", "held", "other"]
MOST_LABELS = 200
_ID = re.compile(r"^(id|uid|guid|pmid|index|idx)$|(_|^)(id|uid)$", re.IGNORECASE)
_GROUP = re.compile(r"patient|person|user|group|author|document|dialogue|session|customer", re.I)
_TARGET = re.compile(r"^(label|class|target|intent|category|final_decision|answer|y)s?$", re.I)
_ANSWER = re.compile(r"^(answer|response|completion|output|target)s?$", re.IGNORECASE)
_REFERENCES = re.compile(r"^(references?|refs|answers|targets)$", re.IGNORECASE)
_HELD = re.compile(r"long_answer|explanation|rationale|reasoning|justification", re.IGNORECASE)
_SPLIT = re.compile(r"^(split|fold|set|part|partition|subset)$", re.IGNORECASE)


@dataclass(frozen=True)
class ColumnGuess:
    """What a column seems to be.

    Attributes:
        name: the column.
        role: id, target, references (all right answers), input, group, split, held (an
            explanation of the target) or other.
        filled: rows that have a value.
        distinct: different values.
        words: mean number of words in a value.
        is_plain: whether all its values are text, numbers or nothing (no lists).
        has_lists: whether all its values are lists of texts, none of them empty.
    """

    name: str
    role: Role
    filled: int
    distinct: int
    words: float
    is_plain: bool = True
    has_lists: bool = False


def columns_of(rows: Sequence[Row]) -> list[ColumnGuess]:
    """Count what stands in every column."""
    names = dict.fromkeys(name for row in rows for name in row.values)
    return [_column(name, [row.values.get(name) for row in rows]) for name in names]


def _column(name: str, values: Sequence[Any]) -> ColumnGuess:
    is_plain = not any(isinstance(value, list | dict | bytes) for value in values)
    filled = [text for text in (text_of(value).strip() for value in values) if text]
    words = sum(len(value.split()) for value in filled) / max(1, len(filled))
    has_lists = all(isinstance(value, list) and _are_texts(value) for value in values)
    counts = len(filled), len(set(filled)), round(words, 1)
    return ColumnGuess(name, "other", *counts, is_plain, has_lists)


def _are_texts(values: Sequence[Any]) -> bool:
    return bool(values) and all(isinstance(value, str) and value.strip() for value in values)


def with_roles(columns: Sequence[ColumnGuess]) -> list[ColumnGuess]:
    """Give every column its role; at most one is id, target, split and group each."""
    roles: dict[str, Role] = {}
    plain = [each for each in columns if each.is_plain]
    lists = [each for each in columns if each.has_lists and _REFERENCES.search(each.name)]
    answers = [each for each in plain if _is_answer(each)]
    if lists and answers:  # several right answers: no label, whatever else looks like one
        roles |= {answers[0].name: "target", lists[0].name: "references"}
    for role, is_one in _SINGLES.items():
        candidates = [each for each in plain if each.name not in roles and is_one(each)]
        if candidates and role not in roles.values():
            roles[min(candidates, key=_unlikely).name] = role
    roles |= {each.name: "held" for each in plain if _HELD.search(each.name)}
    texts = [each for each in plain if each.name not in roles and each.filled]
    longest = max((each.words for each in texts), default=0.0)
    for each in texts:
        if each.words == longest or is_free_text(each):
            roles[each.name] = "input"
    return [replace(each, role=roles.get(each.name, "other")) for each in columns]


def _is_id(column: ColumnGuess) -> bool:
    return bool(_ID.search(column.name)) and 1 < column.distinct == column.filled


def _is_split(column: ColumnGuess) -> bool:
    return bool(_SPLIT.search(column.name)) and 1 < column.distinct <= 5


def is_free_text(column: ColumnGuess) -> bool:
    """Whether its values are texts that mostly differ, three words and more on average."""
    return column.words >= 3 and column.distinct > column.filled / 2


def _is_target(column: ColumnGuess) -> bool:
    return _is_label(column) or _is_answer(column)


def _is_answer(column: ColumnGuess) -> bool:
    return bool(_ANSWER.search(column.name)) and is_free_text(column)


def _unlikely(column: ColumnGuess) -> int:
    """A label by its name is likeliest, then a free answer by its name."""
    if _is_answer(column):
        return 1
    return 0 if _TARGET.search(column.name) else 2


def _is_label(column: ColumnGuess) -> bool:
    few = 1 < column.distinct <= min(MOST_LABELS, column.filled // 2)
    is_group = _GROUP.search(column.name) or _ID.search(column.name)
    return few and column.words <= 6 and not is_group


def _is_group(column: ColumnGuess) -> bool:
    named = _GROUP.search(column.name) or _ID.search(column.name)
    return bool(named) and 1 < column.distinct < column.filled and column.words <= 6


_SINGLES: Mapping[Role, Callable[[ColumnGuess], bool]] = {
    "id": _is_id,
    "split": _is_split,
    "target": _is_target,
    "group": _is_group,
}

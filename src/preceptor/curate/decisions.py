"""What a person decided about made examples: read from a CSV file, stronger than any filter."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Literal, cast, get_args

from preceptor.data.candidate import Candidate, Rejection
from preceptor.data.files import locate, read_text
from preceptor.data.problems import Problems, did_you_mean, listed, short
from preceptor.errors import DataError

PERSON = "decisions"
"""stands in place of a filter's name where a person rejected"""
Choice = Literal["accept", "reject", "relabel"]
CHOICES: tuple[str, ...] = get_args(Choice)
_COLUMNS = ("id", "decision")
_ID = re.compile(r"(?P<part>(?P<arm>.+)-\d+)-\d{5,}")
"""arm, draw seed, number of the call"""


@dataclass(frozen=True, slots=True)
class Decision:
    """One row of the file.

    Attributes:
        choice: accept, reject or relabel.
        label: the right label for relabel, of a text task the right answer; for the others what
            the row shows, if anything.
        answer: the mark of the answer that was decided about (:func:`mark_of`), if the row has one.
        where: file and row.
    """

    choice: Choice
    label: str = ""
    answer: str = ""
    where: str = ""


def mark_of(raw: str) -> str:
    """A short mark of a teacher's answer, by which a decision about another answer is found."""
    return sha256(raw.encode("utf-8", "surrogatepass")).hexdigest()[:12]


def part_of(id: str) -> str:
    """The arm and draw seed that a made example's id names: ``create-0`` of ``create-0-00012``."""
    match = _ID.fullmatch(id)
    return match["part"] if match else ""


def read_decisions(
    file: str, base_dir: Path, labels: Sequence[str], arms: Collection[str]
) -> dict[str, Decision]:
    """The decisions of a CSV file by id; a row without a decision is not decided yet.

    The columns are id, decision and label (for relabel); further ones, such as the texts of a
    sheet that ``preceptor inspect --csv`` wrote, are for the reader alone, but for ``answer``: a
    decision about another answer than the one at hand is refused.

    Args:
        file: the path, relative to ``base_dir``.
        base_dir: the study's folder.
        labels: the task's labels; none of a text task, where relabel gives another answer.
        arms: the arms of the study that a teacher writes for.

    Raises:
        DataError: the file is not there or no such table, or rows of it are wrong, all at once.
    """
    path = locate(file, base_dir)
    reader = csv.DictReader(io.StringIO(read_text(path), newline=""), restval="")
    problems = Problems(path.name)
    lacking = [name for name in _COLUMNS if name not in (reader.fieldnames or ())]
    if lacking:
        raise DataError(
            f"a decisions file without a column {' and '.join(lacking)}",
            where=str(path),
            found=listed(reader.fieldnames or ()),
            expected="id, decision (accept, reject or relabel) and label",
            fix="preceptor inspect RUN --csv FILE writes such a sheet to fill in",
        )
    found: dict[str, Decision] = {}
    for number, row in enumerate(_rows(reader, path), 2):
        where = f"{path.name}, row {number}"
        id, decision = row["id"].strip(), _decision(row, where, labels, problems)
        if decision is not None and _known(id, where, arms, found, problems):
            found[id] = decision
    problems.raise_if_any()
    return found


def _rows(reader: csv.DictReader[str], path: Path) -> Iterator[dict[str, str]]:
    try:
        yield from reader
    except csv.Error as error:
        where = f"{path}:{reader.line_num}"
        raise DataError("a decisions file is no CSV", where=where, found=error) from error


def _decision(
    row: Mapping[str, str], where: str, labels: Sequence[str], problems: Problems
) -> Decision | None:
    """The row's decision; None where there is none, or a wrong one (which is noted)."""
    choice, label = row["decision"].strip().lower(), (row.get("label") or "").strip()
    if not choice:
        return None
    if choice not in CHOICES:
        problems.add(
            "an unknown decision",
            where=f"{where}, decision",
            found=short(row["decision"]),
            expected=", ".join(CHOICES),
            fix=did_you_mean(choice, CHOICES),
        )
        return None
    if choice == "relabel" and (not label or (labels and label not in labels)):
        problems.add(
            "an unknown label" if label else "relabel without a label",
            where=f"{where}, label",
            found=short(label),
            expected=listed(labels) or "the right answer",
            fix=did_you_mean(label, labels),
        )
        return None
    return Decision(cast(Choice, choice), label, (row.get("answer") or "").strip(), where)


def _known(
    id: str, where: str, arms: Collection[str], found: Mapping[str, Decision], problems: Problems
) -> bool:
    match = _ID.fullmatch(id)
    if id in found:
        problems.add("decided twice", where=f"{where}, id", found=short(id), fix=found[id].where)
    elif match is None or match["arm"] not in arms:
        problems.add(
            "no made example of this study has this id",
            where=f"{where}, id",
            found=short(id),
            expected=f"ARM-SEED-NUMBER with an arm of {listed(arms)}",
            fix=did_you_mean(match["arm"], arms) if match else None,
        )
    else:
        return True
    return False


def decided(candidate: Candidate, decision: Decision | None) -> Candidate:
    """The candidate as a person decided about it, before any filter sees it.

    What could not be read from the teacher's answer is no example and cannot be accepted.

    Raises:
        DataError: the decision was about another answer, or accepts another label than there is.
    """
    if decision is None:
        return candidate
    _check_same(candidate, decision)
    told = replace(candidate, decision=decision.choice)
    if candidate.rejection is not None:
        return told
    if decision.choice == "reject":
        return told.reject(Rejection("rejected by a person", filter=PERSON))
    if decision.choice == "relabel":
        # A person is surer than a teacher's probabilities, and these would teach the old label.
        return replace(told, example=replace(told.example, target=decision.label, soft={}))
    return told


def _check_same(candidate: Candidate, decision: Decision) -> None:
    example = candidate.example
    if decision.answer and decision.answer != mark_of(candidate.raw):
        raise DataError(
            f"{example.id} was decided about when the teacher had written something else",
            where=decision.where,
            fix="look at it again: preceptor inspect RUN --csv FILE writes a new sheet; or delete"
            " the row",
        )
    # A spreadsheet may write the line breaks of an answer in another way.
    other = decision.label and decision.label.split() != str(example.target).split()
    if decision.choice == "accept" and other and candidate.rejection is None:
        raise DataError(
            f"{example.id} is accepted under another label than it has",
            where=f"{decision.where}, label",
            found=short(decision.label),
            expected=short(str(example.target)),
            fix="write relabel if the label is to change",
        )

"""MedQuAD (Ben Abacha and Demner-Fushman, 2019): the Kaggle CSV, or the original XML."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from preceptor.data.columns import Columns, Converter
from preceptor.data.dividing import Amount, CrossValidation, Drawn, Part, by_groups, hold_out
from preceptor.data.example import Example, Targets
from preceptor.data.files import locate_any
from preceptor.data.folds import Folds
from preceptor.data.medquad_xml import rows_of
from preceptor.data.members import is_archive, read_members
from preceptor.data.near import NEAR_JACCARD, SHINGLE, Near, linked, near_duplicates
from preceptor.data.problems import Dropped, Problems, listed
from preceptor.data.rows import Reading, Row, read_rows, stem_of
from preceptor.data.sampling import sample_any
from preceptor.data.splits import DataSettings, Splits
from preceptor.data.words import normalise
from preceptor.errors import DataError

COLUMNS = Columns(target="answer", inputs=("question",), extra=("source", "focus_area"))
_NEEDED = {"qa": ("question", "answer"), "any": ("question", "answer", "source", "focus_area")}


class MedquadSplit(Drawn):
    """How MedQuAD is divided; it has no published division."""

    by: Literal["random", "grouped"]
    """`random`: rows, as in the second paper; most of the test then has its focus, and much of
    it its question, in train (the report counts it). `grouped`: whole groups of rows that hang
    together by a question, a focus or a near-duplicate answer, so that none of these stands on
    two sides. Never compare numbers across the two"""
    test: Amount = 0.2
    """rows or share of all rows held out for scoring; 0.2 in the second paper"""
    validation: Amount | None = 0.05
    """rows or share of all rows for choices, taken from what would be train; the second paper
    has none (null)"""


class MedquadFolds(CrossValidation):
    """Every row is a test row once: under seed s of the study, fold s mod `folds` is the test
    split."""

    grouped: bool = False
    """whole groups of rows that hang together, as `by: grouped` has them, share a fold"""


class MedquadSettings(DataSettings):
    """Questions and answers of 12 sites of the NIH."""

    reader: Literal["medquad"]
    path: str
    """the CSV of the Kaggle copy (also .gz), or the original XML: a folder, or a .zip or .tar.gz
    archive; relative to the study file"""
    drop: Literal["qa", "any"] = "qa"
    """rows left out, counted: those without question or answer, or those without any one of
    question, answer, source and focus (the second paper)"""
    split: Annotated[MedquadSplit | MedquadFolds, Field(discriminator="by")]
    """how the rows are divided"""

    @property
    def columns(self) -> Columns:
        """Which column of the CSV is what."""
        return COLUMNS


def read(settings: MedquadSettings, base_dir: Path, targets: Targets = "text") -> Splits:
    """Read MedQuAD. Inputs: question; target: the answer; extra: focus and source.

    Args:
        settings: the study's ``data``.
        base_dir: the study file's folder.
        targets: what the task's targets are; here they are texts.

    Raises:
        DataError: a task of labels, a file that is missing or cannot be read, a missing
            column, no row with an answer, or a part without rows.
    """
    if targets == "label":
        raise DataError(
            "MedQuAD's answers are texts, and the task is one of labels",
            where="task.kind",
            found="choice",
            expected="text",
        )
    path = locate_any(settings.path, base_dir)
    problems = Problems(path.name)
    rows, files = _rows(path, problems)
    problems.raise_if_any()
    kept, dropped = _without_empty(rows, _NEEDED[settings.drop])
    if not kept:
        raise DataError(
            "no row is left",
            where=str(path),
            found=f"{len(rows)} rows, {len(dropped)} of them left out: {_reasons(dropped)}",
            expected="questions with answers (some of MedQuAD's collections come without them)",
        )
    examples = [_example(row, path) for row in kept]
    parts, notes, folds = _divided(examples, settings.split)
    notes += problems.notes
    if dropped:
        said = f"{len(dropped)} of {len(rows)} rows were left out (drop: {settings.drop})"
        notes.append(f"{said}: {_reasons(dropped)}.")
    return Splits(
        parts["train"],
        parts.get("validation", []),
        parts["test"],
        dropped=dropped,
        notes=notes,
        files=files,
        places={one.id: row.place for one, row in zip(examples, kept, strict=True)},
        target_name="answer",
        targets="text",
        folds=folds,
    )


def _rows(path: Path, problems: Problems) -> tuple[list[Row], list[Path]]:
    """All rows, and the files that they came from."""
    if path.is_dir() or is_archive(path):
        members = read_members(path, ".xml")
        rows = []
        for member in members:
            with problems.gather():
                rows += rows_of(member)
        return rows, [Path(one.place) for one in members] if path.is_dir() else [path]
    if not path.name.lower().removesuffix(".gz").endswith(".csv"):
        raise DataError(
            "a file is of an unknown format",
            where=str(path),
            found=path.name,
            expected="MedQuAD's CSV (.csv, .csv.gz), or its XML files in a folder, .zip or .tar.gz",
        )
    rows = read_rows(path, Reading(), problems)
    if rows:
        Converter(COLUMNS, "drop", problems).check_columns(path.name, rows[:1], labelled=True)
    return rows, [path]


def _without_empty(rows: Sequence[Row], needed: Sequence[str]) -> tuple[list[Row], list[Dropped]]:
    kept, dropped = [], []
    answered = {row.values["source"] for row in rows if row.values["answer"].strip()}
    for row in rows:
        empty = [column for column in needed if not row.values[column].strip()]
        if not empty:
            kept.append(row)
        elif row.values["source"] in answered:
            dropped.append(Dropped(row.place, f"empty: {listed(empty)}"))
        else:
            reason = f"empty: {listed(empty)} (no answer in all of {row.values['source']})"
            dropped.append(Dropped(row.place, reason))
    return kept, dropped


def _reasons(dropped: Sequence[Dropped]) -> str:
    counts = Counter(each.reason for each in dropped)
    return "; ".join(f"{reason}: {count}" for reason, count in counts.most_common())


def _example(row: Row, path: Path) -> Example:
    values = {name: value.strip() for name, value in row.values.items()}
    return Example(
        id=values.get("id") or f"{stem_of(path)}:{row.number}",
        inputs={"question": values["question"]},
        target=values["answer"],
        extra={"focus": values["focus_area"], "source": values["source"]},
    )


@dataclass(frozen=True)
class _Keys:
    """By what rows hang together, each by the row's index; "" hangs together with nothing."""

    index: Mapping[str, int]
    questions: Sequence[str]
    focuses: Sequence[str]
    answers: Near


def _keys(examples: Sequence[Example]) -> _Keys:
    return _Keys(
        index={example.id: index for index, example in enumerate(examples)},
        questions=[normalise(example.inputs["question"]) for example in examples],
        focuses=[normalise(example.extra["focus"]) for example in examples],
        answers=near_duplicates([example.target or "" for example in examples]),
    )


def _divided(
    examples: Sequence[Example], split: MedquadSplit | MedquadFolds
) -> tuple[dict[Part, list[Example]], list[str], Folds | None]:
    """The parts, notes on how they were drawn and what leaks, and the folds if there are any."""
    keys = _keys(examples)
    grouped = split.by == "grouped" or (isinstance(split, MedquadFolds) and split.grouped)
    group = _groups(keys) if grouped else {}
    folds = None
    if isinstance(split, MedquadFolds):
        folds = Folds(examples, split, "text", group)
        drawn, notes = folds.parts(0), folds.notes()
    else:
        drawn = hold_out(
            examples, split, by_groups(lambda one: group[one.id]) if group else sample_any
        )
        sizes = ", ".join(f"{part} {len(rows)}" for part, rows in drawn.items())
        how = "whole groups" if group else "rows"
        notes = [f"Drawn by seed {split.seed} from {len(examples)} rows as {how}: {sizes}."]
    if group:
        notes.append(_groups_note(group, drawn))
    if folds is None and group:
        notes[-1] += " Groups of more than half a part's rows are drawn for it last."
    if split.validation is not None:
        notes.append("Validation is carved from what would be train; the second paper has none.")
    notes += [_leaks(part, drawn, keys) for part in ("test", "validation") if part in drawn]
    return drawn, notes, folds


def _groups(keys: _Keys) -> dict[str, str]:
    """What each row hangs together with, by its id."""
    found = linked(len(keys.index), [keys.questions, keys.focuses], keys.answers.links())
    return {id: str(found[index]) for id, index in keys.index.items()}


def _groups_note(group: Mapping[str, str], drawn: Mapping[Part, Sequence[Example]]) -> str:
    name, size = Counter(group.values()).most_common(1)[0]
    of_largest = {part for part, rows in drawn.items() if any(group[r.id] == name for r in rows)}
    return (
        "Rows hang together by a question, a focus or a near-duplicate answer:"
        f" {len(set(group.values()))} groups, the largest of {size} rows"
        f" ({size / len(group):.1%}), all of it in {listed(of_largest)}."
    )


def _leaks(part: Part, drawn: Mapping[Part, Sequence[Example]], keys: _Keys) -> str:
    """What of a part stands in train."""
    held, train = ([keys.index[one.id] for one in drawn[name]] for name in (part, "train"))
    near = keys.answers.met(held, train)
    shares = [
        _share(_met(keys.questions, held, train), held, "questions stand word for word in train"),
        _share(_met(keys.focuses, held, train), held, "rows have a focus that is in train"),
        _share(near, held, "answers have a repeat or near-duplicate in train"),
    ]
    return (
        f"What leaks into {part} ({len(held)} rows): {', '.join(shares)}"
        f" (Jaccard of {SHINGLE}-word shingles at least {NEAR_JACCARD})."
    )


def _met(keys: Sequence[str], held: Sequence[int], train: Sequence[int]) -> int:
    known = {keys[index] for index in train} - {""}
    return sum(keys[index] in known for index in held)


def _share(count: int, held: Sequence[int], what: str) -> str:
    return f"{count / len(held):.1%} of its {what}"

"""How one table becomes train, validation and test."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Literal

from pydantic import Field, model_validator

from preceptor.data.example import Example, Targets
from preceptor.data.problems import Problems, did_you_mean, listed, short
from preceptor.data.rows import Row
from preceptor.data.sampling import SAMPLERS, Sampler, rank
from preceptor.data.values import text_of
from preceptor.errors import DataError
from preceptor.settings import Settings

Part = Literal["train", "validation", "test", "unlabelled"]
Amount = Annotated[int, Field(ge=1)] | Annotated[float, Field(gt=0, lt=1)]
"""a number of rows (100), or a share of all of them (0.5)"""
USUAL: Mapping[Part, tuple[str, ...]] = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "dev"),
    "test": ("test",),
    "unlabelled": ("unlabelled", "unlabeled"),
}
"""what the parts are usually called"""


class ByColumn(Settings):
    """A column says which part a row belongs to."""

    by: Literal["column"]
    column: str
    """the column"""
    values: Mapping[Part, tuple[str, ...]] = USUAL
    """which of its values mean which part; every value must be named"""

    @model_validator(mode="after")
    def _apart(self) -> ByColumn:
        values = [value for several in self.values.values() for value in several]
        twice = sorted({value for value in values if values.count(value) > 1})
        if twice:
            raise ValueError(f"a value stands under two parts: {', '.join(twice)}")
        lacking = {"train", "test"} - set(self.values)
        if lacking:
            raise ValueError(f"no value for {', '.join(sorted(lacking))}")
        return self

    def part_of(self, value: str) -> Part | None:
        """The part that a value means; None if it is not named."""
        return next((part for part, values in self.values.items() if value in values), None)


class Drawn(Settings):
    """How much is held out."""

    test: Amount | None = None
    """rows (100) or share of all rows (0.5) held out for scoring"""
    validation: Amount | None = None
    """rows or share of all rows held out for choices"""
    seed: int = 0
    """another seed, another division; this is not the study's seed"""

    def parts(self) -> set[Part]:
        """The parts that are drawn."""
        drawn: dict[Part, Amount | None] = {"test": self.test, "validation": self.validation}
        return {part for part, amount in drawn.items() if amount is not None}


class ByDraw(Drawn):
    """Rows are drawn, every label in the same proportion; texts by the seed alone."""

    by: Literal["draw"]


class ByGroup(Drawn):
    """Whole groups are drawn (all rows of a patient), so that none stands on two sides."""

    by: Literal["group"]
    column: str
    """the column that names the group"""


class CrossValidation(Settings):
    """Every row is a test row once: under seed s of the study, fold s mod `folds` is the test
    split, and further seeds divide the rows anew (repeated cross-validation). For small data."""

    by: Literal["cross_validation"]
    folds: int = Field(5, ge=2)
    """how many; the study's `seeds` are as many, or a multiple of them"""
    validation: Amount | None = 0.1
    """rows, or share of the rows that are not in the test fold, held out for choices"""
    seed: int = 0
    """another seed, other folds; this is not the study's seed"""

    def parts(self) -> set[Part]:
        """The parts that are drawn."""
        return {"test"} if self.validation is None else {"test", "validation"}


class ByFolds(CrossValidation):
    """Every row is a test row once: under seed s of the study, fold s mod `folds` is the test
    split. Every label in the same proportion; texts by the seed alone."""

    column: str | None = None
    """the column that names a group (a patient): whole groups share a fold then, so that none
    stands on two sides, and labels are no longer in proportion"""


SplitSettings = Annotated[ByColumn | ByDraw | ByGroup | ByFolds, Field(discriminator="by")]


def group_column(split: SplitSettings | None) -> str | None:
    """The column that names what is divided as a whole, where there is one."""
    return split.column if isinstance(split, ByGroup | ByFolds) else None


def divide_by_column(
    rows: Sequence[Row], split: ByColumn, problems: Problems
) -> dict[Part, list[Row]]:
    """The rows of each part; a value that is not named is a problem."""
    parts: dict[Part, list[Row]] = {part: [] for part in USUAL}
    known = [value for values in split.values.values() for value in values]
    for row in rows:
        value = text_of(row.values.get(split.column)).strip()
        part = split.part_of(value)
        if part is not None:
            parts[part].append(row)
        else:
            problems.add(
                "a value that names no part",
                where=f"{row.place}, {split.column}",
                found=short(value) if value else "nothing",
                expected=f"one of: {listed(known)}",
                fix=did_you_mean(value, known) or "name it under data.split.values",
            )
    return parts


def divide(
    examples: Sequence[Example],
    split: ByDraw | ByGroup,
    group_of: Callable[[Example], str],
    targets: Targets = "label",
) -> tuple[dict[Part, list[Example]], str]:
    """Draw test, then validation; train is the rest. Also returns a note on what was done.

    Args:
        examples: all labelled examples.
        split: how much, and by what.
        group_of: the group of an example, for a split by group.
        targets: what the targets are; labels are drawn in proportion.

    Raises:
        DataError: nothing would be left to train on.
    """
    if split.by == "group":
        sampler, how = by_groups(group_of), f"whole groups ({split.column})"
    else:
        in_proportion = ", labels in proportion" if targets == "label" else ""
        sampler, how = SAMPLERS[targets], f"rows{in_proportion}"
    parts = hold_out(examples, split, sampler)
    sizes = ", ".join(f"{part} {len(rows)}" for part, rows in parts.items())
    note = f"Drawn by seed {split.seed} from {len(examples)} rows as {how}: {sizes}."
    return parts, note


def hold_out(
    examples: Sequence[Example], split: Drawn, sampler: Sampler
) -> dict[Part, list[Example]]:
    """Draw test, then validation from what is left; train is the rest.

    Args:
        examples: all labelled examples.
        split: how much; shares are of all examples.
        sampler: draws so many of some examples under a salt.

    Raises:
        DataError: a part would be empty.
    """
    rest = list(examples)
    parts: dict[Part, list[Example]] = {}
    amounts: dict[Part, int | float | None] = {"test": split.test, "validation": split.validation}
    for part, amount in amounts.items():
        if amount is not None:
            count = amount if isinstance(amount, int) else round(amount * len(examples))
            salt = f"split {part}:{split.seed}"
            parts[part] = sampler(rest, min(count, len(rest)), salt)
            held = {example.id for example in parts[part]}
            rest = [example for example in rest if example.id not in held]
    parts["train"] = rest
    refuse_empty(examples, parts)
    return parts


def by_groups(group_of: Callable[[Example], str]) -> Sampler:
    """A sampler that takes whole groups, as near to the wanted number as it gets.

    Groups of more than half of that number come last: they are taken only where smaller ones
    do not suffice, so that no part is made of one group.
    """

    def sampler(rest: Sequence[Example], count: int, salt: str) -> list[Example]:
        sizes = Counter(map(group_of, rest))
        held, total = set(), 0
        for group in sorted(sizes, key=lambda each: (2 * sizes[each] > count, rank(salt, each))):
            if abs(total + sizes[group] - count) <= abs(total - count):
                held.add(group)
                total += sizes[group]
        return [example for example in rest if group_of(example) in held]

    return sampler


def refuse_empty(examples: Sequence[Example], parts: Mapping[Part, Sequence[Example]]) -> None:
    """Hold parts against being empty.

    Raises:
        DataError: one of them is.
    """
    if all(parts.values()):
        return
    raise DataError(
        "the data cannot be divided like this",
        where="data.split",
        found=f"{len(examples)} rows: " + ", ".join(f"{k} {len(v)}" for k, v in parts.items()),
        expected="at least one row in every part",
        fix="hold out less, or fewer rows a group",
    )

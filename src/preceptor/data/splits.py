"""Train, validation and test: what a reader returns and how a seed draws from it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from preceptor.data.example import Example
from preceptor.settings import Settings


class Limit(Settings):
    """How many examples of a split are used; drawn by the seed, in balance where asked."""

    limit: int | None = Field(None, ge=1)
    """at most this many examples, labels in the proportion of the split"""
    per_label: int | None = Field(None, ge=1)
    """this many examples of every label"""

    @model_validator(mode="after")
    def _one(self) -> Limit:
        if self.limit is not None and self.per_label is not None:
            raise ValueError("give limit or per_label, not both")
        return self


TooLong = Literal["refuse", "truncate_start", "truncate_end"]


class DataSettings(Settings):
    """What every reader has: how much of each split is used, and what is too long."""

    train: Limit = Limit()
    """the labelled examples of one seed, drawn from the train split by that seed"""
    validation: Limit = Limit()
    """drawn once (seed 0), the same for every seed"""
    test: Limit = Limit()
    """drawn once (seed 0), the same for every seed"""
    too_long: TooLong = "refuse"
    """an input that does not fit the student: refuse the study, or cut the input's start or
    end (whole words, never the question's frame or the answer), counted in the result"""


@dataclass(frozen=True)
class Dropped:
    """A row of the input that is not used, and why."""

    where: str
    reason: str


@dataclass(frozen=True)
class Splits:
    """What a reader returns.

    Attributes:
        train: labelled examples that training and teachers may see.
        validation: labelled examples for every choice.
        test: labelled examples for scoring alone.
        unlabelled: examples without target, for annotation.
        dropped: rows that are not used.
        notes: what a reader of the report must know (the protocol, say).
        files: the files that were read; their hashes enter the fingerprint.
    """

    train: list[Example]
    validation: list[Example]
    test: list[Example]
    unlabelled: list[Example] = field(default_factory=list)
    dropped: list[Dropped] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)

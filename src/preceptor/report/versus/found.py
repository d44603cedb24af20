"""What setting runs side by side found, as JSON has it and as page and terminal show it."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from preceptor.report.read.scores import Comparison, Score


class RunFacts(BaseModel, frozen=True):
    """A run in short."""

    name: str
    """its folder's name, with so much of the path before it as sets it apart"""
    folder: str
    study: str
    created: str = ""
    finished: bool = True
    cells: int = 0
    failed: int = 0
    seeds: list[int] = []
    draw_seeds: list[int] = []
    """those that drew labelled subsets and made sets; fewer than the seeds where shared"""


class Change(BaseModel, frozen=True):
    """Something that the runs do not have alike.

    Attributes:
        key: its dotted key.
        values: what each run has, in the order of the runs; "" where there is no such thing.
        bears: whether it can move a score; a name or a description cannot.
    """

    key: str
    values: list[str]
    bears: bool = True


class DataLine(BaseModel, frozen=True):
    """One split of the runs' data: rows of each run, and how many of them the first run has too
    (the same id, inputs, target and references)."""

    split: str
    rows: list[int]
    same: list[int]

    @property
    def alike(self) -> bool:
        """Whether every run has these very rows."""
        return len({*self.rows, *self.same}) == 1


class Reading(BaseModel, frozen=True):
    """How predictions came about: in words, and the metric that the verdict speaks of."""

    title: str
    headline: str


class RunScore(Score, frozen=True):
    """An arm's mean over seeds in one run, as that run's results have it."""

    run: str


class RunDifference(Comparison, frozen=True):
    """An arm's score in one run less that of the arm of the same name in the first run.

    ``against`` is the first run's name. Seeds and items are those that were paired.
    """

    run: str
    seeds_apart: tuple[int, ...] = ()
    """seeds that only one of the two runs has"""
    same: bool = False
    """whether both runs predicted the same of every item under every seed"""
    alike: bool = False
    """whether both were made from the same settings, data and weights (environment aside)"""


class Apart(BaseModel, frozen=True):
    """What is not compared, and why. ``metric`` is empty where it is so of all metrics, and
    ``arm`` where it is so of all that two runs have."""

    run: str
    student: str = ""
    reading: str = ""
    arm: str = ""
    metric: str = ""
    why: str


class Versus(BaseModel, frozen=True):
    """Two or more runs side by side; the others are held against the first."""

    format: int = 1
    runs: list[RunFacts]
    changes: list[Change]
    """settings that differ, and what stands behind equal settings: weights, prompts"""
    environment: list[Change]
    data: list[DataLine]
    readings: dict[str, Reading]
    scores: list[RunScore]
    differences: list[RunDifference]
    apart: list[Apart]
    problems: list[str]
    """what of a run folder is missing or cannot be read, and what to do about it"""

    @property
    def names(self) -> list[str]:
        """The runs' names."""
        return [run.name for run in self.runs]

    def as_json(self) -> dict[str, Any]:
        """All of it as JSON values."""
        return self.model_dump(mode="json")

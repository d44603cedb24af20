"""The results of a run as the report reads them: the shape of ``RUN/results.json``.

Every part may be missing (a run without a teacher, a run that was stopped), so every field has
a default that means "not there"; the page says so where it would have shown it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from preceptor.errors import DataError, StaleRunError
from preceptor.report.read.arms import Arm
from preceptor.report.read.cell import Cell, Failed
from preceptor.report.read.provenance import Provenance
from preceptor.report.read.scores import (
    BestOnTest,
    Comparison,
    MethodComparison,
    NotCompared,
    Number,
    Score,
)
from preceptor.report.read.served import Measured, Stage, TeacherComparison
from preceptor.report.read.tuning import Tuning
from preceptor.report.read.usage import Usage

FORMAT = 1
RESULTS = "results.json"


class Price(BaseModel, frozen=True):
    """What a teacher's tokens cost, and who says so."""

    input: float = 0.0
    """per million prompt tokens"""
    output: float = 0.0
    """per million answer tokens"""
    currency: str = "USD"
    source: str = ""


class Teacher(BaseModel, frozen=True):
    """The large model."""

    name: str = ""
    engine: str = ""
    stands_for: str | None = None
    identity: dict[str, Any] = {}
    price: Price | None = None
    usage: Usage | None = None
    tunings: list[Tuning] = []
    """of a teacher that was tuned first: one for every role and draw seed"""


class Dropped(BaseModel, frozen=True):
    """A row of the input that was not used."""

    where: str = ""
    reason: str = ""


class Leakage(BaseModel, frozen=True):
    """What stands in more than one split."""

    rows: list[dict[str, Any]] = []
    examples: list[dict[str, Any]] = []


class Pool(BaseModel, frozen=True):
    """The texts that a teacher may annotate under one draw seed."""

    seed: int = 0
    rows: int = 0
    hidden_labels: int = 0
    """those whose true label is known, and hidden"""
    removed: dict[str, int] = {}
    """rows that are not in the pool, by reason"""


class CrossValidation(BaseModel, frozen=True):
    """How the examples were dealt into folds."""

    folds: int
    rows: int
    """all of them, each a test example once in as many seeds as there are folds"""


class Data(BaseModel, frozen=True):
    """The examples."""

    reader: str = ""
    files: list[str] = []
    draw_seeds: list[int] = []
    """the seeds that drew labelled subsets and made sets; fewer than the study's where shared"""
    counts: dict[str, dict[str, int]] = {}
    labelled_per_seed: int | None = None
    cross_validation: CrossValidation | None = None
    """None where one test split is"""
    notes: list[str] = []
    dropped: list[Dropped] = []
    pool: list[Pool] = []
    leakage: Leakage | None = None


class Task(BaseModel, frozen=True):
    """What an example means."""

    kind: str = ""
    labels: list[str] = []
    answers: str | None = None
    loss: str | None = None
    score_by: list[str] = []
    """the readings of a text task"""
    about: str = ""
    """what the examples are, in a sentence of the study"""
    input: str = ""
    """the template that shows an example"""
    prompt: str = ""
    """the template around it, of a student that writes"""


class ReportOptions(BaseModel, frozen=True):
    """What the study asks of its page."""

    publish_texts: bool = True
    """false leaves out every text of an example, for data whose licence forbids showing it"""
    hour_price: Number = None
    """what an hour of the machine costs"""
    currency: str = "USD"


class Results(BaseModel, frozen=True):
    """All of ``results.json``."""

    format: int
    study: str
    description: str = ""
    created: str = ""
    seconds: Number = None
    stages: list[Stage] = []
    finished: bool = True
    limits: list[str] = []
    environment: dict[str, Any] = {}
    budget: dict[str, float] = {}
    choose_by: str | None = None
    task: Task = Task()
    data: Data = Data()
    teachers: list[Teacher] = []
    arms: dict[str, Arm] = {}
    baselines: list[Measured] = []
    cells: list[Cell] = []
    failed: list[Failed] = []
    comparisons: list[Comparison] = []
    method_comparisons: list[MethodComparison] = []
    not_compared: list[NotCompared] = []
    teacher_comparisons: list[TeacherComparison] = []
    scores: list[Score] = []
    best_on_test: list[BestOnTest] = []
    """chosen on the test set, to be set beside papers that do so; nothing else rests on it"""
    same_but_budget: list[list[str]] = []
    """students that differ in nothing but how long they are trained"""
    hard_twins: dict[str, str] = {}
    """students of soft labels, with the one that learns rows without them in the same way"""
    not_covered: list[str] = []
    """what no interval covers, a sentence each"""
    best: str | None = None
    command: str | None = None
    report: ReportOptions = ReportOptions()
    provenance: Provenance = Provenance()


def load(run: Path) -> Results:
    """Read a run's results.

    Raises:
        DataError: there are none, or the file is damaged.
        StaleRunError: the file is of a format that this version does not know.
    """
    return validated(run / RESULTS, read(run / RESULTS))


def read(path: Path) -> object:
    """The file as JSON.

    Raises:
        DataError: it is not there, or it is no JSON.
    """
    try:
        return json.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        fix = "run the study first: preceptor run STUDY --out RUN"
        raise DataError("this folder holds no results", where=str(path), fix=fix) from error
    except (OSError, ValueError) as error:
        raise DataError(
            "the results cannot be read", where=str(path), found=error, fix=_ANEW
        ) from error


_ANEW = (
    "run the study again, preceptor run STUDY --out RUN: finished parts are not made again, "
    "and the results are put together anew from them"
)


def validated(path: Path, value: object) -> Results:
    """The results of a JSON value.

    Raises:
        DataError: it is damaged.
        StaleRunError: it is of a format that this version does not know.
    """
    found = value.get("format") if isinstance(value, dict) else None
    if isinstance(found, int) and found != FORMAT:
        newer = "a newer version of Preceptor made this run: install it, and report again"
        older = "use the version of Preceptor that made the run, or run the study again"
        raise StaleRunError(
            "the results are of another format than this version of Preceptor reads",
            where=str(path),
            found=found,
            expected=FORMAT,
            fix=newer if found > FORMAT else older,
        )
    try:
        return Results.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        where = f"{path}: {'.'.join(str(part) for part in first['loc'])}"
        raise DataError(
            "the results are damaged", where=where, found=first["msg"], fix=_ANEW
        ) from error

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


class LabelFunnel(BaseModel, frozen=True):
    """What became of one label's candidates: they are the rejected and the kept."""

    candidates: int = 0
    rejected: dict[str, int] = {}
    """by filter"""
    kept: int = 0
    wanted: int | None = None
    """rows of the label that were wanted; None where labels are not balanced"""
    shortfall: int = 0


class Decided(BaseModel, frozen=True):
    """A person's decisions about made rows."""

    accept: int = 0
    reject: int = 0
    relabel: int = 0
    unread: list[str] = []
    """accepted, but no example could be read"""
    unmade: list[str] = []
    """about rows that this arm never asked for"""


class Varied(BaseModel, frozen=True):
    """Figures of diversity."""

    distinct_1: Number = None
    distinct_2: Number = None
    distinct_3: Number = None
    self_bleu: Number = None
    spread: Number = None


class Diversity(BaseModel, frozen=True):
    """How varied made texts are beside human ones, as many of each."""

    texts: int = 0
    human: Varied = Varied()
    made: Varied = Varied()
    note: str = ""


class ArmSeed(BaseModel, frozen=True):
    """One seed's made data of an arm."""

    seed: int
    human: int = 0
    wanted: int = 0
    kept: int = 0
    requests: int = 0
    seconds: Number = None
    """that making it took"""
    rejected: dict[str, int] = {}
    shortfall: int = 0
    path: str | None = None
    usage: Usage | None = None
    filters: list[str] = []
    """those that were on, in the order in which they judge"""
    funnel: dict[str, LabelFunnel] = {}
    """by label; "" for answers of which none could be read"""
    decisions: Decided = Decided()
    notes: dict[str, list[str]] = {}
    """what filters have to say, by filter"""
    annotated: int = 0
    """of an arm that annotates: texts of the pool that were labelled or answered"""
    pool: int = 0
    """texts that there were"""
    labels: dict[str, int] = {}
    """kept annotated rows by the label that they were given"""
    known: int = 0
    """those of them whose true label is known"""
    label_accuracy: Number = None
    """share of the known that were given their true label; told after the fact"""
    confusion: list[tuple[str, str, int]] = []
    """true label, given label, how often"""
    structured: bool | None = None
    """whether the teacher's server held it to a JSON schema"""
    diversity: Diversity | None = None


class Arm(BaseModel, frozen=True):
    """A training set."""

    operation: str = ""
    teacher: str | None = None
    """as the study names it; None where it names none"""
    of: dict[str, int | str | None] = {}
    """of a mix: the arms that it takes rows from, with how many (None is all)"""
    seeds: list[ArmSeed] = []


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

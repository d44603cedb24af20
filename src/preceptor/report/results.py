"""The results of a run as the report reads them: the shape of ``RUN/results.json``.

Every part may be missing (a run without a teacher, a run that was stopped), so every field has
a default that means "not there"; the page says so where it would have shown it.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from preceptor.errors import DataError, StaleRunError

FORMAT = 1
RESULTS = "results.json"


def _finite(value: object) -> object:
    return None if isinstance(value, float) and not math.isfinite(value) else value


Number = Annotated[float | None, BeforeValidator(_finite)]
"""A number, or None where there is none (NaN and infinities are none)."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class LabelScore(_Part):
    """The scores of one label."""

    precision: Number = None
    recall: Number = None
    f1: Number = None
    support: int = 0
    predicted: int = 0


class Metrics(_Part):
    """The scores of one set of predictions."""

    accuracy: Number = None
    macro_f1: Number = None
    log_loss: Number = None
    n: int = 0
    unparsed: int = 0
    """how many answers gave no label"""
    per_label: dict[str, LabelScore] = {}
    confusion: list[list[int]] = []
    """one row per true label; one column per predicted label, then one for unparsed"""


class Usage(_Part):
    """What was asked of a teacher; tokens and cost of all answers used, whenever paid."""

    calls: int = 0
    cached: int = 0
    failed: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_prompt_tokens: int = 0
    cached_completion_tokens: int = 0
    seconds: Number = None
    cost: Number = None
    cached_cost: Number = None
    """the part of the cost that was paid before, for answers that stood in the cache"""
    currency: str | None = None


class Teacher(_Part):
    """The large model."""

    name: str = ""
    engine: str = ""
    stands_for: str | None = None
    identity: dict[str, Any] = {}
    usage: Usage | None = None


class ArmSeed(_Part):
    """One seed's made data of an arm."""

    seed: int
    human: int = 0
    wanted: int = 0
    kept: int = 0
    requests: int = 0
    rejected: dict[str, int] = {}
    shortfall: int = 0
    path: str | None = None
    usage: Usage | None = None


class Arm(_Part):
    """A training set."""

    operation: str = ""
    seeds: list[ArmSeed] = []


class Baseline(_Part):
    """Scores that need no training."""

    name: str
    split: str = "test"
    seed: int | None = None
    metrics: Metrics


class Weights(_Part):
    """What a student started from."""

    ref: str = ""
    note: str | None = None
    stands_for: str | None = None
    """the model that a paper used, where this one is a substitute for it"""


class Cell(_Part):
    """One student, trained on one arm with one setting and one seed."""

    id: str
    arm: str
    student: str
    seed: int
    kind: str = ""
    method: str = ""
    setting: dict[str, Any] = {}
    budget: dict[str, float] = {}
    """the student's own budget; empty where it is the study's"""
    rows: int | None = None
    splits: dict[str, dict[str, Metrics]] = {}
    trainable_parameters: int | None = None
    total_parameters: int | None = None
    updates: int | None = None
    tokens: int | None = None
    seconds: Number = None
    scoring_seconds: Number = None
    peak_memory_bytes: int | None = None
    precision: str | None = None
    cut: dict[str, int] = {}
    path: str | None = None
    weights: Weights | None = None
    chosen: bool = True
    """whether validation chose this setting for this arm, student and seed"""


class Failed(_Part):
    """A cell that ended in an error."""

    id: str
    error: str = ""


Outcome = Literal["better", "worse", "unclear", "other"]
_OUTCOMES: dict[str, Outcome] = {
    "better": "better",
    "helped": "better",
    "worse": "worse",
    "hurt": "worse",
    "no evidence": "unclear",
    "no evidence either way": "unclear",
}


class Comparison(_Part):
    """One arm against another on the same test items."""

    student: str
    reading: str
    arm: str
    against: str
    metric: str
    difference: Number = None
    low: Number = None
    high: Number = None
    seeds: int = 0
    items: int = 0
    verdict: str = ""
    scope: str = "seeds and items"

    @property
    def outcome(self) -> Outcome:
        """The verdict as the page's marks know it; ``other`` is shown in its own words."""
        return _OUTCOMES.get(self.verdict.strip().lower(), "other")

    @property
    def of_items_only(self) -> bool:
        """Whether the interval covers the test items alone, as with a single seed."""
        return self.scope.startswith("items only")


class Score(_Part):
    """An arm's mean over seeds with its interval."""

    student: str
    arm: str
    reading: str
    metric: str
    setting: dict[str, Any] | str | None = None
    """None or "chosen": each seed's setting as validation chose it"""
    mean: Number = None
    low: Number = None
    high: Number = None
    seeds: int = 0


class Dropped(_Part):
    """A row of the input that was not used."""

    where: str = ""
    reason: str = ""


class Leakage(_Part):
    """What stands in more than one split."""

    rows: list[dict[str, Any]] = []
    examples: list[dict[str, Any]] = []


class Data(_Part):
    """The examples."""

    reader: str = ""
    files: list[str] = []
    draw_seeds: list[int] = []
    """the seeds that drew labelled subsets and made sets; fewer than the study's where shared"""
    counts: dict[str, dict[str, int]] = {}
    labelled_per_seed: int | None = None
    notes: list[str] = []
    dropped: list[Dropped] = []
    leakage: Leakage | None = None


class Task(_Part):
    """What an example means."""

    kind: str = ""
    labels: list[str] = []
    answers: str | None = None
    loss: str | None = None


class ReportOptions(_Part):
    """What the study asks of its page."""

    publish_texts: bool = True
    """false leaves out every text of an example, for data whose licence forbids showing it"""


class Results(_Part):
    """All of ``results.json``."""

    format: int
    study: str
    description: str = ""
    created: str = ""
    seconds: Number = None
    finished: bool = True
    limits: list[str] = []
    environment: dict[str, Any] = {}
    budget: dict[str, float] = {}
    choose_by: str | None = None
    task: Task = Task()
    data: Data = Data()
    teachers: list[Teacher] = []
    arms: dict[str, Arm] = {}
    baselines: list[Baseline] = []
    cells: list[Cell] = []
    failed: list[Failed] = []
    comparisons: list[Comparison] = []
    scores: list[Score] = []
    best: str | None = None
    command: str | None = None
    report: ReportOptions = ReportOptions()


def load(run: Path) -> Results:
    """Read a run's results.

    Raises:
        DataError: there are none, or the file is damaged.
        StaleRunError: the file is of a format that this version does not know.
    """
    path = run / RESULTS
    try:
        value = json.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        fix = "run the study first: preceptor run STUDY --out RUN"
        raise DataError("this folder holds no results", where=str(path), fix=fix) from error
    except (OSError, ValueError) as error:
        raise DataError("the results cannot be read", where=str(path), found=error) from error
    return _validated(path, value)


def _validated(path: Path, value: object) -> Results:
    found = value.get("format") if isinstance(value, dict) else None
    if isinstance(found, int) and found != FORMAT:
        raise StaleRunError(
            "the results are of another format than this version of Preceptor reads",
            where=str(path),
            found=found,
            expected=FORMAT,
            fix="use the version of Preceptor that made the run, or run the study again",
        )
    try:
        return Results.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        where = f"{path}: {'.'.join(str(part) for part in first['loc'])}"
        raise DataError("the results are damaged", where=where, found=first["msg"]) from error

"""Scores and differences of scores as ``results.json`` has them."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator


def _finite(value: object) -> object:
    return None if isinstance(value, float) and not math.isfinite(value) else value


Number = Annotated[float | None, BeforeValidator(_finite)]
"""A number, or None where there is none (NaN and infinities are none)."""


class LabelScore(BaseModel, frozen=True):
    """The scores of one label."""

    precision: Number = None
    recall: Number = None
    f1: Number = None
    support: int = 0
    predicted: int = 0


class Metrics(BaseModel, frozen=True):
    """The scores of one set of predictions."""

    accuracy: Number = None
    macro_f1: Number = None
    log_loss: Number = None
    perplexity: Number = None
    """of a text task: over the answers' tokens and their end tokens"""
    next_token_accuracy: Number = None
    perplexity_all: Number = None
    """over all tokens but each text's first"""
    next_token_accuracy_all: Number = None
    bleu: Number = None
    """of a text task's written texts, all together, 0 to 100"""
    chrf: Number = None
    rouge1: Number = None
    rouge2: Number = None
    rougeL: Number = None  # noqa: N815 - the metric's name
    exact_match: Number = None
    length_ratio: Number = None
    """words written over words of the references nearest in length"""
    n: int = 0
    tokens: int = 0
    """how many tokens of the answers were foreseen, end tokens among them"""
    tokens_all: int = 0
    unparsed: int = 0
    """how many answers gave no label"""
    empty: int = 0
    """how many written texts say nothing"""
    unended: int = 0
    """how many were cut off before the student ended them"""
    signatures: dict[str, str] = {}
    """how written texts were scored, by metric"""
    per_label: dict[str, LabelScore] = {}
    confusion: list[list[int]] = []
    """one row per true label; one column per predicted label, then one for unparsed"""


class Baseline(BaseModel, frozen=True):
    """Scores that need no training."""

    name: str
    split: str = "test"
    seed: int | None = None
    metrics: Metrics


class Score(BaseModel, frozen=True):
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


class BestOnTest(BaseModel, frozen=True):
    """The best test score of an arm over settings: what a paper tells that chooses by it."""

    student: str = ""
    arm: str = ""
    reading: str = ""
    metric: str = ""
    best: Number = None
    """mean over seeds of each seed's best setting"""
    chosen: Number = None
    """mean over seeds at the settings that validation chose"""
    highest: Number = None
    """best of all cells"""
    setting: dict[str, Any] = {}
    """its setting"""
    seed: int = 0
    """its seed"""
    settings: int = 0
    """how many were tried"""
    seeds: int = 0


Outcome = Literal["better", "worse", "unclear", "other"]
_OUTCOMES: dict[str, Outcome] = {
    "better": "better",
    "helped": "better",
    "worse": "worse",
    "hurt": "worse",
    "no evidence": "unclear",
    "no evidence either way": "unclear",
}


class Difference(BaseModel, frozen=True):
    """One score less another on the same test items and seeds."""

    metric: str
    difference: Number = None
    low: Number = None
    high: Number = None
    seeds: int = 0
    items: int = 0
    verdict: str = ""
    scope: str = "seeds and items"
    p: Number = None
    """p-value of no difference"""
    p_holm: Number = None
    """the same, corrected for the number of comparisons in its family; the verdict's"""
    family: int = 0
    """how many comparisons there are in it"""
    effect: Number = None
    """the difference in standard deviations of one item's difference under one seed"""
    detectable: Number = None
    """the difference that the study could have shown with 80 % power"""
    seeds_needed: int | None = None
    """seeds on the same items that would show this one; None where they alone would not"""
    items_needed: int | None = None
    """items under the same seeds, likewise"""
    mcnemar_p: Number = None
    """of one seed's accuracy: McNemar's exact p-value"""

    @property
    def nowhere(self) -> bool:
        """Whether no item's score differs at all."""
        return self.difference == self.low == self.high == 0

    @property
    def of_folds(self) -> bool:
        """Whether seeds are the folds of a cross-validation."""
        return self.scope.startswith("folds")

    @property
    def outcome(self) -> Outcome:
        """The verdict as the page's marks know it; ``other`` is shown in its own words."""
        return _OUTCOMES.get(self.verdict.strip().lower(), "other")

    @property
    def of_items_only(self) -> bool:
        """Whether the interval covers the test items alone, as with a single seed."""
        return self.scope.startswith("items only")


class Comparison(Difference, frozen=True):
    """One arm less another, of the same student."""

    student: str
    reading: str
    arm: str
    against: str


class MethodComparison(Difference, frozen=True):
    """One student less another, on the same arm."""

    arm: str
    student: str
    against: str
    """the other student"""


class NotCompared(BaseModel, frozen=True):
    """Two arms of a student, or two students on an arm, that are not compared."""

    student: str
    arm: str
    against: str
    """the other arm; of two students the other student"""
    reading: str = ""
    """of two students there is none"""
    why: str

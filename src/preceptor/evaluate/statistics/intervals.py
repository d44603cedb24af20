"""Intervals for the scores of arms, and paired comparisons of two arms.

How wide an interval must be stands in :mod:`preceptor.evaluate.statistics.variance`. Where no item
and no seed differs from another, a difference's interval has no width.

The interval of a score that lies between two bounds (accuracy, F1, BLEU) leans away from the nearer
one, as that of Wilson for a share does (Journal of the American Statistical Association 22, 1927),
with the effective number of answers that the half width stands for in place of their number, as in
surveys (Korn and Graubard, Survey Methodology 24, 1998). At 0.95 of 60 answers the symmetric one
covered 0.87, this one 0.96.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from preceptor.evaluate.jackknife import Folds, Scores
from preceptor.evaluate.statistics.variance import Variance, crossed, over_folds

if TYPE_CHECKING:
    from numpy import float64
    from numpy.typing import NDArray

Verdict = Literal["better", "worse", "no evidence"]
LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean over seeds with its interval.

    Attributes:
        mean: the mean over seeds.
        low: lower end of the 95 % interval.
        high: upper end.
        seed_sd: standard deviation over seeds; None with one seed.
        variance: what the mean varies by.
    """

    mean: float
    low: float
    high: float
    seed_sd: float | None
    variance: Variance

    @property
    def seeds(self) -> int:
        """How many seeds."""
        return self.variance.seed_count

    @property
    def items(self) -> int:
        """How many test items."""
        return self.variance.item_count

    @property
    def scope(self) -> str:
        """What the interval speaks for: other seeds and items, or, with one seed, items alone."""
        if self.variance.folds:
            return "folds (cross-validation)"
        return "seeds and items" if self.seeds > 1 else "items only (one seed)"


@dataclass(frozen=True, slots=True)
class Difference(Interval):
    """One arm's mean less another's, with its interval.

    Attributes:
        p: p-value of no difference, two-sided, by the construction of the interval.
        lower_is_better: the direction of the score.
    """

    p: float
    lower_is_better: bool

    @property
    def effect(self) -> float | None:
        """The difference in standard deviations of one item's difference under one seed.

        The d of Westfall, Kenny and Judd (Journal of Experimental Psychology: General 143, 2014):
        over the root of the sum of all variance components of the difference; with one seed it
        is Cohen's d_z over items (Statistical Power Analysis, 1988, page 48). None where nothing
        varies and there is a difference.
        """
        if self.variance.nothing:
            return 0.0 if self.mean == 0 else None
        return self.mean / math.sqrt(self.variance.answer)

    def verdict(self, p: float | None = None) -> Verdict:
        """What the difference says.

        Args:
            p: its p-value corrected for many comparisons; its own if not given.
        """
        if (self.p if p is None else p) >= 1 - LEVEL:
            return "no evidence"
        return "better" if (self.mean > 0) != self.lower_is_better else "worse"


def mean_interval(arm: Scores | Folds) -> Interval:
    """The mean score of an arm over its seeds, with its 95 % interval."""
    if isinstance(arm, Folds):
        pseudo = [one.pseudo[0] for one in arm.parts]
        variance = over_folds(arm.scores, pseudo, arm.train_items)
    else:
        variance = crossed(arm.scores, arm.pseudo)
    found = _interval(arm.scores, variance, arm.bounds)
    low, high = arm.bounds
    return _leaning(found, low, high) if high < math.inf else found


def _leaning(found: Interval, low: float, high: float) -> Interval:
    """The interval of a score between two bounds."""
    share = (found.mean - low) / (high - low)
    rest = max(0.0, share * (1 - share))
    square = _square(found, rest, high - low)  # t^2 over the effective number of answers
    middle = (share + square / 2) / (1 + square)
    half = math.sqrt(square * rest + square * square / 4) / (1 + square)
    # Rounding must not take an end at a bound past the mean.
    under, over = min(middle - half, share), max(middle + half, share)
    return replace(found, low=low + (high - low) * under, high=low + (high - low) * over)


def _square(found: Interval, rest: float, span: float) -> float:
    from scipy.special import stdtrit

    if rest > 1e-12:
        return (found.variance.half_width(1 - LEVEL) / span) ** 2 / rest
    # At a bound nothing varies, and every item counts as one answer.
    return float(stdtrit(found.items - 1, (1 - LEVEL) / 2)) ** 2 / found.items


def paired_difference(a: Scores | Folds, b: Scores | Folds) -> Difference:
    """The score of arm a less that of arm b, with its 95 % interval.

    Seed s of one arm is set against seed s of the other, item by item, so what a seed or an
    item does to both arms alike drops out.

    Args:
        a: one arm's scores.
        b: the other's, of the same seeds and items in the same order.

    Raises:
        ValueError: the arms have other seeds or items, or no score of theirs is the better.
    """
    if a.shape != b.shape:
        raise ValueError(f"unequal arms: {a.shape} and {b.shape} (items of every seed)")
    if a.lower_is_better is None:
        raise ValueError("of this score neither more nor less is better")
    low, high = a.bounds
    found = _interval(a.scores - b.scores, _variance(a, b), (low - high, high - low))
    return Difference(
        mean=found.mean,
        low=found.low,
        high=found.high,
        seed_sd=found.seed_sd,
        variance=found.variance,
        p=found.variance.p_value(abs(found.mean)),
        lower_is_better=a.lower_is_better,
    )


def _variance(a: Scores | Folds, b: Scores | Folds) -> Variance:
    if isinstance(a, Scores) and isinstance(b, Scores):
        return crossed(a.scores - b.scores, a.pseudo - b.pseudo)
    if isinstance(a, Folds) and isinstance(b, Folds):
        pairs = zip(a.parts, b.parts, strict=True)
        pseudo = [one.pseudo[0] - other.pseudo[0] for one, other in pairs]
        return over_folds(a.scores - b.scores, pseudo, a.train_items)
    raise ValueError("one arm is tested on folds and the other is not")


def interval(
    scores: NDArray[float64], pseudo: NDArray[float64], bounds: tuple[float, float]
) -> Interval:
    """The 95 % interval of the mean of ``scores``.

    Args:
        scores: one score, or difference of scores, a seed: (S,).
        pseudo: what each item contributes to each seed's score: (S, N).
        bounds: the least and the greatest value that the score can take.
    """
    return _interval(scores, crossed(scores, pseudo), bounds)


def _interval(
    scores: NDArray[float64], variance: Variance, bounds: tuple[float, float]
) -> Interval:
    half = 0.0 if variance.nothing else variance.half_width(1 - LEVEL)
    mean = float(scores.mean())
    seed_sd = float(scores.std(ddof=1)) if len(scores) > 1 else None
    return Interval(
        mean, max(bounds[0], mean - half), min(bounds[1], mean + half), seed_sd, variance
    )

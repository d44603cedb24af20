"""What a study could have shown, and how large it would have to be.

All of it at 80 % power: the smallest difference that a study of this kind finds in four of five
repetitions is the half width of its interval and, so that no more than one in five falls short, the
half width of its 60 % interval (both of one construction; as the minimum detectable effect of
Bloom, Evaluation Review 19, 1995, with t for each variance's own degrees of freedom). Variances
are those found, so with few seeds these figures are rough.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable

from preceptor.evaluate.statistics.variance import Variance

POWER = 0.8
MOST_SEEDS, MOST_ITEMS = 1_000, 1_000_000
"""numbers that are looked for no further"""


def detectable(variance: Variance, alpha: float) -> float:
    """The difference that a study of this variance tells from none with 80 % power.

    Args:
        variance: what a difference varies by.
        alpha: the level that it must pass; of a family of m comparisons, the level over m, which
            is what Holm's correction asks of the first of them.
    """
    expected = variance
    if not variance.folds:
        expected = variance.at(variance.seed_count, variance.item_count)
    return expected.half_width(alpha) + expected.half_width(2 * (1 - POWER))


def seeds_needed(variance: Variance, difference: float, alpha: float) -> int | None:
    """How many seeds on the same items tell such a difference from none with 80 % power.

    Returns:
        The number, at least 2. None where more seeds alone would not do, where one seed tells
        nothing of how seeds vary, and over folds, whose number is no free choice.
    """
    if variance.folds or variance.seed_count == 1:
        return None
    far, items = abs(difference), variance.item_count
    return _least(MOST_SEEDS, lambda n: detectable(variance.at(n, items), alpha) <= far)


def items_needed(variance: Variance, difference: float, alpha: float) -> int | None:
    """How many test items under the same seeds tell such a difference with 80 % power.

    Returns:
        The number, at least 2. None where more items alone would not do, and over folds.
    """
    if variance.folds:
        return None
    far, seeds = abs(difference), variance.seed_count
    return _least(MOST_ITEMS, lambda n: detectable(variance.at(seeds, n), alpha) <= far)


def _least(most: int, enough: Callable[[int], bool]) -> int | None:
    """The least number from 2 on that is enough; more than enough is enough too."""
    found = 2 + bisect_left(range(2, most + 1), True, key=enough)
    return found if found <= most else None

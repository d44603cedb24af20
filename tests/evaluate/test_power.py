"""What a study could have shown, many comparisons, and McNemar's test."""

import numpy as np
import pytest
from scipy.stats import binom, t

from preceptor.evaluate.jackknife import Folds, of_labels, of_means
from preceptor.evaluate.statistics import (
    detectable,
    holm,
    items_needed,
    mcnemar,
    paired_difference,
    seeds_needed,
)
from preceptor.evaluate.statistics.variance import Variance


def variance(seeds, items, both=0.0001, count=5, folds=False):
    return Variance(seeds, items, both, count, 100, 1.0, folds)


def test_holm_by_hand_and_in_any_order():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.9]) == [1.0, 1.0]
    assert holm([0.2]) == [0.2]
    assert holm([]) == []


def test_with_one_variance_the_detectable_difference_is_the_textbook_one():
    items = Variance(0.0, 0.04, 0.0, 1, 100, 4.0)
    expected = (t.ppf(0.975, 99) + t.ppf(0.8, 99)) * 0.2
    assert detectable(items, 0.05) == pytest.approx(expected)
    assert detectable(items, 0.01) > expected


def test_the_needed_number_is_the_least_that_is_enough():
    found = variance(0.0009, 0.0004)
    seeds = seeds_needed(found, -0.1, 0.05)
    assert seeds > found.seed_count
    assert (
        detectable(found.at(seeds, 100), 0.05) <= 0.1 < detectable(found.at(seeds - 1, 100), 0.05)
    )
    far = 0.2
    items = items_needed(found, far, 0.05)
    assert detectable(found.at(5, items), 0.05) <= far < detectable(found.at(5, items - 1), 0.05)


def test_a_number_that_alone_would_not_do_is_none():
    found = variance(0.0009, 0.0004)
    assert items_needed(found, 0.05, 0.05) is None, "seeds vary by more"
    assert seeds_needed(found, 0.02, 0.05) is None, "items vary by more"
    assert seeds_needed(found, 0.0, 0.05) is None
    one = Variance(0.0, 0.04, 0.0, 1, 100, 4.0)
    assert seeds_needed(one, 0.5, 0.05) is None, "one seed knows nothing of others"
    assert items_needed(one, 0.5, 0.05) > 100
    folds = variance(0.0009, 0.0, 0.0, folds=True)
    assert (seeds_needed(folds, 0.1, 0.05), items_needed(folds, 0.1, 0.05)) == (None, None)


def test_as_many_seeds_and_items_as_there_are_change_nothing():
    found = variance(0.0009, 0.0004)
    same = found.at(5, 100)
    assert (same.seeds, same.items, same.both) == pytest.approx((0.0009, 0.0004, 0.0001))


def test_mcnemar_is_the_binomial_of_what_is_right_in_one_alone():
    targets = ["x"] * 20
    ours = of_labels([["x"] * 15 + ["y"] * 5], targets, ("x", "y"), "accuracy")
    theirs = of_labels([["y"] * 8 + ["x"] * 10 + ["y", None]], targets, ("x", "y"), "accuracy")
    # The first 8 right in ours alone, the 16th to 18th in theirs alone.
    expected = 2 * binom.cdf(3, 11, 0.5)
    assert mcnemar(ours, theirs) == pytest.approx(expected)
    assert mcnemar(ours, ours) == 1.0
    two = of_labels([["x"] * 20] * 2, targets, ("x", "y"), "accuracy")
    assert mcnemar(two, two) is None, "it knows nothing of seeds"


def folds(values, train_items=30.0):
    return Folds(tuple(of_means([row]) for row in values), train_items)


def test_folds_are_compared_by_the_corrected_t_test():
    rng = np.random.default_rng(0)
    a, b = [rng.random(10) for _ in range(4)], [rng.random(10) for _ in range(4)]
    found = paired_difference(folds(a), folds(b))
    apart = [x.mean() - y.mean() for x, y in zip(a, b, strict=True)]
    sd = np.sqrt((1 / 4 + 10 / 30) * np.var(apart, ddof=1))
    assert found.p == pytest.approx(2 * t.sf(abs(np.mean(apart)) / sd, 3), rel=1e-6)
    assert found.high - found.mean == pytest.approx(t.ppf(0.975, 3) * sd)
    assert (found.seeds, found.items, found.scope) == (4, 40, "folds (cross-validation)")
    pooled = np.concatenate(a) - np.concatenate(b)
    assert found.effect == pytest.approx(found.mean / pooled.std(ddof=1))


def test_folds_may_differ_in_size_but_not_between_arms():
    rng = np.random.default_rng(1)
    a, b = [rng.random(n) for n in (5, 6, 6)], [rng.random(n) for n in (5, 6, 6)]
    found = paired_difference(folds(a), folds(b))
    assert found.low < found.mean < found.high
    with pytest.raises(ValueError, match="unequal arms"):
        paired_difference(folds(a), folds(b[::-1]))
    whole = of_means([rng.random(5)] * 3)
    with pytest.raises(ValueError, match="on folds and the other is not"):
        paired_difference(whole, folds([rng.random(5)] * 3))

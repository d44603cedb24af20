"""Simulated studies: false positives are as rare, and intervals cover as often, as they say."""

import math

import numpy as np
import pytest
from scipy.special import ndtr

from preceptor.evaluate.jackknife import Scores, of_labels
from preceptor.evaluate.statistics import LEVEL, detectable, mean_interval, paired_difference
from preceptor.evaluate.statistics.variance import Variance

STUDIES = 2000
ALPHA = 1 - LEVEL
SLACK = 3 * math.sqrt(ALPHA * LEVEL / STUDIES)
"""three Monte Carlo standard errors of a rate at the nominal level"""
SPREADS = {
    "no seed variance": (0.0, 0.3, 0.4),
    "seeds and items": (0.05, 0.3, 0.4),
    "seeds alone": (0.1, 0.0, 0.1),
    "interaction alone": (0.0, 0.0, 0.5),
}
"""standard deviations over seeds, over items, and of their interaction"""


def drawn(rng, seeds, items, spread, mean=0.0):
    """What seeds and items amount to in every study, (STUDIES, seeds, items)."""
    seed, item, noise = spread
    return (
        mean
        + seed * rng.standard_normal((STUDIES, seeds, 1))
        + item * rng.standard_normal((STUDIES, 1, items))
        + noise * rng.standard_normal((STUDIES, seeds, items))
    )


def scores(values):
    """An arm whose score is the mean of its items."""
    return Scores(values.mean(axis=1), values, (-math.inf, math.inf), False)


def differences(first, second):
    return [paired_difference(scores(a), scores(b)) for a, b in zip(first, second, strict=True)]


@pytest.mark.parametrize("seeds", [2, 3, 5, 10])
@pytest.mark.parametrize("spread", SPREADS.values(), ids=SPREADS)
def test_two_equal_arms_seldom_differ(seeds, spread):
    rng = np.random.default_rng(seeds)
    shared = drawn(rng, seeds, 60, (0.1, 0.5, 0.2), mean=1.0)
    found = differences(shared + drawn(rng, seeds, 60, spread), shared)
    positives = np.mean([one.p < ALPHA for one in found])
    assert positives <= ALPHA + SLACK
    assert positives == np.mean([not one.low <= 0 <= one.high for one in found])


@pytest.mark.parametrize("seeds", [3, 5, 10])
@pytest.mark.parametrize("spread", SPREADS.values(), ids=SPREADS)
def test_an_interval_holds_the_truth(seeds, spread):
    values = drawn(np.random.default_rng(10 + seeds), seeds, 60, spread, mean=0.2)
    found = [mean_interval(scores(one)) for one in values]
    assert np.mean([one.low <= 0.2 <= one.high for one in found]) >= LEVEL - SLACK
    # Not by being wide without need: beside one that knows the variances, at most so much wider.
    seed, item, noise = spread
    sd = math.sqrt(seed**2 / seeds + item**2 / 60 + noise**2 / (60 * seeds))
    wider = {3: 2.2, 5: 1.5, 10: 1.3}[seeds]
    assert np.mean([one.high - one.low for one in found]) < wider * 2 * 1.96 * sd


def answers(rng, seeds, items, seed_sd, base=1.4):
    """Answers right or wrong, by how hard an item is and how good a seed is."""
    hard = 0.7 * rng.standard_normal((STUDIES, 1, items))

    def arm():
        good = base + hard + seed_sd * rng.standard_normal((STUDIES, seeds, 1))
        return (rng.standard_normal((STUDIES, seeds, items)) < good).astype(float)

    truth = ndtr(base / math.sqrt(1 + 0.7**2 + seed_sd**2))
    return arm(), arm(), truth


def accuracy(values):
    return Scores(values.mean(axis=1), values, (0.0, 1.0), False)


@pytest.mark.parametrize("seeds", [3, 5, 10])
@pytest.mark.parametrize("seed_sd", [0.0, 0.15])
def test_accuracy_keeps_its_level_too(seeds, seed_sd):
    first, second, truth = answers(np.random.default_rng(seeds), seeds, 80, seed_sd)
    found = differences(first, second)
    assert np.mean([one.p < ALPHA for one in found]) <= ALPHA + SLACK
    means = [mean_interval(accuracy(one)) for one in first]
    assert np.mean([one.low <= truth <= one.high for one in means]) >= LEVEL - SLACK


def test_a_score_near_its_bound_keeps_its_level():
    """Right in 95 of 100, under one seed: the symmetric interval covers 0.87 there."""
    first, _, truth = answers(np.random.default_rng(1), 1, 60, 0.0, base=2.01)
    assert truth == pytest.approx(0.95, abs=0.005)
    found = [mean_interval(accuracy(one)) for one in first]
    assert np.mean([one.low <= truth <= one.high for one in found]) >= LEVEL - SLACK
    assert all(0 <= one.low < one.high <= 1 for one in found)


def test_macro_f1_keeps_its_level():
    """Two students of one skill, five seeds, labels of unequal frequency."""
    rng, labels = np.random.default_rng(4), ("a", "b", "c")
    positives = 0
    for _ in range(STUDIES):
        true = rng.choice(3, 60, p=(0.5, 0.3, 0.2))
        hard = rng.random(60)
        arms = []
        for _ in range(2):
            right = rng.random((5, 60)) < 0.4 + 0.5 * hard + 0.1 * rng.standard_normal((5, 1))
            given = np.where(right, true, (true + rng.integers(1, 3, (5, 60))) % 3)
            named = [[labels[n] for n in row] for row in given]
            arms.append(of_labels(named, [labels[n] for n in true], labels, "macro_f1"))
        positives += paired_difference(*arms).p < ALPHA
    assert positives / STUDIES <= ALPHA + SLACK


@pytest.mark.parametrize(("seeds", "family"), [(3, 1), (5, 1), (5, 4), (10, 4)])
def test_a_detectable_difference_is_found_in_four_of_five_studies(seeds, family):
    spread = seed, item, noise = (0.05, 0.3, 0.4)
    both = noise**2 / (60 * seeds)
    true = Variance(seed**2 / seeds + both, item**2 / 60 + both, both, seeds, 60, 1.0)
    size = detectable(true, ALPHA / family)
    values = drawn(np.random.default_rng(seeds), seeds, 60, spread, mean=size)
    found = differences(values, np.zeros_like(values))
    assert 0.72 <= np.mean([one.p < ALPHA / family for one in found]) <= 0.93

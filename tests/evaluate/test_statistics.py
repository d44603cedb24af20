import random
import time

import numpy as np
import pytest
from scipy.stats import t, ttest_rel

from preceptor.evaluate import statistics
from preceptor.evaluate.jackknife import Scores, of_labels, of_means, of_tokens
from preceptor.evaluate.metrics import score
from preceptor.evaluate.statistics import interval
from preceptor.evaluate.statistics.variance import LEAST_P, Variance

LABELS = ("yes", "no", "maybe")
METRICS = ("accuracy", "macro_f1")


def mean_interval(given, targets, labels, metric):
    return statistics.mean_interval(of_labels(given, targets, labels, metric))


def paired_difference(a, b, targets, labels, metric):
    first, second = (of_labels(one, targets, labels, metric) for one in (a, b))
    return statistics.paired_difference(first, second)


def truth(items=120, seed=0):
    return random.Random(seed).choices(LABELS, weights=(5, 3, 1), k=items)


def arm(targets, right, seeds=3, seed=1):
    """Predictions that are right with a chance, seeds x items; some cannot be read."""
    rng = random.Random(seed)
    wrong = (*LABELS, None)
    return [
        [one if rng.random() < right else rng.choice(wrong) for one in targets]
        for _ in range(seeds)
    ]


@pytest.mark.parametrize("metric", METRICS)
def test_the_mean_is_that_of_the_scores(metric):
    targets = truth()
    given = arm(targets, 0.6)
    scores = [score(targets, row, LABELS)[metric] for row in given]
    found = mean_interval(given, targets, LABELS, metric)
    assert found.mean == pytest.approx(np.mean(scores))
    assert found.seed_sd == pytest.approx(np.std(scores, ddof=1))
    assert found.low < found.mean < found.high
    assert (found.seeds, found.items, found.scope) == (3, 120, "seeds and items")


@pytest.mark.parametrize("metric", METRICS)
def test_the_jackknife_leaves_out_one_item_after_the_other(metric):
    targets = truth(25)
    given = arm(targets, 0.6, seeds=2)

    def mean_without(item):
        kept = [n for n in range(25) if n != item]
        rows = [[row[n] for n in kept] for row in given]
        return np.mean([score([targets[n] for n in kept], row, LABELS)[metric] for row in rows])

    without = np.array([mean_without(item) for item in range(25)])
    expected = 24 / 25 * ((without - without.mean()) ** 2).sum()
    found = mean_interval(given, targets, LABELS, metric)
    assert found.variance.items == pytest.approx(expected)


def macro_f1(targets, given):
    """Macro-F1 of arrays in its plainest form."""
    sizes = [(targets == one).sum() + (given == one).sum() for one in LABELS]
    hits = [((targets == one) & (given == one)).sum() for one in LABELS]
    return np.mean([2 * hit / max(size, 1) for hit, size in zip(hits, sizes, strict=True)])


def test_the_item_variance_agrees_with_a_paired_bootstrap():
    targets = truth(300)
    a, b = arm(targets, 0.7, seed=1), arm(targets, 0.6, seed=2)
    rng = np.random.default_rng(0)
    right, first, second = (np.array(each, dtype=object) for each in (targets, a, b))

    def resampled():
        at = rng.integers(0, 300, 300)
        pairs = zip(first[:, at], second[:, at], strict=True)
        return np.mean([macro_f1(right[at], x) - macro_f1(right[at], y) for x, y in pairs])

    expected = np.var([resampled() for _ in range(400)], ddof=1)
    found = paired_difference(a, b, targets, LABELS, "macro_f1")
    assert found.variance.items == pytest.approx(expected, rel=0.25)


def by_hand():
    """Scores and items of three seeds, their three variances of the mean, and that mean."""
    pseudo = np.array([[0.0, 1.0, 1.0, 0.4], [0.3, 0.9, 1.2, 0.4], [0.6, 1.1, 1.1, 0.8]])
    scores = pseudo.mean(axis=1)
    rest = pseudo - scores[:, None] - pseudo.mean(axis=0) + pseudo.mean()
    seeds, items = np.var(scores, ddof=1) / 3, np.var(pseudo.mean(axis=0), ddof=1) / 4
    return scores, pseudo, (seeds, items, (rest**2).sum() / 6 / 12), pseudo.mean()


def test_the_interval_by_hand():
    scores, pseudo, (seeds, items, both), mean = by_hand()
    found = interval(scores, pseudo, (-1, 2))
    assert (found.variance.seeds, found.variance.items) == pytest.approx((seeds, items))
    assert found.variance.both == pytest.approx(both)
    square = t.ppf(0.975, 2) ** 2 * seeds + t.ppf(0.975, 3) ** 2 * (items - both)
    assert (found.low, found.high) == pytest.approx((mean - square**0.5, mean + square**0.5))


def test_the_interval_is_never_narrower_than_over_items_alone():
    pseudo = np.array([[0.0, 1.0, 0.0, 1.0], [1.0, 0.0, 1.0, 0.0], [1.0, 0.0, 0.0, 1.0]])
    found = interval(pseudo.mean(axis=1), pseudo, (-9, 9))
    assert found.variance.seeds == 0, "three seeds of one score"
    items = pseudo.mean(axis=0).std(ddof=1) / 2
    assert found.high - found.mean == pytest.approx(t.ppf(0.975, 3) * items)


def test_the_p_value_is_the_level_whose_interval_ends_at_zero():
    _, _, (seeds, items, both), _ = by_hand()
    variance = Variance(seeds, items, both, 3, 4, 1.0)
    for alpha in (0.5, 0.05, 1e-3, 1e-9):
        assert variance.p_value(variance.half_width(alpha)) == pytest.approx(alpha, rel=1e-6)
    edge = variance.half_width(0.05)
    assert variance.p_value(edge * 1.001) < 0.05 < variance.p_value(edge * 0.999)
    assert variance.p_value(0.0) == 1.0
    assert variance.p_value(1e300) == LEAST_P


def test_the_p_value_over_one_variance_is_that_of_the_t_test():
    rng = np.random.default_rng(0)
    a, b = (of_means([rng.random(30)]) for _ in range(2))
    found = statistics.paired_difference(a, b)
    expected = ttest_rel(a.pseudo[0], b.pseudo[0])
    assert found.p == pytest.approx(expected.pvalue, rel=1e-6)
    apart = a.pseudo[0] - b.pseudo[0]
    assert found.effect == pytest.approx(apart.mean() / apart.std(ddof=1)), "Cohen's d_z"


def test_the_effect_is_in_standard_deviations_of_one_answer():
    rng = np.random.default_rng(2)
    values = 0.4 + rng.normal(0, 0.3, (40, 1)) + rng.normal(0, 0.4, (1, 900))
    values = values + rng.normal(0, 1.2, (40, 900))
    scores = Scores(values.mean(axis=1), values, (-9, 9), False)
    zero = Scores(np.zeros(40), np.zeros((40, 900)), (-9, 9), False)
    found = statistics.paired_difference(scores, zero)
    assert found.effect == pytest.approx(found.mean / 1.3, rel=0.05)


def test_with_items_that_never_differ_it_is_the_t_interval_over_seeds():
    scores = np.array([0.5, 0.52, 0.57])
    found = interval(scores, np.tile(scores[:, None], (1, 9)), (-1, 1))
    low, high = t.interval(0.95, 2, scores.mean(), scores.std(ddof=1) / np.sqrt(3))
    assert (found.low, found.high) == pytest.approx((low, high))


@pytest.mark.parametrize("metric", METRICS)
def test_identical_arms_differ_by_nothing(metric):
    targets = truth()
    given = arm(targets, 0.6)
    found = paired_difference(given, given, targets, LABELS, metric)
    assert (found.mean, found.low, found.high, found.verdict()) == (0, 0, 0, "no evidence")
    assert (found.p, found.effect) == (1.0, 0.0)


@pytest.mark.parametrize("metric", METRICS)
def test_the_verdict_follows_the_interval_and_turns_with_the_arms(metric):
    targets = truth(300)
    good, bad = arm(targets, 0.8, seed=1), arm(targets, 0.5, seed=2)
    found = paired_difference(good, bad, targets, LABELS, metric)
    back = paired_difference(bad, good, targets, LABELS, metric)
    assert (found.verdict(), back.verdict()) == ("better", "worse")
    assert (found.low, found.high) == pytest.approx((-back.high, -back.low))
    alike = paired_difference(good, arm(targets, 0.8, seed=3), targets, LABELS, metric)
    assert alike.verdict() == "no evidence"
    assert alike.low < 0 < alike.high


def test_pairing_takes_out_what_both_arms_share():
    targets = truth(200)
    base = arm(targets, 0.6)
    nearly = [
        [
            one if n % 20 else target
            for n, (one, target) in enumerate(zip(row, targets, strict=True))
        ]
        for row in base
    ]
    paired = paired_difference(nearly, base, targets, LABELS, "accuracy")
    alone = mean_interval(base, targets, LABELS, "accuracy")
    assert paired.high - paired.low < (alone.high - alone.low) / 2


def test_one_seed_speaks_for_items_alone_and_says_so():
    targets = truth()
    found = paired_difference(
        arm(targets, 0.7, 1), arm(targets, 0.6, 1, seed=2), targets, LABELS, "accuracy"
    )
    assert found.scope == "items only (one seed)"
    assert (found.seed_sd, found.variance.seeds, found.variance.both) == (None, 0.0, 0.0)
    assert found.low < found.mean < found.high


@pytest.mark.parametrize("right", [True, False])
def test_perfect_and_useless_answers_give_no_nan_and_stay_within_bounds(right):
    targets = truth()
    given = [targets if right else [None] * len(targets)] * 3
    found = mean_interval(given, targets, LABELS, "accuracy")
    # Wilson's interval of 120 answers, all of them one way.
    square = t.ppf(0.975, 119) ** 2 / 120
    ends = (1 / (1 + square), 1.0) if right else (0.0, square / (1 + square))
    assert found.mean == float(right)
    assert (found.low, found.high) == pytest.approx(ends)
    few = mean_interval(arm(targets[:4], 0.7, 2), targets[:4], LABELS, "accuracy")
    assert 0 <= few.low < few.mean < few.high <= 1


@pytest.mark.parametrize("metric", METRICS)
def test_a_test_set_of_one_label_and_arms_that_cannot_be_read(metric):
    targets = ["yes"] * 30
    unread, fair = [[None] * 30] * 3, arm(targets, 0.7)
    for given in (unread, fair):
        found = mean_interval(given, targets, LABELS, metric)
        assert np.isfinite([found.low, found.mean, found.high]).all()
    worse = paired_difference(unread, fair, targets, LABELS, metric)
    assert worse.verdict() == "worse"
    assert np.isfinite([worse.p, worse.low, worse.high, worse.effect]).all()


def test_arms_that_differ_alike_everywhere_have_no_effect_size():
    targets = ["yes"] * 30
    found = paired_difference([targets] * 2, [["no"] * 30] * 2, targets, LABELS, "accuracy")
    assert (found.mean, found.effect) == (1.0, None)
    assert found.p == LEAST_P
    assert found.verdict() == "better"


def test_unequal_arms_and_too_few_items_are_refused():
    targets = truth(10)
    given = arm(targets, 0.5)
    with pytest.raises(ValueError, match="unequal arms"):
        paired_difference(given, given[:2], targets, LABELS, "accuracy")
    with pytest.raises(ValueError, match="predictions for 9 items"):
        mean_interval(given, targets[:9], LABELS, "accuracy")
    with pytest.raises(ValueError, match="two items"):
        mean_interval([["yes"]], ["yes"], LABELS, "accuracy")


def test_five_arms_of_ten_seeds_and_500_items_take_less_than_a_second_or_so():
    targets = truth(500)
    arms = [arm(targets, right, 10, seed) for seed, right in enumerate((0.5, 0.55, 0.6, 0.65, 0.7))]
    begin = time.process_time()
    for metric in METRICS:
        for a in arms:
            mean_interval(a, targets, LABELS, metric)
            for b in arms:
                paired_difference(a, b, targets, LABELS, metric)
    assert time.process_time() - begin < 3


def test_perplexity_is_token_weighted_and_lower_is_better():
    rng = np.random.default_rng(0)
    tokens = rng.integers(5, 50, 80)
    good = rng.gamma(2.0, 1.0, (3, 80)) * tokens
    bad = good + 0.3 * tokens
    found = statistics.mean_interval(of_tokens(good, tokens, "perplexity"))
    assert found.mean == pytest.approx(np.mean(np.exp(good.sum(1) / tokens.sum())))
    assert found.low >= 1
    first, second = (of_tokens(one, tokens, "perplexity") for one in (good, bad))
    assert statistics.paired_difference(first, second).verdict() == "better"
    assert statistics.paired_difference(second, first).verdict() == "worse"
    assert statistics.paired_difference(first, first).verdict() == "no evidence"


def test_the_items_of_a_ratio_are_left_out_one_after_the_other():
    rng = np.random.default_rng(1)
    tokens, hits = rng.integers(5, 50, 20), rng.integers(0, 5, 20)
    found = of_tokens([hits], tokens, "accuracy")
    without = [(hits.sum() - h) / (tokens.sum() - n) for h, n in zip(hits, tokens, strict=True)]
    assert found.pseudo[0] == pytest.approx(20 * found.scores[0] - 19 * np.array(without))
    with pytest.raises(ValueError, match="19 amounts for 20 items"):
        of_tokens([hits[1:]], tokens, "accuracy")

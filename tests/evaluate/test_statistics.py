import random
import time

import numpy as np
import pytest
from scipy.stats import t

from preceptor.evaluate import statistics
from preceptor.evaluate.jackknife import of_labels, of_tokens
from preceptor.evaluate.metrics import score
from preceptor.evaluate.statistics import interval

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
    assert found.item_variance == pytest.approx(expected)


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
    assert found.item_variance == pytest.approx(expected, rel=0.25)


def test_satterthwaite_by_hand():
    scores = np.array([0.5, 0.6, 0.7])
    pseudo = np.tile(np.array([0.0, 1.0, 1.0, 0.4]), (3, 1))
    found = interval(scores, pseudo, (-1, 1))
    v_seeds, v_items = 0.01 / 3, np.var([0, 1, 1, 0.4], ddof=1) / 4
    df = (v_seeds + v_items) ** 2 / (v_seeds**2 / 2 + v_items**2 / 3)
    assert found.df == pytest.approx(df)
    assert found.low == pytest.approx(0.6 - t.ppf(0.975, df) * np.sqrt(v_seeds + v_items))


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
    assert (found.mean, found.low, found.high, found.verdict) == (0, 0, 0, "no evidence")
    assert found.df is None


@pytest.mark.parametrize("metric", METRICS)
def test_the_verdict_follows_the_interval_and_turns_with_the_arms(metric):
    targets = truth(300)
    good, bad = arm(targets, 0.8, seed=1), arm(targets, 0.5, seed=2)
    found = paired_difference(good, bad, targets, LABELS, metric)
    back = paired_difference(bad, good, targets, LABELS, metric)
    assert (found.verdict, back.verdict) == ("better", "worse")
    assert (found.low, found.high) == pytest.approx((-back.high, -back.low))
    alike = paired_difference(good, arm(targets, 0.8, seed=3), targets, LABELS, metric)
    assert alike.verdict == "no evidence"
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
    assert (found.seed_sd, found.seed_variance, found.df) == (None, 0.0, 119)
    assert found.low < found.mean < found.high


def test_perfect_answers_give_no_nan_and_stay_within_bounds():
    targets = truth()
    found = mean_interval([targets] * 3, targets, LABELS, "macro_f1")
    assert (found.mean, found.low, found.high) == (1, 1, 1)
    few = mean_interval(arm(targets[:4], 0.7, 2), targets[:4], LABELS, "accuracy")
    assert few.low >= 0
    assert few.high <= 1


def test_the_interval_holds_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(0)
    hits = 0
    for _ in range(500):
        effects = rng.normal(0, 0.03, (3, 1)) + rng.normal(0, 0.3, (1, 200))
        pseudo = effects + rng.normal(0, 0.3, (3, 200))
        found = interval(pseudo.mean(axis=1), pseudo, (-1, 1))
        hits += found.low <= 0 <= found.high
    assert 0.92 <= hits / 500 <= 0.99


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
    assert statistics.paired_difference(first, second).verdict == "better"
    assert statistics.paired_difference(second, first).verdict == "worse"
    assert statistics.paired_difference(first, first).verdict == "no evidence"


def test_the_items_of_a_ratio_are_left_out_one_after_the_other():
    rng = np.random.default_rng(1)
    tokens, hits = rng.integers(5, 50, 20), rng.integers(0, 5, 20)
    found = of_tokens([hits], tokens, "accuracy")
    without = [(hits.sum() - h) / (tokens.sum() - n) for h, n in zip(hits, tokens, strict=True)]
    assert found.pseudo[0] == pytest.approx(20 * found.scores[0] - 19 * np.array(without))
    with pytest.raises(ValueError, match="19 amounts for 20 items"):
        of_tokens([hits[1:]], tokens, "accuracy")

"""What each test item contributes to a score, whatever the score is.

A score of N items and the N scores without one of them give the jackknife's pseudo-values,
N x whole - (N - 1) x without (Efron and Tibshirani, An Introduction to the Bootstrap, 1993,
chapter 11): per-item contributions also where the score is no mean of its items (macro-F1,
perplexity).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from preceptor.evaluate.corpus import CorpusMetric, score_of
from preceptor.evaluate.perplexity import MOST_NATS

if TYPE_CHECKING:
    from numpy import float64, int64
    from numpy.typing import NDArray

LabelMetric = Literal["accuracy", "macro_f1"]
TokenMetric = Literal["perplexity", "accuracy"]
Predictions = Sequence[Sequence[str | None]]
"""one row a seed, one column an item; the same items in every row"""


@dataclass(frozen=True, slots=True)
class Scores:
    """An arm's scores under S seeds on the same N items.

    Attributes:
        scores: each seed's score, (S,).
        pseudo: each item's pseudo-value under each seed, (S, N).
        bounds: the least and the greatest value that the score can take.
        lower_is_better: the score's direction; None where neither is better (a length).
    """

    scores: NDArray[float64]
    pseudo: NDArray[float64]
    bounds: tuple[float, float]
    lower_is_better: bool | None

    @property
    def shape(self) -> tuple[int, ...]:
        """How many items every seed has."""
        return (self.pseudo.shape[1],) * len(self.scores)


@dataclass(frozen=True, slots=True)
class Folds:
    """An arm's scores under k seeds, each on test items of its own (cross-validation).

    Attributes:
        parts: every seed's scores, of that seed alone; two or more.
        train_items: how many examples a fold leaves to train on, on average.
    """

    parts: tuple[Scores, ...]
    train_items: float

    @property
    def scores(self) -> NDArray[float64]:
        """Each seed's score, (k,)."""
        import numpy as np

        return np.concatenate([one.scores for one in self.parts])

    @property
    def shape(self) -> tuple[int, ...]:
        """How many items every seed has."""
        return tuple(one.pseudo.shape[1] for one in self.parts)

    @property
    def bounds(self) -> tuple[float, float]:
        """The least and the greatest value that the score can take."""
        return self.parts[0].bounds

    @property
    def lower_is_better(self) -> bool | None:
        """The score's direction; None where neither is better."""
        return self.parts[0].lower_is_better


def together(parts: Sequence[Scores]) -> Scores:
    """Scores of single seeds on the same items in the same order, as one."""
    import numpy as np

    pseudo = np.concatenate([one.pseudo for one in parts])
    scores = np.concatenate([one.scores for one in parts])
    return Scores(scores, pseudo, parts[0].bounds, parts[0].lower_is_better)


def of_labels(
    predictions: Predictions, targets: Sequence[str], labels: Sequence[str], metric: LabelMetric
) -> Scores:
    """Scores of predicted labels.

    Args:
        predictions: labels or None, seeds x items.
        targets: the right labels, items.
        labels: the task's labels.
        metric: accuracy or macro_f1, as :func:`preceptor.evaluate.metrics.score` has them.

    Raises:
        ValueError: no seeds, fewer than two items, or rows of unequal length.
    """
    import numpy as np

    items = len(targets)
    if items < 2:
        raise ValueError(f"an interval needs two items, not {items}")
    number = {label: place for place, label in enumerate(labels)}
    true = np.array([number[target] for target in targets], dtype=np.int64)
    rows = [[-1 if one is None else number[one] for one in row] for row in predictions]
    if not rows or {len(row) for row in rows} != {items}:
        raise ValueError(f"{[len(row) for row in rows]} predictions for {items} items")
    pairs = [
        _with_one_left_out(true, np.array(row, dtype=np.int64), len(labels), metric) for row in rows
    ]
    return _scores(pairs, (0.0, 1.0), lower_is_better=False)


def of_tokens(
    amounts: Sequence[Sequence[float]], tokens: Sequence[int], metric: TokenMetric
) -> Scores:
    """Token-weighted scores of texts: what all items amount to over all of their tokens.

    Args:
        amounts: of every item, seeds x items: its summed negative log-likelihood (natural
            logarithm; perplexity) or the number of its tokens foreseen (accuracy).
        tokens: of every item.
        metric: ``perplexity``, the exponential of the ratio, or ``accuracy``, the ratio.

    Raises:
        ValueError: no seeds, fewer than two items, or rows of unequal length.
    """
    import numpy as np

    sizes = np.array(tokens, dtype=np.float64)
    if len(sizes) < 2:
        raise ValueError(f"an interval needs two items, not {len(sizes)}")
    pairs = []
    for row in amounts:
        found = np.array(row, dtype=np.float64)
        if found.shape != sizes.shape:
            raise ValueError(f"{len(found)} amounts for {len(sizes)} items")
        ratios = (found.sum() - np.append(0.0, found)) / (sizes.sum() - np.append(0.0, sizes))
        values = np.exp(np.minimum(ratios, MOST_NATS)) if metric == "perplexity" else ratios
        pairs.append((float(values[0]), values[1:]))
    if metric == "perplexity":
        return _scores(pairs, (1.0, np.inf), lower_is_better=True)
    return _scores(pairs, (0.0, 1.0), lower_is_better=False)


def of_means(values: Sequence[Sequence[float]]) -> Scores:
    """Scores that are the mean of their items' own, each from 0 to 1, more being better (ROUGE).

    Args:
        values: every item's score, seeds x items.

    Raises:
        ValueError: no seeds, fewer than two items, or rows of unequal length.
    """
    pairs = []
    for row in _rows(values):
        without = (row.sum() - row) / (len(row) - 1)
        pairs.append((float(row.mean()), without))
    return _scores(pairs, (0.0, 1.0), lower_is_better=False)


def of_lengths(written: Sequence[Sequence[int]], reference: Sequence[Sequence[int]]) -> Scores:
    """How long texts are: all words written over all words of the references, of no direction.

    Args:
        written: every item's words, seeds x items.
        reference: those of the reference that each is held against, seeds x items.

    Raises:
        ValueError: no seeds, fewer than two items, or rows of unequal length.
    """
    import numpy as np

    pairs = []
    for over, under in zip(_rows(written), _rows(reference), strict=True):
        left = [np.append(one.sum(), one.sum() - one) for one in (over, under)]
        # References of which none has a word (a row of emoji) count as one word together.
        values = left[0] / np.maximum(left[1], 1.0)
        pairs.append((float(values[0]), values[1:]))
    return _scores(pairs, (0.0, np.inf), lower_is_better=None)


def of_statistics(counts: Sequence[Sequence[Sequence[int]]], metric: CorpusMetric) -> Scores:
    """BLEU or chrF of many texts together.

    Args:
        counts: what each text counts into it (:func:`preceptor.evaluate.corpus.counted`), seeds x
            items x counts.
        metric: which.

    Raises:
        ValueError: no seeds, fewer than two items, or rows of unequal length.
    """
    pairs = []
    for row in _rows(counts):
        whole = row.sum(axis=0)
        pairs.append((float(score_of(whole, metric)), score_of(whole - row, metric)))
    return _scores(pairs, (0.0, 100.0), lower_is_better=False)


def _rows(values: Sequence[Sequence[Any]]) -> list[NDArray[Any]]:
    """Every seed's row as an array, all of one shape."""
    import numpy as np

    sizes = {len(row) for row in values}
    if len(sizes) != 1:
        raise ValueError(f"{sorted(sizes)} items: every seed needs the same")
    if min(sizes) < 2:
        raise ValueError(f"an interval needs two items, not {min(sizes)}")
    return [np.array(row) for row in values]


def _scores(
    pairs: Sequence[tuple[float, NDArray[float64]]],
    bounds: tuple[float, float],
    *,
    lower_is_better: bool | None,
) -> Scores:
    import numpy as np

    if not pairs:
        raise ValueError("no seeds to score")
    scores = np.array([whole for whole, _ in pairs])
    left_out = np.stack([without for _, without in pairs])
    items = left_out.shape[1]
    pseudo = items * scores[:, None] - (items - 1) * left_out
    return Scores(scores, pseudo, bounds, lower_is_better)


def _with_one_left_out(
    true: NDArray[int64], given: NDArray[int64], labels: int, metric: LabelMetric
) -> tuple[float, NDArray[float64]]:
    """The score of all items, and, for every item, the score of all others."""
    import numpy as np

    is_true = np.eye(labels, dtype=np.int64)[true]
    is_given = np.eye(labels, dtype=np.int64)[given] * (given >= 0)[:, None]
    counts = np.stack([is_true * is_given, is_true, is_given])  # (3, N, labels)
    whole = counts.sum(axis=1, keepdims=True)
    values = _LABEL_SCORES[metric](np.concatenate([whole, whole - counts], axis=1))
    return float(values[0]), values[1:]


def _accuracy(counts: NDArray[int64]) -> NDArray[float64]:
    hits, true, _ = counts.sum(axis=2)
    scores: NDArray[float64] = hits / true
    return scores


def _macro_f1(counts: NDArray[int64]) -> NDArray[float64]:
    """F1 is 2 hits / (true + given); a label that is neither true nor given counts 0."""
    import numpy as np

    hits, true, given = counts
    scores: NDArray[float64] = (2 * hits / np.maximum(true + given, 1)).mean(axis=1)
    return scores


_LABEL_SCORES = {"accuracy": _accuracy, "macro_f1": _macro_f1}

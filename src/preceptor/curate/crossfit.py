"""A student of the human data that never judges what it learned from."""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

STRENGTHS = (10.0, 30.0, 100.0)
"""tried: the least was best on SciCite (3 labels that are hard to tell), the most on CLINC150
(20 intents, 3 to 10 human examples each) and on the quickstart's messages (5 to 15 each)"""
_LEAST = 1e-6
"""probability of a label that a model knows nothing of"""
_MODELS = 64
"""fitted models kept: with 5 folds there are 16 of at most 2 folds left out"""


class CrossFit:
    """Logistic regressions on vectors of the human examples, each fitted without some of them.

    The examples are dealt into folds, every label in turn. One that was made from human
    examples is judged by a model that saw none of their folds; where that would leave out more
    than half of the folds, by one that saw all but these very examples.

    Args:
        vectors: of the human examples, [examples, width].
        targets: their labels.
        labels: the task's labels, in the order of the columns of what is returned.
        folds: how many.
        seed: deals the examples into folds.
        strength: inverse strength of the L2 regularisation (scikit-learn's C).

    Attributes:
        fold: of every human example.
    """

    def __init__(
        self,
        vectors: NDArray[np.float32],
        targets: Sequence[str],
        labels: Sequence[str],
        *,
        folds: int,
        seed: int,
        strength: float,
    ) -> None:
        self._vectors = vectors
        self._targets = list(targets)
        self._labels = list(labels)
        self._folds = min(folds, len(self._targets))
        self.fold = _dealt(self._targets, self._folds, seed)
        self._strength = strength
        self._without = lru_cache(maxsize=_MODELS)(self._fit)

    @cached_property
    def own(self) -> NDArray[np.float64]:
        """Probabilities of the human examples, each by the model that did not see its fold."""
        return self.probabilities(self._vectors, [[row] for row in range(len(self._targets))])

    @property
    def log_loss(self) -> float:
        """Of the human examples by the models that did not see them; nats."""
        import numpy as np

        columns = [self._labels.index(target) for target in self._targets]
        chosen = np.nan_to_num(self.own)[np.arange(len(columns)), columns]
        return float(-np.log(np.maximum(chosen, _LEAST)).mean())

    @property
    def guessed(self) -> list[str]:
        """The likeliest label of every human example, by the model that did not see its fold."""
        import numpy as np

        return [self._labels[place] for place in np.nan_to_num(self.own, nan=-1).argmax(1).tolist()]

    def probabilities(
        self, vectors: NDArray[np.float32], parents: Sequence[Sequence[int]]
    ) -> NDArray[np.float64]:
        """Probability of every label, [rows, labels]; NaN where the model has no example of it.

        Args:
            vectors: what is judged, [rows, width].
            parents: for each row, the numbers of the human examples that it was made from;
                without any it gets the mean of the models that each left out one fold.
        """
        import numpy as np

        result = np.full((len(vectors), len(self._labels)), np.nan)
        rows_of: dict[frozenset[int], list[int]] = {}
        for row, some in enumerate(parents):
            rows_of.setdefault(self._left_out(some), []).append(row)
        for left_out, rows in rows_of.items():
            each = [left_out] if left_out else [self._members({f}) for f in range(self._folds)]
            several = [self._predict(one, vectors[rows]) for one in each]
            known = ~np.isnan(several).all(0)
            mean = np.nansum(several, axis=0) / len(several)
            result[rows] = np.where(known, mean, np.nan)
        return result

    def _left_out(self, parents: Sequence[int]) -> frozenset[int]:
        folds = {self.fold[parent] for parent in parents}
        return self._members(folds) if 2 * len(folds) <= self._folds else frozenset(parents)

    def _members(self, folds: set[int]) -> frozenset[int]:
        return frozenset(row for row, fold in enumerate(self.fold) if fold in folds)

    def _predict(
        self, left_out: frozenset[int], vectors: NDArray[np.float32]
    ) -> NDArray[np.float64]:
        import numpy as np

        result = np.full((len(vectors), len(self._labels)), np.nan)
        model = self._without(left_out)
        if model is not None:
            columns = [self._labels.index(label) for label in model.classes_]
            result[:, columns] = model.predict_proba(vectors)
        return result

    def _fit(self, left_out: frozenset[int]) -> Any:
        """A fitted model; None where fewer than two labels are left to tell apart."""
        from sklearn.linear_model import LogisticRegression

        rows = [row for row in range(len(self._targets)) if row not in left_out]
        targets = [self._targets[row] for row in rows]
        if len(set(targets)) < 2:
            return None
        return LogisticRegression(C=self._strength, max_iter=1000).fit(self._vectors[rows], targets)


def cross_fit(
    vectors: NDArray[np.float32],
    targets: Sequence[str],
    labels: Sequence[str],
    *,
    folds: int,
    seed: int,
) -> CrossFit:
    """The regularisation of :data:`STRENGTHS` under which unseen human examples are likeliest."""
    tried = [
        CrossFit(vectors, targets, labels, folds=folds, seed=seed, strength=strength)
        for strength in STRENGTHS
    ]
    return min(tried, key=lambda one: one.log_loss)


def _dealt(targets: Sequence[str], folds: int, seed: int) -> list[int]:
    """The fold of every example: each label's examples, shuffled, go to the folds in turn."""
    rng = random.Random(f"folds-{seed}")
    order = sorted(range(len(targets)), key=lambda row: (targets[row], rng.random()))
    place = {row: number for number, row in enumerate(order)}
    return [place[row] % folds for row in range(len(targets))]

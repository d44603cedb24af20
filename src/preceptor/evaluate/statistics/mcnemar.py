"""McNemar's exact test: two students of one seed on the same items."""

from __future__ import annotations

from preceptor.evaluate.jackknife import Folds, Scores


def mcnemar(a: Scores | Folds, b: Scores | Folds) -> float | None:
    """The exact two-sided p-value that two students are right equally often.

    McNemar (Psychometrika 12, 1947), of the items that one has right and the other wrong, by the
    binomial distribution. It knows nothing of seeds: None where there is more than one.

    Args:
        a: accuracy under one seed, whose pseudo-values are 1 where right and 0 where wrong.
        b: the same of the other, on the same items.
    """
    from scipy.stats import binomtest

    if isinstance(a, Folds) or isinstance(b, Folds) or len(a.scores) > 1:
        return None
    apart = a.pseudo[0] - b.pseudo[0]
    gained, lost = int((apart > 0.5).sum()), int((apart < -0.5).sum())
    if gained + lost == 0:
        return 1.0
    return float(binomtest(gained, gained + lost, 0.5).pvalue)

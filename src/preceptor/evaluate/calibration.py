"""Whether probabilities of labels mean what they say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def calibration(
    probabilities: Sequence[Sequence[float]] | NDArray[np.float64],
    targets: Sequence[str],
    labels: Sequence[str],
    bins: int = 10,
) -> dict[str, Any]:
    """Hold the probability of the likeliest label against how often it is right.

    The expected calibration error is the mean gap between confidence and accuracy over bins of
    equal width, each weighed by its rows (Guo et al., On Calibration of Modern Neural Networks,
    2017, equation 3). It is 0 for a classifier that always gives the base rates, and depends on
    the number of bins; the Brier score, which has neither fault, stands beside it: the mean over
    rows of the squared distance from the truth, summed over labels (Brier, Verification of
    Forecasts Expressed in Terms of Probability, 1950): 0 at best, 2 at worst.

    Args:
        probabilities: [rows, labels], rows adding up to 1.
        targets: the right labels.
        labels: in the order of the columns; of equally likely ones the first is predicted.
        bins: how many; bin k holds confidences in (k / bins, (k + 1) / bins].

    Returns:
        n, accuracy, confidence (the mean), expected_calibration_error (all 0 to 1), brier
        (0 to 2), bins (low, high, count, confidence, accuracy; the last two None of an empty
        bin). JSON values.

    Raises:
        ValueError: no rows, shapes that do not fit, something that is no label, or rows that
            are no probabilities.
    """
    import numpy as np

    table = np.asarray(probabilities, np.float64)
    _check(table, targets, labels)
    columns = np.array([list(labels).index(target) for target in targets])
    confidence, right = table.max(1), table.argmax(1) == columns
    truth = np.eye(len(labels))[columns]
    found = _bins(confidence, right, bins)
    filled = [one for one in found if one["count"]]
    gaps = [one["count"] * abs(one["confidence"] - one["accuracy"]) for one in filled]
    return {
        "n": len(table),
        "accuracy": float(right.mean()),
        "confidence": float(confidence.mean()),
        "expected_calibration_error": sum(gaps) / len(table),
        "brier": float(((table - truth) ** 2).sum(1).mean()),
        "bins": found,
    }


def _bins(
    confidence: NDArray[np.float64], right: NDArray[np.bool_], bins: int
) -> list[dict[str, Any]]:
    import numpy as np

    edges = np.linspace(0, 1, bins + 1)
    # A probability that rounding took beyond 1 belongs to the last bin.
    places = np.clip(np.digitize(confidence, edges, right=True) - 1, 0, bins - 1)
    rows = [places == place for place in range(bins)]
    return [
        {
            "low": place / bins,
            "high": (place + 1) / bins,
            "count": int(some.sum()),
            "confidence": float(confidence[some].mean()) if some.any() else None,
            "accuracy": float(right[some].mean()) if some.any() else None,
        }
        for place, some in enumerate(rows)
    ]


def _check(table: NDArray[np.float64], targets: Sequence[str], labels: Sequence[str]) -> None:
    import numpy as np

    if not targets or table.shape != (len(targets), len(labels)):
        raise ValueError(
            f"probabilities {table.shape}, {len(targets)} targets, {len(labels)} labels"
        )
    unknown = {*targets} - {*labels}
    if unknown:
        raise ValueError(f"not a label: {', '.join(sorted(map(repr, unknown)))}")
    # Written so that NaN fails too.
    if not ((table >= 0).all() and (np.abs(table.sum(1) - 1) <= 1e-3).all()):
        raise ValueError("rows that are no probabilities")

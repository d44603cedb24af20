"""Scores of predicted labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

UNPARSED = ""
"""stands for an answer without a label; no label is empty"""


def score(
    targets: Sequence[str], predictions: Sequence[str | None], labels: Sequence[str]
) -> dict[str, Any]:
    """Score predictions against targets.

    Macro-F1 is the plain mean over all of the task's labels. What cannot be computed counts as
    0: a label that is never predicted has precision 0, and a label that no target has, F1 0
    (it is named under ``absent``, since it lowers the mean). An answer without a label is
    wrong, and belongs to no label.

    Args:
        targets: the right labels.
        predictions: the predicted labels, in the same order; None where there is none.
        labels: the task's labels.

    Returns:
        accuracy, macro_f1 (both 0 to 1), n, unparsed (a count), per_label (precision, recall,
        f1, support, predicted), confusion (rows: true labels; columns: predicted labels, then
        unparsed; counts), absent (labels that no target has). JSON values, never NaN.

    Raises:
        ValueError: nothing to score, unequal lengths, or something that is no label.
    """
    from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

    _check(targets, predictions, labels)
    given = [UNPARSED if label is None else label for label in predictions]
    table = confusion_matrix(targets, given, labels=[*labels, UNPARSED])[:-1]
    each = precision_recall_fscore_support(targets, given, labels=list(labels), zero_division=0.0)
    precision, recall, f1, support = (values.tolist() for values in each)
    per_label = {
        label: {
            "precision": precision[row],
            "recall": recall[row],
            "f1": f1[row],
            "support": int(support[row]),
            "predicted": given.count(label),
        }
        for row, label in enumerate(labels)
    }
    return {
        "accuracy": sum(map(str.__eq__, targets, given)) / len(targets),
        "macro_f1": sum(f1) / len(labels),
        "n": len(targets),
        "unparsed": given.count(UNPARSED),
        "per_label": per_label,
        "confusion": table.tolist(),
        "absent": [label for row, label in enumerate(labels) if not support[row]],
    }


def _check(
    targets: Sequence[str], predictions: Sequence[str | None], labels: Sequence[str]
) -> None:
    if not targets or len(targets) != len(predictions):
        raise ValueError(f"{len(targets)} targets and {len(predictions)} predictions")
    unknown = {*targets, *predictions} - {*labels, None}
    if unknown:
        raise ValueError(f"not a label: {', '.join(sorted(map(repr, unknown)))}")


def majority(train_targets: Sequence[str], n: int) -> list[str]:
    """Predict the most frequent training label ``n`` times; of equals, the first by alphabet.

    Raises:
        ValueError: there are no training labels.
    """
    if not train_targets:
        raise ValueError("no training labels to find the most frequent of")
    counts = Counter(train_targets)
    return [min(counts, key=lambda label: (-counts[label], label))] * n

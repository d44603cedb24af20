"""Predicted labels: accuracy, macro-F1, and the log-loss where there are probabilities."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from preceptor.data.example import Example
from preceptor.evaluate.jackknife import LabelMetric, Scores, of_labels
from preceptor.evaluate.metrics import score
from preceptor.study.predictor import Predictions, Predictor

METRICS: tuple[LabelMetric, ...] = ("macro_f1", "accuracy")
COLUMNS = ("split", "id", "target", "reading", "prediction", "text", "probabilities")


def scored(
    predictor: Predictor, split: str, examples: Sequence[Example], title: str
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Predictions of a split, a row an example and reading, and the metrics of every reading."""
    texts = [predictor.inputs.shown(one) for one in examples]
    found = predictor.predict(texts, title)
    labels = predictor.inputs.labels
    metrics = {reading: measured(one, examples, labels) for reading, one in found.items()}
    rows = [row for reading, one in found.items() for row in _rows(split, reading, one, examples)]
    return rows, metrics


def look(predictor: Predictor, examples: Sequence[Example], by: str, title: str) -> float:
    """One figure of some examples, by the first reading that has it."""
    _, metrics = scored(predictor, "validation", examples, title)
    return float(next(one[by] for one in metrics.values() if by in one))


def measured(
    predictions: Predictions, examples: Sequence[Example], labels: Sequence[str]
) -> dict[str, Any]:
    """The task's metrics, and the log-loss where there are probabilities."""
    import numpy as np

    targets = [str(example.target) for example in examples]
    metrics: dict[str, Any] = dict(score(targets, predictions.labels, labels))
    if predictions.probabilities is not None:
        columns = [labels.index(target) for target in targets]
        right = predictions.probabilities[np.arange(len(targets)), columns]
        metrics["log_loss"] = float(-np.log(np.clip(right, 1e-12, 1)).mean())
    return metrics


def rescored(
    rows: Sequence[Mapping[str, Any]], examples: Mapping[str, Example], labels: Sequence[str]
) -> dict[str, Any]:
    """The metrics of one split's rows of one reading, from what they say and the examples."""
    import numpy as np

    known = [row["probabilities"] for row in rows if row["probabilities"] is not None]
    found = Predictions(
        [row["prediction"] for row in rows], np.array(known) if known else None, None
    )
    return measured(found, [examples[row["id"]] for row in rows], labels)


def _rows(
    split: str, reading: str, predictions: Predictions, examples: Sequence[Example]
) -> Iterator[dict[str, Any]]:
    texts: Sequence[str | None] = predictions.texts or [None] * len(examples)
    probabilities = predictions.probabilities
    for number, example in enumerate(examples):
        yield {
            "split": split,
            "id": example.id,
            "target": example.target,
            "reading": reading,
            "prediction": predictions.labels[number],
            "text": texts[number],
            "probabilities": None if probabilities is None else probabilities[number].tolist(),
        }


def metrics_of(rows: Sequence[Mapping[str, Any]]) -> tuple[LabelMetric, ...]:
    """The metrics that the rows of one reading have: all."""
    return METRICS


def sample(
    seeds: Sequence[Sequence[Mapping[str, Any]]], metric: LabelMetric, labels: Sequence[str]
) -> Scores:
    """One reading's rows, seed by seed, on the same examples."""
    targets = [str(row["target"]) for row in seeds[0]]
    return of_labels(
        [[row["prediction"] for row in rows] for rows in seeds], targets, labels, metric
    )

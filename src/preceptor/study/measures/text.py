"""Free answers, by the task's readings: how well they are foreseen, and what is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any

from preceptor.data.example import Example
from preceptor.evaluate.jackknife import Scores
from preceptor.study.measures import foreseen, written
from preceptor.study.predictor import Predictor
from preceptor.tasks import TextTask

_READINGS: dict[str, ModuleType] = {foreseen.READING: foreseen, written.READING: written}
METRICS: tuple[str, ...] = (*foreseen.METRICS, *written.METRICS)
COLUMNS = ("split", "id", "reading", *foreseen.COLUMNS, *written.COLUMNS)


def scored(
    predictor: Predictor, split: str, examples: Sequence[Example], title: str
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Rows of a split, one an example and reading, and the metrics of every reading."""
    rows: list[dict[str, Any]] = []
    metrics: dict[str, Any] = {}
    before, cut = predictor.inputs.cut, 0
    for reading in _score_by(predictor):
        predictor.inputs.cut = 0
        found, metrics[reading] = _READINGS[reading].scored(
            predictor, split, examples, f"{title}, {reading}"
        )
        rows += found
        cut = max(cut, predictor.inputs.cut)  # the same inputs, read once more
    predictor.inputs.cut = before + cut
    return rows, metrics


def _score_by(predictor: Predictor) -> tuple[str, ...]:
    if not isinstance(predictor.task, TextTask):
        raise TypeError("a task of labels has other readings")
    return predictor.task.score_by


def look(predictor: Predictor, examples: Sequence[Example], by: str, title: str) -> float:
    """One figure of some examples, by the reading that has it alone: writing takes long."""
    reading = foreseen.READING if by == "log_loss" else written.READING
    _, metrics = _READINGS[reading].scored(predictor, "validation", examples, title)
    return float(metrics[by])


def rescored(
    rows: Sequence[Mapping[str, Any]], examples: Mapping[str, Example], labels: Sequence[str]
) -> dict[str, Any]:
    """The metrics of one split's rows of one reading, from what they say and the examples."""
    found: dict[str, Any] = _of(rows).rescored(rows, examples)
    return found


def metrics_of(rows: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """The metrics that the rows of one reading have."""
    found: tuple[str, ...] = _of(rows).metrics_of(rows) if rows else ()
    return found


def sample(
    seeds: Sequence[Sequence[Mapping[str, Any]]], metric: str, labels: Sequence[str]
) -> Scores:
    """One reading's rows, seed by seed, on the same examples."""
    found: Scores = _of(seeds[0]).sample(seeds, metric)
    return found


def _of(rows: Sequence[Mapping[str, Any]]) -> ModuleType:
    return _READINGS[rows[0]["reading"]]

"""The reading ``generation``: what a student writes, held against all of its references.

BLEU and chrF are of all texts together (by sacrebleu), ROUGE and exact match the mean over texts,
each with its best reference. A text that says nothing is scored as an empty one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any, Literal

from preceptor.data.example import Example
from preceptor.errors import DataError
from preceptor.evaluate.corpus import CorpusMetric
from preceptor.evaluate.jackknife import Scores, of_lengths, of_means, of_statistics
from preceptor.evaluate.written import Held, TextScores, hold
from preceptor.study.predictor import Predictions, Predictor

_Mean = Literal["rougeL", "rouge1", "rouge2", "exact_match"]
Metric = CorpusMetric | _Mean | Literal["length_ratio"]
_COUNTS: dict[Metric, tuple[CorpusMetric, str]] = {
    "bleu": ("bleu", "bleu_counts"),
    "chrf": ("chrf", "chrf_counts"),
}
_MEANS: tuple[_Mean, ...] = ("rougeL", "rouge1", "rouge2", "exact_match")
METRICS: tuple[Metric, ...] = ("bleu", "chrf", *_MEANS, "length_ratio")
READING = "generation"
COLUMNS = ("prediction", "text", "ended", *(one.name for one in fields(TextScores)))


def scored(
    predictor: Predictor, split: str, examples: Sequence[Example], title: str
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """What the student wrote for every example with its scores, and the metrics of all."""
    references = [references_of(example) for example in examples]
    found = predictor.predict([predictor.inputs.shown(one) for one in examples], title)[READING]
    held = hold([text or "" for text in found.labels], references)
    rows = [
        {"split": split, "id": example.id, "reading": READING, **_row(found, held, number)}
        for number, example in enumerate(examples)
    ]
    return rows, measured(held, rows)


def references_of(example: Example) -> list[str]:
    """All right answers of an example, each once.

    Raises:
        DataError: it has none.
    """
    found = list(dict.fromkeys(one for one in (example.target, *example.references) if one))
    if not found:
        raise DataError(
            "an example has no reference to hold a written text against",
            where=f"example {example.id}",
            found="neither a target nor references",
            expected="at least one",
        )
    return found


def _row(found: Predictions, held: Held, number: int) -> dict[str, Any]:
    return {
        "prediction": found.labels[number],
        "text": (found.texts or [])[number],
        "ended": (found.ended or [])[number],
        **asdict(held.rows[number]),
    }


def measured(held: Held, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The metrics of some texts: those of :attr:`Held.metrics`, and two counts of texts.

    ``empty`` are those that say nothing, ``unended`` those that were cut off at the student's
    ``max_new_tokens``.
    """
    return {
        **held.metrics,
        "empty": sum(row["prediction"] is None for row in rows),
        "unended": sum(not row["ended"] for row in rows),
    }


def rescored(rows: Sequence[Mapping[str, Any]], examples: Mapping[str, Example]) -> dict[str, Any]:
    """The metrics of one split's rows: their texts held against the references once more."""
    references = [references_of(examples[row["id"]]) for row in rows]
    return measured(hold([row["prediction"] or "" for row in rows], references), rows)


def metrics_of(rows: Sequence[Mapping[str, Any]]) -> tuple[Metric, ...]:
    """The metrics that the rows of one reading have: all."""
    return METRICS


def sample(seeds: Sequence[Sequence[Mapping[str, Any]]], metric: Metric) -> Scores:
    """Rows, seed by seed, on the same examples."""
    if metric in _COUNTS:
        name, column = _COUNTS[metric]
        return of_statistics(_column(seeds, column), name)
    if metric == "length_ratio":
        return of_lengths(_column(seeds, "words"), _column(seeds, "reference_words"))
    return of_means(_column(seeds, metric))


def _column(seeds: Sequence[Sequence[Mapping[str, Any]]], name: str) -> list[list[Any]]:
    return [[row[name] for row in rows] for rows in seeds]

"""The reading ``next_token``: perplexity and next-token accuracy, over answers and all tokens.

A seq2seq student does not foresee what it reads: its rows and metrics have nothing over all
tokens. Which tokens count stands in :mod:`preceptor.evaluate.perplexity`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from preceptor.data.example import Example
from preceptor.evaluate.jackknife import Scores, TokenMetric, of_tokens
from preceptor.evaluate.perplexity import NOTHING, Foreseen, RowForeseen
from preceptor.study.predictor import Predictor

Metric = Literal["perplexity", "next_token_accuracy", "perplexity_all", "next_token_accuracy_all"]
METRICS: tuple[Metric, ...] = (
    "perplexity",
    "next_token_accuracy",
    "perplexity_all",
    "next_token_accuracy_all",
)
READING = "next_token"
_PARTS = ("answer", "all")
COLUMNS = tuple(f"{name}_{part}" for part in _PARTS for name in ("nll", "right", "tokens"))


def scored(
    predictor: Predictor, split: str, examples: Sequence[Example], title: str
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """What every example of a split cost the student, and the metrics of all of them."""
    found = predictor.foresee(examples, title)
    rows = [
        {"split": split, "id": example.id, "reading": READING, **_row(one)}
        for example, one in zip(examples, found, strict=True)
    ]
    return rows, measured(found)


def _row(found: RowForeseen) -> dict[str, float | int]:
    parts = {"answer": found.answer, "all": found.all}
    return {
        f"{name}_{part}": getattr(one, name)
        for part, one in parts.items()
        if one is not None
        for name in ("nll", "right", "tokens")
    }


def measured(found: Sequence[RowForeseen]) -> dict[str, Any]:
    """The metrics of some rows; ``log_loss`` is nats a token of the answer."""
    answer = sum((one.answer for one in found), NOTHING)
    whole = [one.all for one in found if one.all is not None]
    metrics = {
        "n": len(found),
        "tokens": answer.tokens,
        "log_loss": answer.nll / answer.tokens,
        **_told(answer, ""),
    }
    if whole:
        total = sum(whole, NOTHING)
        metrics |= {"tokens_all": total.tokens, **_told(total, "_all")}
    return metrics


def rescored(rows: Sequence[Mapping[str, Any]], examples: Mapping[str, Example]) -> dict[str, Any]:
    """The metrics of one split's rows, which hold what every example cost."""
    return measured([RowForeseen(_of(row, "answer") or NOTHING, _of(row, "all")) for row in rows])


def _of(row: Mapping[str, Any], part: str) -> Foreseen | None:
    nll, right, tokens = (row[f"{name}_{part}"] for name in ("nll", "right", "tokens"))
    return None if tokens is None else Foreseen(nll, right, tokens)


def _told(found: Foreseen, suffix: str) -> dict[str, float]:
    return {
        f"perplexity{suffix}": found.perplexity,
        f"next_token_accuracy{suffix}": found.accuracy,
    }


_AMOUNTS: dict[Metric, tuple[str, str, TokenMetric]] = {
    "perplexity": ("nll", "answer", "perplexity"),
    "next_token_accuracy": ("right", "answer", "accuracy"),
    "perplexity_all": ("nll", "all", "perplexity"),
    "next_token_accuracy_all": ("right", "all", "accuracy"),
}


def metrics_of(rows: Sequence[Mapping[str, Any]]) -> tuple[Metric, ...]:
    """The metrics that the rows of one reading have."""
    return tuple(
        metric
        for metric in METRICS
        if all(row[f"tokens_{_AMOUNTS[metric][1]}"] is not None for row in rows)
    )


def sample(seeds: Sequence[Sequence[Mapping[str, Any]]], metric: Metric) -> Scores:
    """Rows, seed by seed, on the same examples."""
    name, part, kind = _AMOUNTS[metric]
    tokens = [row[f"tokens_{part}"] for row in seeds[0]]
    return of_tokens([[row[f"{name}_{part}"] for row in rows] for rows in seeds], tokens, kind)

"""The numbers that papers tell when they choose on the test set; they choose nothing here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean
from typing import Any

_MORE = ("accuracy", "macro_f1", "next_token_accuracy", "bleu", "chrf", "rougeL")
_LESS = ("perplexity",)

Record = Mapping[str, Any]
"""a cell as ``results.json`` has it"""


def best_on_test(cells: Sequence[Record]) -> list[dict[str, Any]]:
    """Of every student, reading and arm, the best test score over settings, metric by metric.

    Each metric has its own best, as in table 3 of Dr. LLaMA (Guo et al., 2023: "Acc. (best)" and
    "F1 (best)"), so two of them may be of different settings. There are no scores on the test
    set but those of finished training, so nothing is chosen over checkpoints.

    Args:
        cells: those that are scored, with ``chosen`` where validation chose.

    Returns:
        student, arm, reading, metric; ``best``: the mean over seeds of each seed's best setting;
        ``chosen``: that of the settings which validation chose; ``highest``: the best of all
        cells (the lowest where less is better), with its ``setting`` and ``seed``; ``settings``:
        how many were tried; ``seeds``.
    """
    grouped: dict[tuple[str, str], list[Record]] = {}
    for cell in cells:
        grouped.setdefault((cell["student"], cell["arm"]), []).append(cell)
    return [row for several in grouped.values() for row in _of_arm(several)]


def _of_arm(cells: Sequence[Record]) -> Iterator[dict[str, Any]]:
    about = {"student": cells[0]["student"], "arm": cells[0]["arm"]}
    readings = dict.fromkeys(name for cell in cells for name in cell["splits"].get("test", {}))
    for reading in readings:
        for metric in (*_MORE, *_LESS):
            scored = [
                (score, cell)
                for cell in cells
                if (score := _score(cell, reading, metric)) is not None
            ]
            if scored:
                yield {**about, "reading": reading, "metric": metric, **_best(scored, metric)}


def _score(cell: Record, reading: str, metric: str) -> float | None:
    found: float | None = cell["splits"].get("test", {}).get(reading, {}).get(metric)
    return found


def _best(scored: Sequence[tuple[float, Record]], metric: str) -> dict[str, Any]:
    sign = -1 if metric in _LESS else 1
    by_seed: dict[int, list[float]] = {}
    for score, cell in scored:
        by_seed.setdefault(cell["seed"], []).append(score)
    chosen = [score for score, cell in scored if cell["chosen"]]
    highest, cell = max(scored, key=lambda one: sign * one[0])
    return {
        "best": fmean(max(scores, key=lambda one: sign * one) for scores in by_seed.values()),
        "chosen": fmean(chosen) if chosen else None,
        "highest": highest,
        "setting": dict(cell["setting"]),
        "seed": cell["seed"],
        "settings": len({tuple(one["setting"].items()) for _, one in scored}),
        "seeds": len(by_seed),
    }

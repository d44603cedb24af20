"""How long each stage of a run took."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from preceptor.study.plan import Plan

STAGES = ("data", "teachers", "arms", "baselines", "training", "scoring", "rest")
"""reading the data, tuning teachers, making training sets, baselines, then of the cells: training,
scoring, and what is left (loading and saving)"""


def stages(plan: Plan, cells: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Seconds and number of parts of each stage that this run has.

    A part counts with the making that came to its end, whenever that was. Where parts were made
    side by side they add up to more than the time that passed.

    Args:
        plan: the study.
        cells: what ``results.json`` has of its finished cells.
    """
    seconds: dict[str, list[float]] = {}
    for name, part in plan.parts().items():
        if part.seconds:
            seconds.setdefault(name.partition("/")[0], []).append(part.seconds)
    whole = seconds.pop("cells", [])
    training = _known(cell.get("seconds") for cell in cells)
    scoring = _known(cell.get("scoring_seconds") for cell in cells)
    if whole:
        rest = max(0.0, sum(whole) - sum(training) - sum(scoring))
        seconds |= {"training": training, "scoring": scoring, "rest": [rest]}
    return [
        {"stage": name, "parts": len(found), "seconds": sum(found)}
        for name in STAGES
        if (found := seconds.get(name))
    ]


def _known(values: Iterable[float | None]) -> list[float]:
    return [value for value in values if value is not None]

"""The figures of runs side by side: how far every arm is from the first run's."""

from __future__ import annotations

from collections.abc import Iterator

from preceptor.report.frame import svg
from preceptor.report.frame.blocks import Figure
from preceptor.report.read.numbers import metric
from preceptor.report.sections.forest import forest_figure, row_of
from preceptor.report.versus.found import RunDifference, Versus
from preceptor.report.versus.tables import group_title


def differences_figures(found: Versus) -> Iterator[Figure]:
    """A forest plot for every metric that leads a verdict; arms that were predicted alike in both
    runs are left out."""
    leading = dict.fromkeys(reading.headline for reading in found.readings.values())
    for number, name in enumerate(leading, 1):
        facts = [fact for fact in found.differences if _is_shown(found, fact, name)]
        arms = list(dict.fromkeys(fact.arm for fact in facts))
        rows = [
            row_of(_title(found, fact), "none", fact, metric(name), _colour(arms.index(fact.arm)))
            for fact in facts
        ]
        if rows:
            yield forest_figure(f"differences-{number}", metric(name), rows)


def _is_shown(found: Versus, fact: RunDifference, name: str) -> bool:
    leading = found.readings[fact.reading].headline
    return fact.metric == name == leading and not fact.same and fact.difference is not None


def _title(found: Versus, fact: RunDifference) -> str:
    title = group_title(found, (fact.student, fact.reading))
    return f"{title}, {fact.run}" if len(found.runs) > 2 else title


def _colour(number: int) -> str:
    return svg.SERIES[number % len(svg.SERIES)]

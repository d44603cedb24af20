"""The figure of score against the time of one answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from preceptor.report.frame import svg
from preceptor.report.frame.blocks import Figure
from preceptor.report.frame.canvas import MARKERS, drawn, point, wrap
from preceptor.report.read.numbers import LEVEL, Metric
from preceptor.report.read.results import Results
from preceptor.report.sections.contenders import Contender

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_APART = 0.09
"""of the axes' height: names that stand nearer than this would touch"""
_WIDE = 50
"""times that differ by more than this factor leave room for powers of ten alone"""
_AXES = 0.78
"""share of a figure's height that its axes have, about"""


@dataclass(frozen=True, slots=True)
class _Point:
    """A contender as it is drawn: milliseconds, and scores in the metric's scale."""

    name: str
    time: float
    value: float
    low: float
    high: float
    colour: str
    marker: str
    filled: bool


def trade_figure(
    results: Results, students: Sequence[Contender], teachers: Sequence[Contender], show: Metric
) -> Figure | None:
    """Every student and teacher by its score and its time; None for fewer than two points."""
    points = [point for one in enumerate([*students, *teachers]) if (point := _point(*one, show))]
    if len(points) < 2:
        return None
    out: list[str] = []
    alt = f"{show.title} against the time of one answer: {_spoken(points)}"
    with drawn("serving", 2.4 + 0.16 * len(points), out, alt) as axes:
        _draw(axes, points)
        axes.set_xlabel("Median time of one answer, ms")
        axes.set_ylabel(show.heading)
    hollow = "; hollow diamonds are teachers" if teachers else ""
    caption = (
        f"{show.lead} against the time of one answer ({show.better}; further left is faster), on "
        f"a logarithmic axis; lines are {LEVEL} intervals{hollow}."
    )
    return Figure("serving", caption, out[0])


def _point(place: int, one: Contender, show: Metric) -> _Point | None:
    if one.mean is None or not one.p50:
        return None
    low = one.mean if one.score.low is None else one.score.low
    high = one.mean if one.score.high is None else one.score.high
    teacher = one.arm is None
    return _Point(
        one.name,
        one.p50,
        one.mean * show.scale,
        low * show.scale,
        high * show.scale,
        svg.INK if teacher else svg.SERIES[(place + 2) % len(svg.SERIES)],
        "D" if teacher else MARKERS[place % len(MARKERS)],
        not teacher,
    )


def _spoken(points: Sequence[_Point]) -> str:
    return "; ".join(f"{one.name} {one.value:.1f} at {one.time:.3g} ms" for one in points)


def _draw(axes: Axes, points: Sequence[_Point]) -> None:
    for one in points:
        at, ends = (one.time, one.value), (one.low, one.high)
        point(axes, at, ends, one.colour, marker=one.marker, filled=one.filled, upright=True)
    axes.grid(axis="both")
    _widen(axes, points)
    _scale(axes)
    _name(axes, points)


def _widen(axes: Axes, points: Sequence[_Point]) -> None:
    """Room around the points, and above and below a flat row of them."""
    times = [one.time for one in points]
    room = max((max(times) / min(times)) ** 0.08, 1.5)
    axes.set_xlim(min(times) / room, max(times) * room)
    low, high = min(one.low for one in points), max(one.high for one in points)
    spare = 0.12 * (high - low) or 1.0
    axes.set_ylim(low - spare, high + spare)


def _scale(axes: Axes) -> None:
    """A logarithmic axis with plain numbers, those between powers of ten where there is room."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    left, right = axes.get_xlim()
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if right < _WIDE * left else (1,)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.6g}"))


def _name(axes: Axes, points: Sequence[_Point]) -> None:
    """Names in a column at the right, each with a line to its point."""
    bottom, top = axes.get_ylim()
    ordered = sorted(points, key=lambda one: one.value)
    names = [wrap(one.name) for one in ordered]
    gap = _APART * (2 if any("\n" in name for name in names) else 1)
    heights = apart([(one.value - bottom) / (top - bottom) for one in ordered], gap)
    for one, name, height in zip(ordered, names, heights, strict=True):
        line = {
            "arrowstyle": "-",
            "color": one.colour,
            "linewidth": 0.7,
            "shrinkB": 5,
            "relpos": (0, 0.5),
        }
        axes.annotate(
            name,
            (one.time, one.value),
            (1.03, height),
            textcoords="axes fraction",
            va="center",
            arrowprops=line,
        )


def apart(heights: Sequence[float], gap: float) -> list[float]:
    """Rising heights between 0 and 1, moved as little as need be to stand clear of each other."""
    gap = min(gap, 1 / max(1, len(heights) - 1))
    found: list[float] = []
    for height in heights:
        found.append(max(height, found[-1] + gap) if found else max(height, 0.0))
    top = 1.0
    for place in reversed(range(len(found))):
        found[place] = min(found[place], top)
        top = found[place] - gap
    return found

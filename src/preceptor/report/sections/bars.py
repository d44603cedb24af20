"""Bar charts: one metric of the students that stand beside each other, with intervals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from preceptor.report.frame import svg
from preceptor.report.frame.blocks import Figure
from preceptor.report.frame.canvas import drawn, wrap
from preceptor.report.read.groups import Group, students, untuned
from preceptor.report.read.numbers import LEVEL, Metric, metric
from preceptor.report.read.results import Results
from preceptor.report.sections.tables import score_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True, slots=True)
class _Bar:
    """A student's score in the metric's scale; ``ends`` of its interval, if it has one."""

    student: str
    value: float
    ends: tuple[float, float] | None
    text: str
    colour: str


def bars_figure(
    results: Results, arm: str, groups: list[Group], metric_name: str, name: str
) -> Figure | None:
    """A metric of the students trained on an arm, a bar each; None for fewer than two scores."""
    show = metric(metric_name)
    found = [_bar(results, arm, group, metric_name) for group in groups]
    bars = [bar for bar in found if bar]
    if len(bars) < 2:
        return None
    told = "; ".join(f"{bar.student} {bar.text}{_spoken(bar, show)}" for bar in bars)
    out: list[str] = []
    alt = f"{show.title} by student, trained on {arm}: {told}"
    with drawn(name, 0.75 + 0.42 * len(bars), out, alt) as axes:
        _draw(axes, bars)
        axes.set_xlabel(f"{show.heading} ({show.better})")
    caption = (
        f"{show.lead} on the test set by student, trained on {arm}; "
        f"{show.better}. Thin lines are {LEVEL} intervals."
    )
    return Figure(name, caption, out[0])


def _bar(results: Results, arm: str, group: Group, metric_name: str) -> _Bar | None:
    value, show = score_of(results, group, arm, metric_name), metric(metric_name)
    if not isinstance(value.raw, int | float):
        return None
    ends = None
    if value.low is not None and value.high is not None:
        ends = (value.low * show.scale, value.high * show.scale)
    return _Bar(group[0], value.raw * show.scale, ends, value.text, _colour(results, group[0]))


def _colour(results: Results, student: str) -> str:
    """A student's colour, the same in every chart; grey for one that is not tuned."""
    bare = untuned(results)
    tuned = [name for name in students(results) if name not in bare]
    if student in bare:
        return svg.SERIES[0]
    return svg.SERIES[1:][(1 + tuned.index(student)) % (len(svg.SERIES) - 1)]


def _spoken(bar: _Bar, show: Metric) -> str:
    if bar.ends is None:
        return ""
    low, high = (end / show.scale for end in bar.ends)
    return f" ({show.span(low, high)})"


def _draw(axes: Axes, bars: list[_Bar]) -> None:
    reach = max(bar.ends[1] if bar.ends else bar.value for bar in bars)
    for y, bar in enumerate(bars):
        axes.barh(y, bar.value, height=0.62, color=bar.colour)
        if bar.ends:
            axes.plot(bar.ends, [y, y], color=svg.INK, linewidth=1.2, solid_capstyle="butt")
        end = max(bar.value, bar.ends[1] if bar.ends else bar.value)
        axes.annotate(bar.text, (end, y), (5, 0), textcoords="offset points", va="center")
    axes.set_yticks(range(len(bars)), [wrap(bar.student) for bar in bars])
    axes.set_ylim(len(bars) - 0.5, -0.5)
    axes.set_xlim(0, 1.18 * reach if reach > 0 else 1)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x")

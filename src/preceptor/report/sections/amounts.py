"""Scores against how much data there is: made rows, and human ones.

Kaddour and Liu, figure 5: what a student gains from more made rows; and, as their figures 2 and 3
have it, what it gains from them beside few and many human rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from preceptor.report.frame import svg
from preceptor.report.frame.blocks import Figure
from preceptor.report.frame.canvas import DASHES, MARKERS, colour, drawn, wrap
from preceptor.report.read.groups import Group, arms_of
from preceptor.report.read.measures import headline
from preceptor.report.read.numbers import LEVEL, Metric, count, metric
from preceptor.report.read.results import Results
from preceptor.report.read.sources import human_rows, made_rows, source_of
from preceptor.report.sections.tables import score_of
from preceptor.report.words.verdict import group_title

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_FAR = 8
"""amounts that differ by more than this factor stand on a logarithmic axis"""
_APART = 3.2
"""points between the intervals of lines that have the same amount"""
_NEAR = 0.09
"""of the axis: amounts nearer than this share a tick"""


@dataclass(frozen=True, slots=True)
class Point:
    """An arm's score at its amount, in the metric's scale; ``low`` and ``high`` its interval."""

    arm: str
    amount: float
    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Line:
    """Arms that differ in one amount alone.

    Attributes:
        name: where their rows come from.
        points: in the order of their amounts.
        colour: that of the first of its arms, where no other line has it.
        joined: whether a line leads from point to point.
    """

    name: str
    points: tuple[Point, ...]
    colour: str
    joined: bool = True


def _points(
    results: Results, group: Group, amount: Callable[[Results, str], float | None]
) -> Iterator[Point]:
    name = headline(results, group[1])
    scale = metric(name).scale
    for arm in arms_of(results, group):
        value, rows = score_of(results, group, arm, name), amount(results, arm)
        if isinstance(value.raw, int | float) and rows is not None:
            low = value.raw if value.low is None else value.low
            high = value.raw if value.high is None else value.high
            yield Point(arm, rows, value.raw * scale, low * scale, high * scale)


def _grouped(
    results: Results, points: Sequence[Point], other: Callable[[Results, str], float | None]
) -> dict[tuple[str, float | None], list[Point]]:
    """Points by the source of their rows and the amount that is to be the same."""
    found: dict[tuple[str, float | None], list[Point]] = {}
    for point in points:
        key = source_of(results, point.arm), other(results, point.arm)
        found.setdefault(key, []).append(point)
    return found


def _lines(results: Results, named: dict[str, list[Point]]) -> list[Line]:
    """Lines with a colour each: their arm's own, else one that no other has."""
    free = list(svg.SERIES[1:])
    lines = []
    for name, points in named.items():
        shade = colour(results, points[0].arm)
        if name == "none":
            shade = svg.SERIES[0]
        elif shade not in free:
            shade = free[0] if free else shade
        free = [one for one in free if one != shade]
        ordered = tuple(sorted(points, key=lambda point: point.amount))
        amounts = [point.amount for point in ordered]
        joined = len(set(amounts)) == len(amounts) > 1
        lines.append(Line(name, ordered, shade, joined))
    return lines


def made_lines(results: Results, group: Group) -> list[Line]:
    """The score of ``none``, then a line for every source of made rows.

    Empty unless a source comes in two amounts or more. Arms with fewer human rows than most have
    are left to the figure of human data.
    """
    points = list(_points(results, group, made_rows))
    by = _grouped(results, points, human_rows)
    humans = [human for (source, human), many in by.items() if _several(source, many)]
    if not humans:
        return []
    at = max(humans, key=lambda human: human or 0)
    named = {source: many for (source, human), many in by.items() if human == at}
    none = named.pop("none", [])
    return _lines(results, {"none": none, **named} if none else named)


def _several(source: str, points: Sequence[Point]) -> bool:
    return source not in ("none", "repeat") and len({point.amount for point in points}) > 1


def human_lines(results: Results, group: Group) -> list[Line]:
    """A line for every kind of arm that was trained beside two amounts of human rows or more."""
    points = list(_points(results, group, human_rows))
    by = _grouped(results, points, made_rows)
    several = {k: many for k, many in by.items() if len({one.amount for one in many}) > 1}
    sources = [source for source, _ in several]
    named = {
        source if sources.count(source) == 1 else f"{source}, {count(made or 0)}": many
        for (source, made), many in several.items()
    }
    return _lines(results, named)


def made_figure(results: Results, group: Group, name: str) -> Figure | None:
    """The score against the number of made rows; None where no source has two amounts."""
    lines = made_lines(results, group)
    if not lines:
        return None
    show, first = metric(headline(results, group[1])), lines[0]
    none = first.points[0] if first.name == "none" else None
    human = human_rows(results, first.points[0].arm)
    beside = f"beside {count(round(human, 1))} human ones" if human else "beside the human ones"
    markup = _draw(name, lines, show, f"Rows {beside}", none)
    start = " Lines start at none, which has no such rows." if none else ""
    caption = (
        f"{group_title(results, group)}: {show.title} against the number of rows {beside} "
        f"({show.better}), by the source of these rows, with {LEVEL} intervals."
        f"{start}{_scale_words(lines)}"
    )
    return Figure(name, caption, markup)


def human_figure(results: Results, group: Group, name: str) -> Figure | None:
    """The score against the number of human rows; None where arms do not differ in it."""
    lines = human_lines(results, group)
    if not lines:
        return None
    show = metric(headline(results, group[1]))
    markup = _draw(name, lines, show, "Human rows", None)
    caption = (
        f"{group_title(results, group)}: {show.title} against the number of human rows "
        f"({show.better}), a line for every kind of arm that was trained beside several amounts, "
        f"with {LEVEL} intervals.{_scale_words(lines)}"
    )
    return Figure(name, caption, markup)


def _amounts(lines: Sequence[Line]) -> list[float]:
    return sorted({point.amount for line in lines for point in line.points})


def _far(lines: Sequence[Line]) -> bool:
    positive = [amount for amount in _amounts(lines) if amount > 0]
    return bool(positive) and positive[-1] > _FAR * positive[0]


def _scale_words(lines: Sequence[Line]) -> str:
    if not _far(lines):
        return ""
    left = "; 0 stands to its left" if 0 in _amounts(lines) else ""
    return f" Amounts are on a logarithmic axis{left}."


def _spoken(lines: Sequence[Line], show: Metric) -> str:
    def one(line: Line) -> str:
        points = (
            f"{count(round(p.amount, 1))} rows {show.show(p.value / show.scale)} "
            f"({show.span(p.low / show.scale, p.high / show.scale)})"
            for p in line.points
        )
        return f"{line.name}: {', '.join(points)}"

    return "; ".join(one(line) for line in lines)


def _draw(name: str, lines: list[Line], show: Metric, axis: str, none: Point | None) -> str:
    out: list[str] = []
    alt = f"{show.title} by {axis[:1].lower()}{axis[1:]}. {_spoken(lines, show)}"
    with drawn(name, 3.3 + 0.2 * ((len(lines) + 1) // 2), out, alt) as axes:
        _scale(axes, lines)
        for index in range(len(lines)):
            _draw_line(axes, lines, index, none)
        axes.set_xlabel(axis)
        axes.set_ylabel(show.heading)
        axes.grid(axis="y")
        handles, labels = axes.get_legend_handles_labels()
        axes.figure.legend(handles, labels, loc="outside lower left", ncols=2, handlelength=2.6)
    return out[0]


def _draw_line(axes: Axes, lines: Sequence[Line], index: int, none: Point | None) -> None:
    line = lines[index]
    before = sum(one.joined for one in lines[:index])
    style = DASHES[before % len(DASHES)] if line.joined else "none"
    mark: dict[str, Any] = {
        "marker": MARKERS[index % len(MARKERS)],
        "markersize": 5.5,
        "color": line.colour,
    }
    # Equal amounts of several lines stand side by side.
    shift = _moved(axes, _APART * (index - (len(lines) - 1) / 2))
    aside: dict[str, Any] = {"transform": shift, "zorder": 3}
    path = [none, *line.points] if none and none not in line.points else line.points
    if line.joined:
        ends = [one.amount for one in path], [one.value for one in path]
        axes.plot(*ends, color=line.colour, linestyle=style, linewidth=1.6, **aside)
    for one in line.points:
        span = [one.amount, one.amount], [one.low, one.high]
        axes.plot(*span, color=line.colour, linewidth=1.1, **aside)
        axes.plot([one.amount], [one.value], **mark, **aside)
    # What the legend shows: the line with its mark.
    axes.plot([], [], linestyle=style, label=wrap(line.name), **mark)


def _moved(axes: Axes, points: float) -> Any:
    """The axes' own coordinates, some points to the right."""
    from matplotlib.transforms import ScaledTranslation

    figure = axes.figure
    return axes.transData + ScaledTranslation(points / 72, 0, figure.dpi_scale_trans)


def _scale(axes: Axes, lines: Sequence[Line]) -> None:
    """Room for all points, which their shift hides from matplotlib; 0 stands on any scale."""
    amounts = _amounts(lines)
    if _far(lines):
        least = min(amount for amount in amounts if amount > 0)
        axes.set_xscale("symlog", linthresh=least, linscale=0.5)
    scale = axes.xaxis.get_transform()
    places = [float(scale.transform([amount])[0]) for amount in amounts]
    shown = [amounts[index] for index in _spread(places)]
    axes.set_xticks(shown, [count(round(amount)) for amount in shown])
    axes.set_xticks([], minor=True)
    edge = 0.06 * (places[-1] - places[0])
    ends = [places[0] - edge, places[-1] + edge]
    axes.set_xlim(*(float(end) for end in scale.inverted().transform(ends)))
    values = [end for line in lines for one in line.points for end in (one.low, one.high)]
    room = 0.04 * ((max(values) - min(values)) or 1.0)
    axes.set_ylim(min(values) - room, max(values) + room)


def _spread(places: Sequence[float]) -> list[int]:
    """Which places a tick has room at, the last one first to be served."""
    kept: list[int] = []
    for index in reversed(range(len(places))):
        far = _NEAR * (places[-1] - places[0])
        if not kept or places[kept[-1]] - places[index] >= far:
            kept.append(index)
    return kept[::-1]

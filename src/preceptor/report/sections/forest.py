"""The forest plot: every arm of every student less its controls, with intervals and numbers.

After the forest plots of meta-analysis (Lewis and Clarke, BMJ 2001; 322: 1479): a row a comparison,
its interval as a line across zero, its numbers at the side.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from preceptor.report.frame import svg
from preceptor.report.frame.blocks import Figure
from preceptor.report.frame.canvas import colour, drawn, point, wrap
from preceptor.report.read.groups import Group, arms_of, groups
from preceptor.report.read.measures import headline
from preceptor.report.read.numbers import LEVEL, Metric, metric
from preceptor.report.read.results import Results
from preceptor.report.read.scores import Comparison
from preceptor.report.words.verdict import change, compared, group_title

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SIGNS = {"none": "●", "repeat": "□"}
_MARKERS = {"none": "o", "repeat": "s"}
_MARKS = {"better": " ▲", "worse": " ▼"}
_INCH, _BETWEEN = 0.2, 0.45
"""height of a row, and of the gap above an arm as a share of it"""


@dataclass(frozen=True, slots=True)
class _Row:
    """A comparison in the metric's scale: of which arm, with which control.

    Attributes:
        group: the student, with its reading where it has several.
        arm: the arm.
        control: the operation of what it is held against: none or repeat.
        against: that arm's name.
        ends: of the interval; the value itself, twice, where there is none.
        text: the numbers, with the mark of the verdict.
        colour: the arm's.
        corrected: whether the verdict goes by a p-value corrected for many comparisons.
    """

    group: str
    arm: str
    control: str
    against: str
    value: float
    ends: tuple[float, float]
    text: str
    colour: str
    corrected: bool


def forest_figures(results: Results) -> Iterator[Figure]:
    """A forest plot for every metric that leads the verdict of a student."""
    leading = dict.fromkeys(headline(results, reading) for _, reading in groups(results))
    for index, name in enumerate(leading, 1):
        of = [group for group in groups(results) if headline(results, group[1]) == name]
        rows = [row for group in of for row in _rows(results, group, metric(name), name)]
        if rows:
            yield forest_figure(f"forest-{index}", metric(name), rows)


def _rows(results: Results, group: Group, show: Metric, name: str) -> Iterator[_Row]:
    """A student's comparisons, arm by arm in the order of the study."""
    facts = {kind: compared(results, group, kind, name) for kind in _MARKERS}
    for arm in arms_of(results, group):
        for kind in _MARKERS:
            fact = facts[kind].get(arm)
            if fact is not None and fact.difference is not None:
                yield row_of(group_title(results, group), kind, fact, show, colour(results, arm))


def row_of(group: str, kind: str, fact: Comparison, show: Metric, shade: str) -> _Row:
    """A comparison of a student's as a row; ``kind`` is the control's operation."""
    value = (fact.difference or 0.0) * show.scale
    known = fact.low is not None and fact.high is not None
    ends = ((fact.low or 0.0) * show.scale, (fact.high or 0.0) * show.scale)
    told = f"{change(fact, show)}{_MARKS.get(fact.outcome, '')}"
    return _Row(
        group,
        fact.arm,
        kind,
        fact.against,
        value,
        ends if known else (value, value),
        told,
        shade,
        fact.p_holm is not None,
    )


def forest_figure(name: str, show: Metric, rows: Sequence[_Row]) -> Figure:
    """A forest plot of comparisons in one metric."""
    places, heads = _places(rows)
    height = 1.0 + _INCH * (1 + max(*places, *heads.values(), 1.0))
    out: list[str] = []
    with drawn(name, height, out, _spoken(show, rows)) as axes:
        axes.axvline(0, color=svg.INK, linewidth=0.9, zorder=1)
        for row, y in zip(rows, places, strict=True):
            sign, filled = _MARKERS[row.control], row.control == "none"
            point(axes, (row.value, y), row.ends, row.colour, marker=sign, filled=filled)
        _label(axes, rows, places, heads)
        _frame(axes, show, max(*places, 1.0))
    return Figure(name, _caption(show, rows), out[0])


def _places(rows: Sequence[_Row]) -> tuple[list[float], dict[str, float]]:
    """Where the rows stand, from above, and the students' names over theirs."""
    places, heads = list[float](), dict[str, float]()
    y, before = -1.0, ("", "")
    for row in rows:
        if row.group not in heads:
            y += 1.0 + _BETWEEN * bool(places)
            heads[row.group] = y
        y += 1.0 + _BETWEEN * (before != (row.group, row.arm) and before[0] == row.group)
        places.append(y)
        before = row.group, row.arm
    return places, heads


def _label(
    axes: Axes, rows: Sequence[_Row], places: Sequence[float], heads: dict[str, float]
) -> None:
    """Arms at the left, in the middle of their rows; students over them; numbers at the right."""
    own: dict[tuple[str, str], list[float]] = {}
    for row, y in zip(rows, places, strict=True):
        own.setdefault((row.group, row.arm), []).append(y)
    arms = [(sum(ys) / len(ys), wrap(arm, 18)) for (_, arm), ys in own.items()]
    titles = [(y, wrap(group, 24)) for group, y in heads.items()]
    for y, _ in titles[1:]:
        axes.axhline(y - 0.75, color=svg.RULE, linewidth=0.6)
    axes.set_yticks([y for y, _ in titles + arms], [text for _, text in titles + arms])
    for label in axes.get_yticklabels()[: len(titles)]:
        label.set_fontweight("bold")
    numbers = axes.secondary_yaxis("right")
    first = min(heads.values())
    texts = [(first, f"({LEVEL} interval)"), *zip(places, (row.text for row in rows), strict=True)]
    numbers.set_yticks([y for y, _ in texts], [text for _, text in texts], fontsize=9)
    numbers.tick_params(axis="y", length=0)
    numbers.spines["right"].set_visible(False)


def _frame(axes: Axes, show: Metric, last: float) -> None:
    axes.set_ylim(last + 0.7, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x")
    unit = f"Difference in {show.title}" + (f", {show.unit}" if show.unit else "")
    left, right = ("better", "worse") if show.lower_is_better else ("worse", "better")
    axes.set_xlabel(f"← {left} | {right} →\n{unit}")


def _spoken(show: Metric, rows: Sequence[_Row]) -> str:
    each = [f"{row.group}, {row.arm} against {row.against} {row.text}" for row in rows]
    return f"Differences in {show.title}. {'; '.join(each)}"


def _caption(show: Metric, rows: Sequence[_Row]) -> str:
    controls = {kind: {row.against for row in rows if row.control == kind} for kind in _SIGNS}
    signs = ", ".join(
        f"{_SIGNS[kind]} against {kind if len(names) > 1 else min(names)}"
        for kind, names in controls.items()
        if names
    )
    student = f"{rows[0].group}: " if len({row.group for row in rows}) == 1 else ""
    lead = "differences" if student else "Differences"
    corrected = ", by p-values corrected for all comparisons" if rows[0].corrected else ""
    return (
        f"{student}{lead} in {show.title} with {LEVEL} intervals, paired by seed and test item; "
        f"{signs}. ▲ better, ▼ worse{corrected}; without a mark there is no evidence either way."
    )

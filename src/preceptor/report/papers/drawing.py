"""The papers' figures: the same axes with a run's numbers, and the paper's where it has them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from preceptor.report.frame import svg
from preceptor.report.frame.blocks import Figure
from preceptor.report.frame.canvas import drawn, wrap
from preceptor.report.papers.exhibit import Exhibit, Measure
from preceptor.report.papers.found import Found
from preceptor.report.read.numbers import LEVEL
from preceptor.report.read.results import Results
from preceptor.report.sections.amounts import human_figure, made_figure
from preceptor.report.sections.figures import scores_figure
from preceptor.report.sections.sweeps import sweep_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_BY = {"settings": sweep_figure, "human": human_figure, "made": made_figure, "arms": scores_figure}
_SHIFT = 0.2
"""of a row: the paper's bar above the middle, ours below it"""


def figures(
    results: Results, exhibit: Exhibit, measures: Sequence[Measure], found: Sequence[Found]
) -> list[Figure]:
    """The exhibit drawn; nothing for a table, or where the run has too little to draw."""
    name = exhibit.name.replace(".", "-")
    if exhibit.drawing == "beside":
        return [_beside(exhibit, measure, found, name) for measure in measures]
    return list(_drawn(results, exhibit, found, name))


def _drawn(
    results: Results, exhibit: Exhibit, found: Sequence[Found], name: str
) -> Iterator[Figure]:
    """One figure for every student, as the report's page draws it."""
    if exhibit.drawing not in _BY:
        return
    draw = _BY[exhibit.drawing]
    groups = list(dict.fromkeys(one.group for one in found if one.group and one.numbers))
    for group in groups:
        figure = draw(results, group, name if len(groups) == 1 else f"{name}-{group[0]}")
        if figure:
            yield figure


def _beside(exhibit: Exhibit, measure: Measure, found: Sequence[Found], name: str) -> Figure:
    """A pair of bars a row: the paper's hollow, ours filled and with its interval."""
    out: list[str] = []
    alt = f"{measure.title}: {'; '.join(_spoken(one, measure) for one in found)}"
    with drawn(name, 1.1 + 0.52 * len(found), out, alt) as axes:
        for y, one in enumerate(found):
            _draw(axes, y, one, measure)
        names = [wrap(", ".join(one.row.heads)) for one in found]
        axes.set_yticks(range(len(found)), names)
        axes.set_ylim(len(found) - 0.5, -0.5)
        axes.set_xlim(0, 1.18 * max(_reach(found, measure), 1e-9))
        axes.tick_params(axis="y", length=0)
        axes.grid(axis="x")
        axes.set_xlabel(measure.title)
    caption = (
        f"{exhibit.title}. Hollow: the paper's numbers; filled: this run's; thin lines are "
        f"{LEVEL} intervals."
    )
    return Figure(name, caption, out[0])


def _draw(axes: Axes, y: int, found: Found, measure: Measure) -> None:
    bars = [(y - _SHIFT, found.row.numbers[0] if found.row.numbers else None, svg.PAPER)]
    ours = found.numbers.get(measure.name)
    bars.append((y + _SHIFT, ours.value if ours else None, svg.SERIES[2]))
    for at, value, fill in bars:
        if value is not None:
            axes.barh(at, value, height=0.34, color=fill, edgecolor=svg.INK, linewidth=0.9)
            axes.annotate(
                f"{value:.{measure.decimals}f}",
                (max(value, (ours.high or 0) if ours and fill != svg.PAPER else 0), at),
                (5, 0),
                textcoords="offset points",
                va="center",
            )
    if ours and ours.low is not None and ours.high is not None:
        ends = [ours.low, ours.high]
        axes.plot(ends, [y + _SHIFT] * 2, color=svg.INK, linewidth=1.2, solid_capstyle="butt")


def _reach(found: Sequence[Found], measure: Measure) -> float:
    ours = [one.numbers[measure.name] for one in found if measure.name in one.numbers]
    ends = [number.value if number.high is None else number.high for number in ours]
    return max([*ends, *(value for one in found for value in one.row.numbers if value)], default=0)


def _spoken(found: Found, measure: Measure) -> str:
    paper = found.row.numbers[0] if found.row.numbers else None
    ours = found.numbers.get(measure.name)
    said = [
        f"paper {'none' if paper is None else f'{paper:.{measure.decimals}f}'}",
        f"ours {f'{ours.value:.{measure.decimals}f}' if ours else 'none'}",
    ]
    return f"{', '.join(found.row.heads)}: {', '.join(said)}"

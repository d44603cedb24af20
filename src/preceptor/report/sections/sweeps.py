"""Scores over the values of a setting, as Dr. LLaMA's figure 1 has them over LoRA's alpha."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING

from preceptor.report.frame.blocks import Figure
from preceptor.report.frame.canvas import DASHES, colour, marker, panels
from preceptor.report.read.cell import Cell
from preceptor.report.read.groups import Group
from preceptor.report.read.measures import main_metrics
from preceptor.report.read.numbers import listed, metric
from preceptor.report.read.results import Results
from preceptor.report.read.scores import Metrics
from preceptor.report.words.verdict import group_title

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def swept(cells: Iterable[Cell]) -> str | None:
    """The one setting that a student's cells were tried over, if its values are numbers."""
    settings = [cell.setting for cell in cells]
    keys = {key for one in settings for key in one}
    if len(keys) != 1:
        return None
    (key,) = keys
    values = [one.get(key) for one in settings]
    numbers = all(isinstance(v, int | float) and not isinstance(v, bool) for v in values)
    return key if numbers and len(set(values)) > 1 else None


def _test(cell: Cell) -> dict[str, Metrics]:
    return cell.splits.get("test", {})


def sweep_figure(results: Results, group: Group, name: str) -> Figure | None:
    """Test scores over the values of a student's setting; None where it has no such setting.

    One line an arm and metric: the mean over seeds, with a band from the lowest to the highest.
    Metrics of one unit share a panel.
    """
    student, reading = group
    cells = [
        c for c in results.cells if c.student == student and reading in c.splits.get("test", {})
    ]
    key = swept(cells)
    if key is None:
        return None
    lines = _lines(results, reading, cells, key)
    units = list(dict.fromkeys(metric(line.metric).unit for line in lines))
    if not units:
        return None
    out: list[str] = []
    alt = f"{group_title(results, group)}: test scores by {key}. {_spoken(lines)}"
    with panels(name, 0.9 + 2.1 * len(units), out, alt, [1] * len(units)) as rows:
        for axes, unit in zip(rows, units, strict=True):
            _draw_panel(results, axes, [one for one in lines if metric(one.metric).unit == unit])
        _scale(rows[-1], sorted({x for line in lines for x in line.values}))
        rows[-1].set_xlabel(key.replace("_", " "))
    return Figure(name, _sweep_caption(results, group, key, cells), out[0])


def _sweep_caption(results: Results, group: Group, key: str, cells: list[Cell]) -> str:
    names = listed([metric(name).title for name in main_metrics(results, group[1])])
    seeds = len({cell.seed for cell in cells})
    spread = ", bands run from the lowest to the highest seed" if seeds > 1 else ""
    return (
        f"{group_title(results, group)}: {names} on the test set against "
        f"{key.replace('_', ' ')}. Lines are means over seeds{spread}. Test scores chose nothing; "
        "the best of them is not a fair estimate."
    )


@dataclass(frozen=True, slots=True)
class _Line:
    """A metric of an arm over a setting's values: every seed's score, scaled."""

    arm: str
    metric: str
    values: dict[float, list[float]]


def _lines(results: Results, reading: str, cells: list[Cell], key: str) -> list[_Line]:
    lines = []
    for arm in dict.fromkeys(cell.arm for cell in cells):
        for name in main_metrics(results, reading):
            values: dict[float, list[float]] = {}
            for cell in cells:
                score = getattr(_test(cell)[reading], name, None)
                if cell.arm == arm and score is not None:
                    scaled = score * metric(name).scale
                    values.setdefault(float(cell.setting[key]), []).append(scaled)
            if values:
                lines.append(_Line(arm, name, dict(sorted(values.items()))))
    return lines


def _spoken(lines: list[_Line]) -> str:
    def one(line: _Line) -> str:
        show = metric(line.metric)
        points = [f"{x:g}: {show.show(fmean(ys) / show.scale)}" for x, ys in line.values.items()]
        return f"{line.arm}, {show.title}: {', '.join(points)}"

    return "; ".join(one(line) for line in lines)


def _draw_panel(results: Results, axes: Axes, lines: list[_Line]) -> None:
    names = list(dict.fromkeys(line.metric for line in lines))
    for line in lines:
        shade, dashes = colour(results, line.arm), DASHES[names.index(line.metric) % len(DASHES)]
        x, ys = list(line.values), list(line.values.values())
        label = line.arm if len(names) == 1 else f"{line.arm}, {metric(line.metric).title}"
        look = {"color": shade, "linestyle": dashes, "linewidth": 1.6, "label": label}
        axes.plot(x, [fmean(y) for y in ys], marker=marker(results, line.arm), markersize=5, **look)
        if any(len(y) > 1 for y in ys):
            low, high = [min(y) for y in ys], [max(y) for y in ys]
            axes.fill_between(x, low, high, color=shade, alpha=0.15, linewidth=0)
    shared = "%" if metric(names[0]).unit == "points" else "Score"
    axes.set_ylabel(metric(names[0]).heading if len(names) == 1 else shared)
    axes.grid(axis="y")
    axes.legend(fontsize=8, handlelength=2.4)


def _scale(axes: Axes, values: list[float]) -> None:
    """A tick at every value; the axis is logarithmic where they are powers."""
    if powers(values):
        axes.set_xscale("log")
    axes.set_xticks(values, [f"{value:g}" for value in values])
    axes.set_xticks([], minor=True)


def powers(values: Sequence[float]) -> bool:
    """Whether values are powers of two or ten, or each the same multiple of the one before."""
    if min(values) <= 0:
        return False
    whole = any(
        all(math.isclose(log(v), round(log(v)), abs_tol=1e-9) for v in values)
        for log in (math.log2, math.log10)
    )
    steps = [math.log(after / before) for before, after in itertools.pairwise(values)]
    even = len(steps) > 1 and max(steps) - min(steps) < 1e-6
    return whole or even

"""What figures are drawn on: sizes, type, colours."""

from __future__ import annotations

import textwrap
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from preceptor.report.frame import svg
from preceptor.report.read.results import Results

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH = 4.9
"""inches; narrow, so that the text is still legible when a phone shrinks the figure"""
_RC = {
    "svg.fonttype": "none",
    "svg.hashsalt": "preceptor",
    "text.parse_math": False,
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "axes.labelsize": 10,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "axes.edgecolor": svg.INK,
    "axes.linewidth": 0.7,
    "text.color": svg.INK,
    "axes.labelcolor": svg.INK,
    "xtick.color": svg.INK,
    "ytick.color": svg.INK,
    "grid.color": svg.RULE,
    "grid.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "legend.frameon": False,
}


DASHES: tuple[Any, ...] = ("-", "--", "-.", ":")
MARKERS = "osD^vP*X"
"""looks of lines and points, for those who see no colours"""


@contextmanager
def drawn(name: str, height: float, out: list[str], alt: str) -> Iterator[Axes]:
    """Yield axes to draw on; the finished markup is appended to ``out``."""
    with panels(name, height, out, alt) as (axes,):
        yield axes


@contextmanager
def panels(
    name: str, height: float, out: list[str], alt: str, ratios: Sequence[float] = (1,)
) -> Iterator[list[Axes]]:
    """Yield axes one below the other, which share theirs below; ``ratios`` are their heights."""
    import matplotlib
    from matplotlib.figure import Figure as Canvas

    with matplotlib.rc_context(_RC), warnings.catch_warnings():
        # Names in scripts that the measuring font lacks: the page's own fonts will draw them.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        canvas = Canvas(figsize=(WIDTH, height), layout="constrained")
        rows = canvas.subplots(len(ratios), sharex=True, squeeze=False, height_ratios=ratios)
        yield list(rows[:, 0])
        out.append(svg.render(canvas, name, alt))


def point(
    axes: Axes,
    at: tuple[float, float],
    ends: tuple[float, float],
    shade: str,
    *,
    marker: str = "o",
    filled: bool = True,
    upright: bool = False,
) -> None:
    """A point with its interval along the value's axis, which is upright or lies.

    Args:
        axes: to draw on.
        at: the point.
        ends: the interval's.
        shade: colour of both.
        marker: the point's.
        filled: else it is hollow.
        upright: whether values go up; else they go to the right.
    """
    x, y = at
    across = ([x, x], list(ends)) if upright else (list(ends), [y, y])
    axes.plot(*across, color=shade, linewidth=2, zorder=2)
    axes.plot(
        [x],
        [y],
        marker=marker,
        markersize=7,
        markeredgewidth=1.6,
        color=shade,
        markerfacecolor=shade if filled else svg.PAPER,
        linestyle="none",
        zorder=3,
    )


def wrap(name: str, width: int = 22) -> str:
    """A name on two lines at most."""
    printable = "".join(letter if letter.isprintable() else " " for letter in name)
    lines = textwrap.wrap(printable, width) or [""]
    return "\n".join(lines if len(lines) <= 2 else [lines[0], f"{lines[1]}…"])


def colour(results: Results, arm: str) -> str:
    """An arm's colour, the same in every figure; the ninth arm has the first one's again."""
    return svg.SERIES[_place(results, arm) % len(svg.SERIES)]


def marker(results: Results, arm: str) -> str:
    """An arm's marker; no two of the first 64 arms share both their colour and their marker."""
    return MARKERS[_turned(results, arm) % len(MARKERS)]


def dashes(results: Results, arm: str) -> Any:
    """An arm's kind of line; no two of the first 32 arms share both colour and line."""
    return DASHES[_turned(results, arm) % len(DASHES)]


def _turned(results: Results, arm: str) -> int:
    """An arm's place, one further on with every round of the colours."""
    place = _place(results, arm)
    return place + place // len(svg.SERIES)


def _place(results: Results, arm: str) -> int:
    order = list(results.arms)
    return order.index(arm) if arm in order else len(order)

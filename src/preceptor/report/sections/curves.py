"""Training curves: the loss, and what the looks at validation saw."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from preceptor.report.frame.blocks import Figure
from preceptor.report.frame.canvas import colour, dashes, marker, panels, wrap
from preceptor.report.read.cell import Cell
from preceptor.report.read.measures import chosen_by
from preceptor.report.read.numbers import Metric, metric
from preceptor.report.read.results import Results

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True, slots=True)
class Curve:
    """A cell's training: the losses after some of its updates, and what validation said."""

    cell: Cell
    updates: list[float]
    losses: list[float]

    @property
    def looks(self) -> list[tuple[int, float]]:
        """The looks at the validation split that gave a number."""
        return [(look.update, look.value) for look in self.cell.looks if look.value is not None]

    @property
    def kept(self) -> int | None:
        """The update whose weights were kept, where looks chose it."""
        return self.cell.best_update if self.looks else None


def history_figure(
    results: Results, student: str, curves: Sequence[Curve], name: str
) -> Figure | None:
    """Training loss over updates, one line per cell, one look per arm; None without curves.

    Where training looked at the validation split, what it saw stands below, and the update whose
    weights were kept is marked on both.
    """
    if not curves:
        return None
    looked = [curve for curve in curves if curve.looks]
    ratios, out = ((3, 2) if looked else (3,)), list[str]()
    arms = len({curve.cell.arm for curve in curves})
    height = (4.2 if looked else 2.7) + 0.2 * ((arms + 1) // 2)
    with panels(name, height, out, _told(student, curves), ratios) as rows:
        drawn = {c.cell.arm: _draw_losses(results, rows[0], c) for c in curves}
        rows[0].set_ylabel("Training loss")
        rows[0].set_ylim(bottom=min(0, *rows[0].get_ylim()))
        for curve in looked:
            _draw_looks(results, rows[1], curve)
        if looked:
            rows[1].set_ylabel(f"Validation\n{_seen(results, student).title}")
        rows[-1].set_xlabel("Update")
        for axes in rows:
            axes.grid(axis="y")
        rows[0].figure.legend(
            drawn.values(), map(wrap, drawn), loc="outside lower left", ncols=2, handlelength=2.6
        )
    return Figure(name, _history_caption(results, student, looked), out[0])


def _seen(results: Results, student: str) -> Metric:
    return metric(chosen_by(results, student) or "figure")


def _history_caption(results: Results, student: str, looked: Sequence[Curve]) -> str:
    caption = f"{student}: training loss, one line per seed and setting."
    if looked:
        show = _seen(results, student)
        caption += (
            f" Below, {show.title} on validation during training ({show.better}); rings are around "
            "the update whose weights were kept."
        )
    return caption


def _told(student: str, curves: Sequence[Curve]) -> str:
    ends, kept = defaultdict[str, list[float]](list), defaultdict[str, list[int]](list)
    for curve in curves:
        ends[curve.cell.arm] += curve.losses[-1:]
        kept[curve.cell.arm] += [] if curve.kept is None else [curve.kept]
    parts = [f"{arm} ends at {_span(losses, '.3g')}" for arm, losses in ends.items() if losses]
    parts += [f"{arm} kept update {_span(at, 'd')}" for arm, at in kept.items() if at]
    return f"Training loss of {student}: {'; '.join(parts)}"


def _span(numbers: Sequence[float], form: str) -> str:
    """One number, or the lowest and the highest of several lines."""
    low, high = format(min(numbers), form), format(max(numbers), form)
    return low if low == high else f"{low} to {high}"


def _look(results: Results, arm: str) -> dict[str, Any]:
    line = {"color": colour(results, arm), "linestyle": dashes(results, arm)}
    return {**line, "marker": marker(results, arm), "linewidth": 1.3, "alpha": 0.85}


def _draw_losses(results: Results, axes: Axes, curve: Curve) -> Any:
    look = _look(results, curve.cell.arm)
    end = [len(curve.updates) - 1]  # a mark at every update would hide the line
    (line,) = axes.plot(curve.updates, curve.losses, markevery=end, markersize=5, **look)
    if curve.kept is not None:
        near = min(range(len(curve.updates)), key=lambda i: abs(curve.updates[i] - curve.kept))  # type: ignore[operator]
        _ring(axes, curve.updates[near], curve.losses[near], look["color"])
    return line


def _draw_looks(results: Results, axes: Axes, curve: Curve) -> None:
    look = _look(results, curve.cell.arm)
    axes.plot(*zip(*curve.looks, strict=True), markersize=3.5, **look)
    for update, value in curve.looks:
        if update == curve.kept:
            _ring(axes, update, value, look["color"])


def _ring(axes: Axes, x: float, y: float, shade: str) -> None:
    look: dict[str, Any] = {
        "markerfacecolor": "none",
        "markeredgecolor": shade,
        "markeredgewidth": 1.4,
    }
    axes.plot([x], [y], marker="o", markersize=9, linestyle="none", zorder=3, **look)

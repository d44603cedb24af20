"""Training curves: the loss, and what the looks at validation saw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from preceptor.report.blocks import Figure
from preceptor.report.canvas import DASHES, colour, panels
from preceptor.report.cell import Cell
from preceptor.report.measures import chosen_by
from preceptor.report.numbers import Metric, metric
from preceptor.report.results import Results

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
    arms = list(dict.fromkeys(curve.cell.arm for curve in curves))
    looked = [curve for curve in curves if curve.looks]
    ratios, out = ((3, 2) if looked else (3,)), list[str]()
    with panels(name, 2.9 if not looked else 4.4, out, _told(student, curves), ratios) as rows:
        drawn = {c.cell.arm: _draw_losses(results, rows[0], arms, c) for c in curves}
        rows[0].set_ylabel("Training loss")
        rows[0].set_ylim(bottom=min(0, *rows[0].get_ylim()))
        rows[0].legend(list(drawn.values()), list(drawn), ncols=2, handlelength=2.4)
        for curve in looked:
            _draw_looks(results, rows[1], arms, curve)
        if looked:
            rows[1].set_ylabel(f"Validation\n{_seen(results, student).title}")
        rows[-1].set_xlabel("Update")
        for axes in rows:
            axes.grid(axis="y")
    return Figure(name, _history_caption(results, student, looked), out[0])


def _seen(results: Results, student: str) -> Metric:
    return metric(chosen_by(results, student) or "figure")


def _history_caption(results: Results, student: str, looked: Sequence[Curve]) -> str:
    caption = f"{student}: training loss, one line per seed and setting."
    if looked:
        show = _seen(results, student)
        caption += (
            f" Below, {show.title} on validation during training ({show.better}); filled dots mark "
            "the update whose weights were kept."
        )
    return caption


def _told(student: str, curves: Sequence[Curve]) -> str:
    ends = [f"{c.cell.arm} ends at {c.losses[-1]:.3g}" for c in curves if c.losses]
    kept = [f"{c.cell.arm} kept update {c.kept}" for c in curves if c.kept is not None]
    return f"Training loss of {student}: {'; '.join([*ends, *kept])}"


def _look(results: Results, arms: list[str], arm: str) -> dict[str, Any]:
    dashes = DASHES[arms.index(arm) % len(DASHES)]
    return {"color": colour(results, arm), "linestyle": dashes, "linewidth": 1.4, "alpha": 0.85}


def _draw_losses(results: Results, axes: Axes, arms: list[str], curve: Curve) -> Any:
    look = _look(results, arms, curve.cell.arm)
    (line,) = axes.plot(curve.updates, curve.losses, **look)
    if curve.kept is not None:
        near = min(range(len(curve.updates)), key=lambda i: abs(curve.updates[i] - curve.kept))  # type: ignore[operator]
        _dot(axes, curve.updates[near], curve.losses[near], look["color"])
    return line


def _draw_looks(results: Results, axes: Axes, arms: list[str], curve: Curve) -> None:
    look = _look(results, arms, curve.cell.arm)
    axes.plot(*zip(*curve.looks, strict=True), marker=".", markersize=4, **look)
    for update, value in curve.looks:
        if update == curve.kept:
            _dot(axes, update, value, look["color"])


def _dot(axes: Axes, x: float, y: float, shade: str) -> None:
    axes.plot([x], [y], marker="o", markersize=6, color=shade, linestyle="none", zorder=3)

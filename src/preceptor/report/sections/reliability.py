"""How often students are right against how sure they are, on the test set."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from preceptor.evaluate.calibration import calibration
from preceptor.report.frame import svg
from preceptor.report.frame.blocks import Block, Column, Figure, Prose, Row, Table, Value, words
from preceptor.report.frame.canvas import colour, dashes, drawn, marker, wrap
from preceptor.report.read.cell import Cell
from preceptor.report.read.groups import Group, arms_of, chosen
from preceptor.report.read.numbers import plural
from preceptor.report.read.predictions import read_predictions
from preceptor.report.read.results import Results
from preceptor.report.sections.accounts import number
from preceptor.report.words.verdict import group_title

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

_BINS = 10
_FEW = 5
"""a bin of fewer answers is not drawn: its share of right ones says little"""


def blocks(run: Path, results: Results, group: Group, name: str) -> Iterator[Block]:
    """The figure and its table; nothing where predictions hold no probabilities."""
    held: dict[str, dict[str, Any]] = {}
    for arm in arms_of(results, group):
        try:
            if found := _held(run, results, group, arm):
                held[arm] = found
        except ValueError as error:
            yield Prose((f"{arm}: what stands there as probabilities is none: {error}.",))
    if held:
        yield _figure(results, group, held, name)
        yield _table(results, group, held)


def _held(run: Path, results: Results, group: Group, arm: str) -> dict[str, Any] | None:
    """The calibration of an arm's chosen cells, their answers together; None without any."""
    import numpy as np

    labels = results.task.labels
    found = [
        part
        for cell, _ in chosen(results, group, arm)
        if (part := _probabilities(run, cell, group[1], len(labels))) is not None
    ]
    if not found:
        return None
    targets = [target for _, many in found for target in many]
    return calibration(np.concatenate([rows for rows, _ in found]), targets, labels, _BINS)


def _probabilities(
    run: Path, cell: Cell, reading: str, labels: int
) -> tuple[NDArray[Any], list[str]] | None:
    """A cell's probabilities on the test set, [answers, labels], and the right labels."""
    import numpy as np
    import pyarrow as pa

    wanted = ("split", "reading", "target", "probabilities")
    try:
        table = read_predictions(run, cell, wanted)
    except (OSError, pa.ArrowException):
        return None  # told where the page says what is wrong with the folder
    if table is None or set(wanted) - set(table.column_names):
        return None
    rows = [
        row
        for row in table.to_pylist()
        if (row["split"], row["reading"]) == ("test", reading) and row["probabilities"]
    ]
    if not rows:
        return None
    if any(len(row["probabilities"]) != labels for row in rows):
        raise ValueError(f"not one for each of the {labels} labels")
    return np.array([row["probabilities"] for row in rows]), [row["target"] for row in rows]


def _figure(results: Results, group: Group, held: dict[str, dict[str, Any]], name: str) -> Figure:
    told = "; ".join(
        f"{arm}: {_percent(one['confidence'])} % sure, {_percent(one['accuracy'])} % right"
        for arm, one in held.items()
    )
    out: list[str] = []
    alt = f"How often {group_title(results, group)} is right against how sure it is. {told}"
    with drawn(name, 3.3 + 0.2 * ((len(held) + 1) // 2), out, alt) as axes:
        axes.plot([0, 100], [0, 100], color=svg.INK, linestyle="--", linewidth=0.9, zorder=1)
        for arm, one in held.items():
            _draw(results, axes, arm, one["bins"])
        axes.set_ylim(0, 103)
        axes.set_xlim(0, 103)
        axes.set_xlabel("Probability of the likeliest label, %")
        axes.set_ylabel("Right, %")
        axes.grid(axis="y")
        axes.figure.legend(loc="outside lower left", ncols=2, handlelength=2.6)
    caption = (
        f"{group_title(results, group)}: how often the likeliest label is right on the test set, "
        "by its probability, seeds together. On the dashed diagonal a student is as often right "
        f"as it is sure; below it, surer than it should be. Bins of fewer than {_FEW} answers are "
        "left out."
    )
    return Figure(name, caption, out[0])


def _draw(results: Results, axes: Axes, arm: str, bins: list[dict[str, Any]]) -> None:
    shown = [one for one in bins if one["count"] >= _FEW]
    look: dict[str, Any] = {"marker": marker(results, arm), "linestyle": dashes(results, arm)}
    axes.plot(
        [100 * one["confidence"] for one in shown],
        [100 * one["accuracy"] for one in shown],
        color=colour(results, arm),
        markersize=5,
        linewidth=1.4,
        label=wrap(arm),
        **look,
    )


def _table(results: Results, group: Group, held: dict[str, dict[str, Any]]) -> Table:
    seeds = {arm: sum(1 for _ in chosen(results, group, arm)) for arm in held}
    most = plural(max(seeds.values()), "seed")
    return Table(
        name="reliability",
        caption=f"{group_title(results, group)}: how sure it is, and how often right, on the test "
        f"set; answers of up to {most} together.",
        columns=(
            Column("arm", "Arm", numeric=False),
            Column("n", "Answers"),
            Column("confidence", "Sure, %"),
            Column("accuracy", "Right, %"),
            Column("expected_calibration_error", "Calibration error, %"),
            Column("brier", "Brier score"),
        ),
        rows=tuple(_row(arm, one) for arm, one in held.items()),
        context=(("student", group[0]), ("reading", group[1])),
        notes=(
            f"Calibration error: the mean gap between the two over {_BINS} bins, weighed by their "
            "answers. Brier score: 0 is best, 2 worst.",
        ),
    )


def _row(arm: str, one: dict[str, Any]) -> Row:
    shares = ("confidence", "accuracy", "expected_calibration_error")
    return Row(
        (
            words(arm),
            number(one["n"]),
            *(Value(_percent(one[key]), one[key]) for key in shares),
            Value(f"{one['brier']:.3f}", one["brier"]),
        )
    )


def _percent(value: float) -> str:
    return f"{100 * value:.1f}"

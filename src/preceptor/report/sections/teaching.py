"""The teacher that was tuned: what it learnt from, and whether its probabilities hold."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from statistics import fmean
from typing import TYPE_CHECKING

from preceptor.report.frame import svg
from preceptor.report.frame.blocks import Column, Figure, Row, Table, Value, missing, words
from preceptor.report.frame.canvas import panels
from preceptor.report.read.measures import is_text
from preceptor.report.read.numbers import count, duration, listed, plural
from preceptor.report.read.results import Results
from preceptor.report.read.tuning import ANNOTATE, Bin, Calibration, Tuning
from preceptor.report.sections.accounts import number

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_GAPS = (
    "Expected calibration error: the mean gap between the probability of the likeliest label and "
    "how often it is right, over bins of equal width; 0 at best. Brier score: the squared distance "
    "of all probabilities from the truth; 0 at best, 2 at worst."
)


def _roles(results: Results) -> dict[tuple[str, str], list[Tuning]]:
    """The tunings by teacher and role; a list holds one for every draw seed."""
    found: dict[tuple[str, str], list[Tuning]] = {}
    for teacher in results.teachers:
        for one in teacher.tunings:
            found.setdefault((teacher.name, one.role), []).append(one)
    return found


def role_title(results: Results, role: str) -> str:
    """What a teacher was tuned for, in words."""
    if role == ANNOTATE:
        return "answers texts" if is_text(results) else "labels texts"
    return f"writes rows ({role.partition('-')[2]})" if role.startswith("create-") else role


def tunings_table(results: Results) -> Table | None:
    """What every teacher learnt from and how well its probabilities hold; None without any."""
    roles = _roles(results)
    if not roles:
        return None
    table = Table(
        name="tunings",
        caption="Tuned teachers: a model of its own for every role and seed, means over seeds.",
        columns=(
            Column("teacher", "Teacher", numeric=False),
            Column("role", "Role", numeric=False),
            Column("seeds", "Seeds"),
            Column("rows", "Learnt from", group="Human rows"),
            Column("kept_out", "Kept out", group="Human rows"),
            Column("updates", "Done", group="Updates"),
            Column("best_update", "Kept", group="Updates"),
            Column("seconds", "Time"),
            Column("accuracy", "Accuracy, %", group="On validation"),
            Column("calibration_error", "Calibration error, %", group="On validation"),
            Column("brier", "Brier", group="On validation"),
        ),
        rows=tuple(_row(results, key, found) for key, found in roles.items()),
        notes=tuple(_notes(results, roles)),
    )
    unsure = not any(_calibrations(found) for found in roles.values())
    return table.without("accuracy", "calibration_error", "brier") if unsure else table


def _calibrations(found: Sequence[Tuning]) -> list[Calibration]:
    return [one.calibration for one in found if one.calibration.n]


def _row(results: Results, key: tuple[str, str], found: Sequence[Tuning]) -> Row:
    held = _calibrations(found)
    return Row(
        (
            words(key[0]),
            words(role_title(results, key[1])),
            number(len(found)),
            _mean([one.rows for one in found]),
            _mean([one.kept_out for one in found]),
            _mean([one.updates for one in found]),
            _mean([one.best_update for one in found]),
            _mean([one.seconds for one in found], duration),
            ranged([one.accuracy for one in held], percent, "it was asked for no label"),
            ranged(
                [one.expected_calibration_error for one in held],
                percent,
                "it was asked for no label",
            ),
            ranged([one.brier for one in held], lambda v: f"{v:.3f}", "it was asked for no label"),
        )
    )


def _rounded(value: float) -> str:
    return count(round(value, 1))


def percent(value: float) -> str:
    """A share as ``63.6``, for a column whose heading says %."""
    return f"{100 * value:.1f}"


def _mean(values: Sequence[float | None], show: Callable[[float], str] = _rounded) -> Value:
    known = [value for value in values if value is not None]
    return number(fmean(known) if known else None, show)


def ranged(values: Sequence[float | None], show: Callable[[float], str], why: str) -> Value:
    """The mean over seeds, below it the lowest and the highest seed; ``why`` there is none."""
    known = [value for value in values if value is not None]
    if not known:
        return missing(why)
    low, high = show(min(known)), show(max(known))
    return Value(show(fmean(known)), fmean(known), under=f"{low} to {high}" if low != high else "")


def _notes(results: Results, roles: dict[tuple[str, str], list[Tuning]]) -> Iterator[str]:
    if any(one.kept_out for found in roles.values() for one in found):
        yield "Rows kept out are human training rows too; the weights with least loss on them stay."
    if any(_calibrations(found) for found in roles.values()):
        yield (
            "Accuracy and calibration are those on the study's validation split, which no teacher "
            "learns from; below them the lowest and the highest seed."
        )
        yield _GAPS
    for teacher in results.teachers:
        if teacher.tunings and teacher.identity.get("tuned_from"):
            yield f"{teacher.name} was tuned by another run, and taken from there."
    for (name, role), found in roles.items():
        if left := sum(len(one.left_out) for one in found):
            rows = plural(left, "human row")
            yield f"{name}, {role_title(results, role)}: {rows} did not fit it, summed over seeds."
    yield from _precision(roles)


def _precision(roles: dict[tuple[str, str], list[Tuning]]) -> Iterator[str]:
    precisions = {one.precision for found in roles.values() for one in found if one.precision}
    if precisions:
        yield f"Tuned in {listed(sorted(precisions))}."


def pooled(found: Sequence[Calibration]) -> list[Bin]:
    """The bins of several seeds together, every row counting the same; empty ones left out."""
    edges = dict.fromkeys((one.low, one.high) for held in found for one in held.bins)
    together = [
        [one for held in found for one in held.bins if (one.low, one.high) == edge and one.count]
        for edge in sorted(edges)
    ]
    return [_pooled(bins) for bins in together if bins]


def _pooled(bins: Sequence[Bin]) -> Bin:
    total = sum(one.count for one in bins)
    confidence = sum(one.count * (one.confidence or 0.0) for one in bins) / total
    accuracy = sum(one.count * (one.accuracy or 0.0) for one in bins) / total
    return Bin(
        low=bins[0].low, high=bins[0].high, count=total, confidence=confidence, accuracy=accuracy
    )


def reliability_figures(results: Results) -> list[Figure]:
    """For every teacher that labels: how often it is right against how sure it is."""
    held = {
        name: _calibrations(found)
        for (name, role), found in _roles(results).items()
        if role == ANNOTATE
    }
    return [
        _reliability(teacher, found, f"reliability-{index}")
        for index, (teacher, found) in enumerate(held.items(), 1)
        if pooled(found)
    ]


def _reliability(teacher: str, found: Sequence[Calibration], name: str) -> Figure:
    bins, out = pooled(found), list[str]()
    told = "; ".join(
        f"{percent(one.confidence or 0.0)} % sure, {percent(one.accuracy or 0.0)} % right "
        f"({plural(one.count, 'row')})"
        for one in bins
    )
    alt = f"How often {teacher} is right against how sure it is, on validation: {told}"
    with panels(name, 4.5, out, alt, (3, 1)) as (above, below):
        _draw_reliability(above, bins)
        below.bar(
            [50 * (one.low + one.high) for one in bins],
            [one.count for one in bins],
            width=[100 * (one.high - one.low) for one in bins],
            color=svg.SERIES[0],
            edgecolor=svg.PAPER,
            linewidth=1.2,
        )
        below.set_ylabel("Rows")
        below.set_xlabel("Probability of the likeliest label, %")
        below.set_xlim(0, 100)
    seeds = f", {plural(len(found), 'seed')} together" if len(found) > 1 else ""
    caption = (
        f"{teacher}, tuned: how often the likeliest label is right on validation, by its "
        f"probability{seeds}. On the dashed diagonal it is as often right as it is sure; below "
        "it is surer than it should be. Bars count the rows of each bin."
    )
    return Figure(name, caption, out[0])


def _draw_reliability(axes: Axes, bins: Sequence[Bin]) -> None:
    sure = [100 * (one.confidence or 0.0) for one in bins]
    right = [100 * (one.accuracy or 0.0) for one in bins]
    axes.plot([0, 100], [0, 100], color=svg.INK, linestyle="--", linewidth=0.9, zorder=1)
    for x, y in zip(sure, right, strict=True):
        axes.plot([x, x], [x, y], color=svg.SERIES[3], linewidth=2, alpha=0.6, zorder=2)
    axes.plot(sure, right, color=svg.SERIES[2], marker="o", markersize=6, linewidth=1.4, zorder=3)
    axes.set_ylim(0, 103)
    axes.set_ylabel("Right, %")
    axes.grid(axis="y")

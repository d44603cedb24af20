"""How much of the way from the repeated human data to the true labels made data go."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean

from preceptor.report.frame.blocks import Column, Row, Table, Value, missing, words
from preceptor.report.read.groups import Group, chosen, control_cells, twin_of
from preceptor.report.read.measures import headline
from preceptor.report.read.numbers import LEVEL, metric
from preceptor.report.read.results import Results
from preceptor.report.read.sources import CONTROLS, arms_from, human_rows, made_rows, source_of
from preceptor.report.words.verdict import group_title

_FEWEST = 3
"""seeds below which no interval is given: a variance of two numbers says next to nothing"""
_NOT_ABOVE = "gold is not better than it, so there is no way to go"
_UNBOUNDED = "no interval: from seed to seed gold is not surely better than where the way begins"
_FEW = f"no interval with fewer than {_FEWEST} seeds"


@dataclass(frozen=True, slots=True)
class Way:
    """How far an arm goes from a control to ``gold``.

    Attributes:
        arm: the arm.
        start: where the way begins: an arm of ``repeat``, else of ``none``.
        end: an arm of ``gold``.
        scores: of every seed that the three have, their scores in this order.
        lower_is_better: the direction of the score.
    """

    arm: str
    start: str
    end: str
    scores: tuple[tuple[float, float, float], ...]
    lower_is_better: bool = False

    @property
    def gained(self) -> list[float]:
        """What the arm is better than the start, a number a seed."""
        return [(ours - start) * self._sign for ours, start, _ in self.scores]

    @property
    def whole(self) -> list[float]:
        """What gold is better than the start, a number a seed."""
        return [(gold - start) * self._sign for _, start, gold in self.scores]

    @property
    def _sign(self) -> int:
        return -1 if self.lower_is_better else 1

    @property
    def share(self) -> float | None:
        """The part of the way; None where gold is not better than the start."""
        whole = fmean(self.whole)
        return fmean(self.gained) / whole if whole > 0 else None


def ways(results: Results, group: Group) -> list[Way]:
    """Every made arm of a student that has a ``gold`` to be set beside, and a start."""
    return list(_ways(results, group))


def _ways(results: Results, group: Group) -> Iterator[Way]:
    name = headline(results, group[1])
    for arm in dict.fromkeys(cell.arm for cell, _ in chosen(results, group)):
        if source_of(results, arm) in CONTROLS:
            continue
        end = _nearest(results, group, arm, "gold")
        start = _nearest(results, group, arm, "repeat") or _nearest(results, group, arm, "none")
        if start is None or end is None:
            continue
        sides = [_scores(results, group, one, name) for one in (arm, start, end)]
        shared = [seed for seed in sides[0] if all(seed in side for side in sides)]
        if shared:
            scores = tuple((sides[0][s], sides[1][s], sides[2][s]) for s in shared)
            yield Way(arm, start, end, scores, metric(name).lower_is_better)


def _nearest(results: Results, group: Group, arm: str, source: str) -> str | None:
    """Of the arms from a source with as many human rows, the one nearest in made rows."""
    human, made = human_rows(results, arm), made_rows(results, arm) or 0
    known = arms_from(results, group, source)
    known = known or arms_from(results, twin_of(results, group), source)
    alike = [a for a in known if human_rows(results, a) == human]
    return min(alike, key=lambda a: abs((made_rows(results, a) or 0) - made), default=None)


def _scores(results: Results, group: Group, arm: str, name: str) -> dict[int, float]:
    found = {c.seed: getattr(m, name, None) for c, m in control_cells(results, group, arm)}
    return {seed: score for seed, score in found.items() if score is not None}


def fieller(first: Sequence[float], second: Sequence[float]) -> tuple[float, float] | None:
    """The 95 % interval of the ratio of two means of paired numbers.

    Fieller, Some Problems in Interval Estimation (Journal of the Royal Statistical Society B 16,
    1954): the ratios r at which the mean of ``first - r * second`` is not told from 0 by a t test
    with n - 1 degrees of freedom. Unlike the delta method it does not take the ratio for normal,
    which it is not where the second mean is small beside how much it varies.

    Args:
        first: the numerators, one a seed.
        second: the denominators, of the same seeds.

    Returns:
        Its ends; None with fewer than three pairs, or where the second mean is not told from 0,
        so that the interval has no ends.
    """
    n = len(first)
    if n < _FEWEST:
        return None
    from scipy.stats import t

    above, below = fmean(first), fmean(second)
    square = float(t.ppf(0.975, n - 1)) ** 2 / n
    a = below**2 - square * _covariance(second, second)
    b = above * below - square * _covariance(first, second)
    c = above**2 - square * _covariance(first, first)
    if a <= 0:
        return None
    # Rounding alone takes what is under the root below 0: at above / below the test is passed.
    root = math.sqrt(max(0.0, b * b - a * c))
    return (b - root) / a, (b + root) / a


def _covariance(first: Sequence[float], second: Sequence[float]) -> float:
    mean, other = fmean(first), fmean(second)
    products = ((x - mean) * (y - other) for x, y in zip(first, second, strict=True))
    return math.fsum(products) / (len(first) - 1)


def way_table(results: Results, group: Group) -> Table | None:
    """Every made arm's part of the way; None where the study has no arm to measure it by."""
    found = ways(results, group)
    if not found:
        return None
    ends = {(way.start, way.end) for way in found}
    start, end = ends.copy().pop() if len(ends) == 1 else ("its start", "its end")
    title = metric(headline(results, group[1])).title
    table = Table(
        name="way",
        caption=f"{group_title(results, group)}: how much of the way in {title} each arm goes "
        f"from {start} to {end}, which has the true labels of the pool.",
        columns=(
            Column("arm", "Arm", numeric=False),
            Column("start", "Start", numeric=False),
            Column("end", "End", numeric=False),
            Column("seeds", "Seeds"),
            Column("gained", "The arm", group=f"Better than {start} by"),
            Column("whole", "The end" if len(ends) > 1 else end, group=f"Better than {start} by"),
            Column("share", "Of the way, %"),
        ),
        rows=tuple(_row(results, group, way) for way in found),
        context=(("student", group[0]), ("reading", group[1])),
        notes=_notes(found),
    )
    return table.without("start", "end") if len(ends) == 1 else table


def _row(results: Results, group: Group, way: Way) -> Row:
    show = metric(headline(results, group[1]))
    gained, whole = fmean(way.gained), fmean(way.whole)
    return Row(
        (
            words(way.arm),
            words(way.start),
            words(way.end),
            Value(str(len(way.scores)), len(way.scores)),
            Value(show.change(gained), gained),
            Value(show.change(whole), whole),
            _share(way),
        )
    )


def _share(way: Way) -> Value:
    if way.share is None:
        return missing(_NOT_ABOVE)
    text = metric("accuracy").show(way.share)
    ends = fieller(way.gained, way.whole)
    if ends is None:
        return Value(text, way.share, under="no interval", title=_why(way))
    low, high = ends
    return Value(text, way.share, low, high, metric("accuracy").span(low, high))


def _notes(found: Sequence[Way]) -> tuple[str, ...]:
    """What the shares are, what their intervals cover, and why some have none."""
    notes = [
        "Of the way: what the arm is better by, over what the true labels are better by, of mean "
        "scores over the seeds that all three have; 100 is as good as true labels.",
    ]
    if len({(way.start, way.end) for way in found}) > 1:
        notes.append("Start and end have an arm's human rows and, of these, most nearly its size.")
    known = [way for way in found if way.share is not None]
    bounded = [way for way in known if fieller(way.gained, way.whole)]
    if bounded:
        notes.append(
            f"Below it the {LEVEL} interval of the ratio by Fieller's method, paired by seed; it "
            "covers seeds alone, not the test items."
        )
    whys = dict.fromkeys(_why(way) for way in known if way not in bounded)
    return (*notes, *(f"{why[:1].upper()}{why[1:]}." for why in whys))


def _why(way: Way) -> str:
    """Why a share has no interval."""
    return _FEW if len(way.scores) < _FEWEST else _UNBOUNDED

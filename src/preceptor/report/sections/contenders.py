"""Who is held against whom: every student at its best arm, and every way a teacher answered."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import fmean

from preceptor.report.frame.blocks import Value
from preceptor.report.read.cell import Cell
from preceptor.report.read.groups import Group, arms_of, chosen, first_reading, students
from preceptor.report.read.measures import chosen_by, headline, is_text
from preceptor.report.read.numbers import metric
from preceptor.report.read.results import Results
from preceptor.report.read.served import Measured, Serving
from preceptor.report.sections.tables import mean_of, score_of

_WRITTEN = "generation"
_OWN = ("embedded", "vllm", "tuned")
"""engines that answer on the machine of the run"""
ENOUGH = 20
"""timed answers below which 95 % of them are all of them"""
_HOUR = 3600
_THOUSAND = 1000


@dataclass(frozen=True, slots=True)
class Contender:
    """A student trained on one arm, or a teacher asked in one way.

    Attributes:
        name: the student's, or the baseline's.
        arm: what a student was trained on; None of a teacher.
        score: the headline metric on the test set.
        seeds: how many seeds that is the mean of.
        servings: what answering took, one a seed.
        parameters: of the model, where they are known.
        tokens_cost: what the tokens of 1,000 answers cost, where they have a price.
        currency: of that.
        own: whether it answers on the machine of the run.
    """

    name: str
    arm: str | None
    score: Value
    seeds: int
    servings: tuple[Serving, ...]
    parameters: int | None = None
    tokens_cost: float | None = None
    currency: str | None = None
    own: bool = True

    @property
    def mean(self) -> float | None:
        """The score as a number."""
        return self.score.raw if isinstance(self.score.raw, int | float) else None

    @property
    def p50(self) -> float | None:
        """The median time of one answer in milliseconds, mean over seeds."""
        return average(one.latency_p50_ms for one in self.servings)

    @property
    def p95(self) -> float | None:
        """What 95 % of the answers stay under, in milliseconds, mean over seeds that timed enough
        answers for it."""
        return average(one.latency_p95_ms for one in self.servings if one.items >= ENOUGH)

    @property
    def rate(self) -> float | None:
        """Answers a second in batches, mean over seeds."""
        return average(one.answers_per_second for one in self.servings)

    @property
    def machine(self) -> float | None:
        """Seconds of the run's machine for 1,000 answers."""
        return _THOUSAND / self.rate if self.own and self.rate else None

    @property
    def memory(self) -> int | None:
        """The most bytes that answering took under any seed."""
        return max((m for one in self.servings if (m := one.memory_bytes)), default=None)

    @property
    def stored(self) -> int | None:
        """Bytes of its weights on disk."""
        return max((b for one in self.servings if (b := one.weights_bytes)), default=None)

    def cost(self, results: Results) -> tuple[float, str] | None:
        """What 1,000 answers cost: their tokens, or the machine's time where it has a price."""
        if self.tokens_cost is not None:
            return self.tokens_cost, self.currency or ""
        if self.machine is None or results.report.hour_price is None:
            return None
        return self.machine / _HOUR * results.report.hour_price, results.report.currency


def average(values: Iterable[float | None]) -> float | None:
    """The mean of those that are known."""
    known = [value for value in values if value is not None]
    return fmean(known) if known else None


def group_of(results: Results, student: str) -> Group | None:
    """A student with the reading that it answers by; None if it was not scored on the test set.

    Of a text task that is writing, where it writes; a reading that only foresees answers nothing.
    """
    written = [
        cell
        for cell in results.cells
        if cell.student == student and _WRITTEN in cell.splits.get("test", {})
    ]
    if is_text(results) and written:
        return student, _WRITTEN
    reading = first_reading(results, student)
    return (student, reading) if reading else None


def best_arm(results: Results, group: Group) -> str:
    """The arm that did best on validation, in the mean over seeds; the first without any."""
    by, arms = chosen_by(results, group[0]), arms_of(results, group)
    found = {arm: _on_validation(results, group, arm, by) for arm in arms} if by else {}
    known = {arm: value for arm, value in found.items() if value is not None}
    if not known or by is None:
        return arms[0]
    best = min if metric(by).lower_is_better else max
    return best(known, key=lambda arm: known[arm])


def _on_validation(results: Results, group: Group, arm: str, by: str) -> float | None:
    """By the first reading that has the figure, as cells are chosen."""
    cells = [cell for cell, _ in chosen(results, group, arm)]
    return average(_figure(cell, by) for cell in cells)


def _figure(cell: Cell, by: str) -> float | None:
    readings = cell.splits.get("validation", {}).values()
    known = (getattr(metrics, by, None) for metrics in readings)
    return next((value for value in known if value is not None), None)


def student_of(results: Results, group: Group) -> Contender:
    """A student at its best arm, its chosen cells together."""
    arm = best_arm(results, group)
    cells = [cell for cell, _ in chosen(results, group, arm)]
    sizes = [cell.total_parameters for cell in cells if cell.total_parameters]
    score = score_of(results, group, arm, headline(results, group[1]))
    servings = tuple(cell.serving for cell in cells)
    return Contender(group[0], arm, score, len(cells), servings, max(sizes, default=None))


def teachers_of(results: Results) -> list[Contender]:
    """Every way in which a teacher answered the test items."""
    asked = [one for one in results.baselines if one.teacher and one.split == "test"]
    by_name: dict[str, list[Measured]] = {}
    for one in asked:
        by_name.setdefault(one.name, []).append(one)
    return [_teacher(results, name, found) for name, found in by_name.items()]


def _teacher(results: Results, name: str, found: list[Measured]) -> Contender:
    engine = next((t.engine for t in results.teachers if t.name == found[0].teacher), "")
    cost = average(_tokens_cost(one) for one in found)
    return Contender(
        name,
        None,
        mean_of(headline(results), [one.metrics for one in found]),
        len(found),
        tuple(one.serving for one in found),
        max((size for one in found if (size := one.serving.parameters)), default=None),
        cost,
        next(filter(None, map(_currency, found)), None),
        engine in _OWN,
    )


def _currency(one: Measured) -> str | None:
    return one.serving.currency or (one.usage.currency if one.usage else None)


def _tokens_cost(one: Measured) -> float | None:
    """Runs of earlier versions told what all the answers cost."""
    if one.serving.cost_per_1000 is not None:
        return one.serving.cost_per_1000
    if one.usage is None or one.usage.cost is None or not one.metrics.n:
        return None
    return _THOUSAND * one.usage.cost / one.metrics.n


def students_of(results: Results) -> list[Contender]:
    """Every student that was scored on the test set, in the order of the cells."""
    found = (group_of(results, student) for student in students(results))
    return [student_of(results, group) for group in found if group]


def strongest(teachers: list[Contender]) -> Contender | None:
    """The teacher with the highest score: what students are held against."""
    known = [one for one in teachers if one.mean is not None]
    return max(known, key=lambda one: one.mean or 0.0, default=None)

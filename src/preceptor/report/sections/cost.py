"""The tables of cost: what the teacher was asked, what training took, on what machine."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from statistics import fmean

from preceptor.report.frame.blocks import Column, Row, Table, missing, words
from preceptor.report.read.arms import Arm
from preceptor.report.read.cell import Cell
from preceptor.report.read.groups import students
from preceptor.report.read.numbers import count, duration, listed, money, short, size
from preceptor.report.read.results import Results, Teacher
from preceptor.report.read.usage import Usage
from preceptor.report.sections.accounts import asked, made, number

_USAGE_NOTES = (
    "Tokens and cost are those of all answers used, whenever they were paid; those from the "
    "cache had been paid before, by another run, a preview, or this run until it was stopped. "
    "Calls and time are those of the making that came to its end. Failed answers (cut off, "
    "refused, empty) cost what their tokens cost, and are in the cost of a kept row.",
    "In the whole run every answer counts once: one that several arms or seeds use stands in the "
    "row of each, and the rows add up to more. It holds the teacher's baselines too, what this "
    "run paid before it was stopped, and what was paid for parts that were made anew.",
)

NOT_CALLED = "it answers in this process, without calls"
_TUNED = "tuned"
_COUNTS, _COSTS = 5, 3
"""columns of counts before the time, and of costs after it"""


def usage_table(results: Results) -> Table | None:
    """What the teacher was asked, per arm and in all."""
    rows = [_arm_row(name, arm) for name, arm in _used(results)]
    rows += [_usage_row(name, _sum(used)) for name, used in _asked_baselines(results).items()]
    rows += [_whole_row(results, t) for t in results.teachers if t.usage]
    if not rows:
        return None
    return Table(
        name="teacher",
        caption="What the teacher was asked, by arm and baseline, summed over seeds.",
        columns=(
            Column("stage", "Stage", numeric=False),
            Column("calls", "Calls"),
            Column("cached", "From cache"),
            Column("failed", "Failed"),
            Column("prompt_tokens", "Prompt tokens"),
            Column("completion_tokens", "Answer tokens"),
            Column("seconds", "Time"),
            Column("cost", "of the answers used", group="Cost"),
            Column("cached_cost", "of that, paid before", group="Cost"),
            Column("row_cost", "per kept row", group="Cost"),
        ),
        rows=tuple(rows),
        notes=(*_USAGE_NOTES, *_apart(results), *_priced(results)),
    )


def _apart(results: Results) -> Iterator[str]:
    """What must be known of teachers that are not called."""
    arms = [name for name, arm in _used(results) if not any(seed.usage for seed in arm.seeds)]
    if arms:
        yield (
            f"{listed(arms)}: a tuned teacher answers in this process, without calls; its time is "
            "that of the arm's whole making."
        )


def _arm_row(name: str, arm: Arm) -> Row:
    """What an arm's teacher was asked; one that answered in this process has its time alone."""
    used = [seed.usage for seed in arm.seeds if seed.usage]
    if used:
        return _usage_row(name, _sum(used), kept=_kept(arm))
    return _in_process(name, _known(seed.seconds for seed in arm.seeds))


def _whole_row(results: Results, teacher: Teacher) -> Row:
    name, usage = f"{teacher.name}, whole run", teacher.usage or Usage()
    if usage.calls or usage.cached or teacher.engine != _TUNED:
        return _usage_row(name, usage, "total")
    of = [arm for _, arm in _used(results) if arm.teacher in (None, teacher.name)]
    return _in_process(name, _known(s.seconds for arm in of for s in arm.seeds), "total")


def _in_process(name: str, seconds: float | None, kind: str = "") -> Row:
    """A tuned teacher that labels or answers is not called: it has no calls, tokens and cost."""
    dashes = [missing(NOT_CALLED)] * _COUNTS
    costs = [missing(NOT_CALLED)] * _COSTS
    return Row((words(name), *dashes, number(seconds, duration), *costs), kind)


def _asked_baselines(results: Results) -> dict[str, list[Usage]]:
    """What the teachers' own answers to the test items took, by name."""
    found: dict[str, list[Usage]] = {}
    for one in results.baselines:
        if one.usage:
            found.setdefault(one.name, []).append(one.usage)
    return found


def _kept(arm: Arm) -> int:
    return sum(seed.kept for seed in arm.seeds if seed.usage)


def _priced(results: Results) -> Iterator[str]:
    """Which price each teacher's costs were reckoned by."""
    for teacher in results.teachers:
        if price := teacher.price:
            yield (
                f"{teacher.name}: {price.input:g} and {price.output:g} {price.currency} per million"
                f" tokens of prompts and answers, by {price.source}."
            )


def _used(results: Results) -> list[tuple[str, Arm]]:
    """The arms whose rows a teacher wrote, labelled or answered, by calls or in this process."""
    answered = asked(results)
    return [
        (name, arm)
        for name, arm in made(results).items()
        if name in answered or any(seed.usage for seed in arm.seeds)
    ]


def _sum(usages: Iterable[Usage]) -> Usage:
    all_of = list(usages)
    return Usage(
        calls=sum(u.calls for u in all_of),
        cached=sum(u.cached for u in all_of),
        failed=sum(u.failed for u in all_of),
        prompt_tokens=sum(u.prompt_tokens for u in all_of),
        completion_tokens=sum(u.completion_tokens for u in all_of),
        seconds=sum(u.seconds or 0.0 for u in all_of),
        cost=_known(u.cost for u in all_of),
        cached_cost=_known(u.cached_cost for u in all_of),
        currency=next((u.currency for u in all_of if u.currency), None),
    )


def _known(values: Iterable[float | None]) -> float | None:
    """The sum of those that are known; None where none is."""
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def _usage_row(name: str, usage: Usage, kind: str = "", kept: int = 0) -> Row:
    def show(cost: float) -> str:
        return money(cost, usage.currency)

    per_row = usage.cost / kept if usage.cost is not None and kept else None
    why = "it holds more than made rows" if kind else "no price was given or nothing kept"

    return Row(
        (
            words(name),
            number(usage.calls),
            number(usage.cached),
            number(usage.failed),
            number(usage.prompt_tokens),
            number(usage.completion_tokens),
            number(usage.seconds, duration),
            number(usage.cost, show, "no price was given"),
            number(usage.cached_cost, show, "no price was given"),
            number(per_row, show, why),
        ),
        kind,
    )


def training_table(results: Results) -> Table | None:
    """What training took, per student."""
    if not results.cells:
        return None
    rows = [
        _training_row(name, [c for c in results.cells if c.student == name])
        for name in students(results)
    ]
    return Table(
        name="training",
        caption="What training and scoring took, by student.",
        columns=(
            Column("student", "Student", numeric=False),
            Column("method", "Method", numeric=False),
            Column("cells", "Cells"),
            Column("trainable", "Trained parameters"),
            Column("total", "of all"),
            Column("updates", "Updates a cell"),
            Column("tokens", "Tokens a cell"),
            Column("seconds_cell", "Training a cell"),
            Column("scoring_seconds", "Scoring a cell"),
            Column("seconds", "Training in all"),
            Column("peak_memory_bytes", "Peak memory"),
            Column("precision", "Precision", numeric=False),
        ),
        rows=tuple(rows),
    )


def _training_row(student: str, cells: list[Cell]) -> Row:
    seconds = [cell.seconds for cell in cells if cell.seconds is not None]
    precision = sorted({cell.precision for cell in cells if cell.precision})
    return Row(
        (
            words(student),
            words(", ".join(sorted({c.method for c in cells if c.method}))),
            number(len(cells)),
            number(_most(c.trainable_parameters for c in cells), short),
            number(_most(c.total_parameters for c in cells), short),
            number(_mean(c.updates for c in cells)),
            number(_mean(c.tokens for c in cells), lambda value: count(round(value))),
            number(_mean(seconds), duration),
            number(_mean(c.scoring_seconds for c in cells), duration),
            number(sum(seconds) if seconds else None, duration),
            number(_most(c.peak_memory_bytes for c in cells), size),
            words(", ".join(precision)),
        )
    )


def _most(values: Iterable[int | None]) -> int | None:
    return max((value for value in values if value is not None), default=None)


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known else None


def environment_table(results: Results) -> Table | None:
    """Versions and machine."""
    if not results.environment:
        return None
    rows = tuple(Row((words(n), words(str(v)))) for n, v in results.environment.items())
    columns = (Column("name", "What", numeric=False), Column("value", "Which", numeric=False))
    return Table("environment", "What the run was made with.", columns, rows)

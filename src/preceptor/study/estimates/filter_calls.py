"""How often the filters of a study will ask its teachers, told before any call is made."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import fmean

from preceptor.augment import AnyOperation
from preceptor.augment.annotate import AnnotateSettings
from preceptor.augment.operation import rows_of
from preceptor.curate import FILTERS, unfit
from preceptor.data.splits import Splits
from preceptor.study.plan import Plan


@dataclass(frozen=True)
class FilterCalls:
    """What one filter asks about the rows of one arm, all seeds together.

    Attributes:
        title: filter and arm, for the table.
        teacher: its name in the study.
        rounds: calls that are put at once, round after round, where no row has to be made anew.
        at_most: where every row is rejected until the arm's calls are spent.
        characters: of a prompt, on average.
    """

    title: str
    teacher: str
    rounds: tuple[int, ...]
    at_most: int
    characters: float


def filter_calls(plan: Plan) -> Iterator[FilterCalls]:
    """Every filter that asks a teacher, for every arm; human examples stand for made ones.

    A filter that cannot judge an arm's rows asks nothing, and a tuned teacher is not asked.
    """
    needed = [name for name, _ in plan.arms]
    for arm, operation in plan.study.teaching().items():
        tuned = plan.tunings.teaching(operation) is not None
        if arm in needed and not tuned:
            yield from _of_arm(plan, arm, operation, needed.count(arm))


def _of_arm(
    plan: Plan, arm: str, operation: AnyOperation | AnnotateSettings, seeds: int
) -> Iterator[FilterCalls]:
    task, drawn = plan.study.task, plan.drawn(plan.draw_seeds[0])
    human, wanted, most = drawn.train, *_rows(operation, drawn)
    for name in FILTERS:
        settings = getattr(plan.study.curation, name)
        rounds = settings.rounds(wanted, len(human)) if hasattr(settings, "rounds") else ()
        if not rounds or unfit(name, task, operation.operation):
            continue
        asked = FILTERS[name].asked(settings, task, human)
        yield FilterCalls(
            f"{name} of arm {arm}",
            plan.study.teacher_of(operation),
            seeds * rounds,
            seeds * sum(settings.rounds(most, len(human))),
            fmean(sum(len(one.content) for one in call.messages) for call in asked),
        )


def _rows(operation: AnyOperation | AnnotateSettings, drawn: Splits) -> tuple[int, int]:
    """Rows that filters judge: those that are wanted, and at most."""
    wanted = rows_of(operation.amount, len(drawn.train))
    if isinstance(operation, AnnotateSettings):
        return min(wanted, len(drawn.unlabelled)), len(drawn.unlabelled)
    return wanted, rows_of(operation.max_requests, wanted)

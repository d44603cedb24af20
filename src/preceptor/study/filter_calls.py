"""How often the filters of a study will ask its teachers, told before any call is made."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import fmean

from preceptor.augment.operation import rows_of
from preceptor.curate import FILTERS
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
    """Every filter that asks a teacher, for every arm; human examples stand for made ones."""
    human = plan.drawn(plan.draw_seeds[0]).train
    needed = [name for name, _ in plan.arms]
    asking = {name: one for name in FILTERS if (one := getattr(plan.study.curation, name))}
    for arm, operation in plan.study.operations().items():
        seeds, wanted = needed.count(arm), rows_of(operation.amount, len(human))
        for name, settings in asking.items():
            rounds = settings.rounds(wanted, len(human)) if hasattr(settings, "rounds") else ()
            if not rounds or not seeds:
                continue
            most = settings.rounds(rows_of(operation.max_requests, wanted), len(human))
            asked = FILTERS[name].asked(settings, plan.study.task, human)
            yield FilterCalls(
                f"{name} of arm {arm}",
                plan.study.teacher_of(operation),
                seeds * rounds,
                seeds * sum(most),
                fmean(sum(len(one.content) for one in call.messages) for call in asked),
            )

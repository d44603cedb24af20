"""How varied the made rows of an arm are beside the human ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from preceptor.augment import AnyOperation
from preceptor.augment.create import ANSWER, CreateSettings
from preceptor.data.example import Example
from preceptor.evaluate.diversity import compare
from preceptor.study.plan import Plan
from preceptor.tasks import TextTask


def diversity(
    plan: Plan, name: str, human: Sequence[Example], made: Sequence[Example], seed: int
) -> dict[str, Any]:
    """The figures of :func:`preceptor.evaluate.diversity.compare` over what the teacher wrote.

    Fields that were taken over from a human example are left out on both sides.
    """
    arm = plan.study.operations()[name]

    def texts(examples: Sequence[Example]) -> list[str]:
        return [_written(plan, arm, example) for example in examples]

    return compare(texts(human), texts(made), seed)


def _written(plan: Plan, arm: AnyOperation, example: Example) -> str:
    task = plan.study.task
    fields = arm.written(task) if isinstance(arm, CreateSettings) else arm.reworded(example)
    values = {**example.inputs, **example.extra}
    if isinstance(task, TextTask):
        values[ANSWER], fields = str(example.target), (*fields, ANSWER)
    return "\n".join(values[field] for field in fields)

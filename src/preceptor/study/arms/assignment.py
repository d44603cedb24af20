"""What one arm asks of its teacher under one draw seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from preceptor.augment import AnyOperation
from preceptor.augment.annotate import AnnotateSettings
from preceptor.augment.operation import rows_of
from preceptor.data.example import Example
from preceptor.study.plan import Plan
from preceptor.tasks import AnyTask


@dataclass(frozen=True)
class Assignment:
    """One arm and seed, with the human examples that its rows are made beside.

    Attributes:
        plan: the study with its data.
        arm: the arm's name.
        human: the labelled examples.
        seed: the draw seed.
    """

    plan: Plan
    arm: str
    human: Sequence[Example]
    seed: int

    @property
    def settings(self) -> AnyOperation | AnnotateSettings:
        """What the teacher is to do."""
        return self.plan.study.teaching()[self.arm]

    @property
    def task(self) -> AnyTask:
        """What an example means."""
        return self.plan.study.task

    @property
    def wanted(self) -> int:
        """Rows that are to be kept."""
        return rows_of(self.settings.amount, len(self.human))

    @property
    def name(self) -> str:
        """What the ids of the made rows begin with."""
        return f"{self.arm}-{self.seed}"

    @property
    def title(self) -> str:
        """For progress bars."""
        return f"{self.arm}, seed {self.seed}"

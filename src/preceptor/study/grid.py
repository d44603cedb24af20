"""Cells of a study: arms x students x settings x seeds, in the order in which they are run."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter

from preceptor.study.spec import AnyStudent, Study
from preceptor.tune.methods import MethodSettings

_METHOD: TypeAdapter[Any] = TypeAdapter(MethodSettings)
CONTROLS = ("none", "repeat")
"""the operations of arms that other arms are compared with"""


@dataclass(frozen=True)
class Cell:
    """The smallest thing that is trained and scored: arm x student x setting x seed."""

    arm: str
    student: str
    setting: tuple[tuple[str, Any], ...]
    seed: int

    @property
    def setting_name(self) -> str:
        """The grid's values as text ("alpha=32"), or "default"."""
        return ",".join(f"{key}={value}" for key, value in self.setting) or "default"

    @property
    def id(self) -> str:
        """The cell's name; its folder below ``cells/``."""
        return f"{self.student}/{self.setting_name}/{self.arm}/seed-{self.seed}"

    def method(self, student: AnyStudent) -> MethodSettings:
        """The student's method with this cell's grid values in it."""
        values = {**student.method.model_dump(), **dict(self.setting)}
        method: MethodSettings = _METHOD.validate_python(values)
        return method


def cells_of(study: Study) -> Iterator[Cell]:
    """All cells, so that every comparison is complete as early as it can be.

    What is compared is an arm and a control (`none`, `repeat`), of one student under one seed,
    each at the setting that validation chose among all of its settings. So seeds come first, and
    no arm is ever more than one seed ahead of another; below them students, so that cells of the
    same weights follow each other; then arms, controls first; and settings last: the first
    comparison is complete after two arms' settings, each further one after one arm's.
    """
    for seed, (name, student) in itertools.product(study.seeds, study.students.items()):
        if seed in study.seeds[: student.seeds]:
            for arm in _controls_first(study, student.arms or study.arms):
                for setting in _settings(student):
                    yield Cell(arm, name, setting, seed)


def _controls_first(study: Study, arms: Iterable[str]) -> list[str]:
    """The arms in the study's order, those that others are compared with before all others.

    An arm that is not there is told elsewhere; see :mod:`preceptor.study.students`.
    """
    made = {name for name, arm in study.arms.items() if arm.operation not in CONTROLS}
    return sorted(arms, key=lambda name: name in made)


def _settings(student: AnyStudent) -> Iterator[tuple[tuple[str, Any], ...]]:
    names = list(student.grid)
    for values in itertools.product(*student.grid.values()):
        yield tuple(zip(names, values, strict=True))

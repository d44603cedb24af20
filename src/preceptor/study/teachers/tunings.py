"""Which teachers a study tunes, for what, from what, and where they lie."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from preceptor.augment import AnyOperation
from preceptor.augment.annotate import AnnotateSettings
from preceptor.curate.read_back import TunedLabels
from preceptor.llm.settings import TunedSettings
from preceptor.models.files import model_hash
from preceptor.models.weights import Weights, resolve
from preceptor.store.parts import Part
from preceptor.study.spec import Study

ANNOTATE = "annotate"
"""the role of a teacher that labels or answers: it reads and writes as a decoder student does"""
_STAGE = 1
_SERVING = {"stands_for", "serve", "parameters", "batch_tokens", "tuned_from"}
"""settings that play no part in how a teacher is tuned"""


@dataclass(frozen=True)
class Tuning:
    """A teacher as it is tuned for one thing under one draw seed.

    Attributes:
        teacher: its name in the study.
        role: ``annotate``, or ``create-ARM`` with the first arm that asks in this form.
        seed: the draw seed.
    """

    teacher: str
    role: str
    seed: int

    @property
    def arm(self) -> str | None:
        """The arm in whose form it creates; None for one that annotates."""
        return self.role.partition("-")[2] or None

    @property
    def place(self) -> str:
        """Its folder below that of all teachers."""
        return f"{self.teacher}/{self.role}/seed-{self.seed}"


@dataclass(frozen=True)
class Tunings:
    """The tuned teachers of a study.

    Attributes:
        study: the study.
        base_dir: the folder that relative paths start from.
        out: the run folder.
        arms: arm and draw seed of every training set that is needed; called when they are
            needed, since a study may name arms that are not there.
        draw_seeds: the seeds that draw labelled subsets.
        data: the fingerprint of the examples; called when it is needed, since data may be wrong.
    """

    study: Study
    base_dir: Path
    out: Path
    arms: Callable[[], Sequence[tuple[str, int]]]
    draw_seeds: Sequence[int]
    data: Callable[[], str]

    def settings(self, name: str) -> TunedSettings | None:
        """The settings of a teacher, where it is one that is tuned."""
        teacher = self.study.teachers.get(name)
        return teacher if isinstance(teacher, TunedSettings) else None

    def teaching(self, arm: AnyOperation | AnnotateSettings) -> TunedSettings | None:
        """The settings of an arm's teacher, where it is one that is tuned."""
        return self.settings(self.study.teacher_of(arm))

    def answering(self, name: str, draw_seed: int) -> Tuning | None:
        """A teacher that labels or answers; None for one that is taken as it comes."""
        return Tuning(name, ANNOTATE, draw_seed) if self.settings(name) else None

    def of_arm(self, arm: str, draw_seed: int) -> Tuning | None:
        """The teacher of an arm; None for one that is taken as it comes."""
        study = self.study
        settings = study.teaching()[arm]
        name = study.teacher_of(settings)
        if self.settings(name) is None or isinstance(settings, AnnotateSettings):
            return self.answering(name, draw_seed)
        form = self._form(settings)
        alike = (
            other
            for other, one in study.operations().items()
            if study.teacher_of(one) == name and self._form(one) == form
        )
        return Tuning(name, f"create-{next(alike)}", draw_seed)

    def reading_back(self, arm: str, draw_seed: int) -> Tuning | None:
        """The annotating half of a creating teacher, where it judges what was written."""
        judges = isinstance(self.study.curation.labels, TunedLabels)
        writes = arm in self.study.operations()
        name = self.study.teacher_of(self.study.teaching()[arm])
        return self.answering(name, draw_seed) if judges and writes else None

    def _form(self, arm: AnyOperation) -> dict[str, Any]:
        """What a creating teacher's examples look like."""
        fields = {"operation", "keep", "write", "label", "shown"}
        template = arm.template(self.base_dir, tuned=True)
        return {**arm.model_dump(mode="json", include=fields), "prompt": template}

    @cached_property
    def all(self) -> list[Tuning]:
        """All that arms, students and baselines need, each once."""
        teaching = self.study.teaching()
        arms = [(name, seed) for name, seed in self.arms() if name in teaching]
        found = [self.of_arm(name, seed) for name, seed in arms]
        found += [self.reading_back(name, seed) for name, seed in arms]
        for name in self._asked_itself():
            found += [self.answering(name, seed) for seed in self.draw_seeds]
        return list(dict.fromkeys(one for one in found if one is not None))

    @property
    def own(self) -> list[Tuning]:
        """Those that this run makes, and does not take from another."""
        return [one for one in self.all if self._of(one).tuned_from is None]

    def _asked_itself(self) -> list[str]:
        """The teachers whose own answers are scored or whose probabilities a student learns."""
        study = self.study
        if study.baselines.teacher:
            return list(study.teachers)
        distilled = (one.distill for one in study.students.values() if one.distill)
        return [one.teacher for one in distilled if one.teacher]

    def _of(self, tuning: Tuning) -> TunedSettings:
        settings = self.settings(tuning.teacher)
        assert settings is not None
        return settings

    def weights(self, tuning: Tuning) -> Weights:
        """What a teacher is tuned from."""
        settings = self._of(tuning)
        found = resolve(settings.weights, self.base_dir).pinned()
        return replace(found, rounded=settings.load_in_4bit)

    def folder(self, tuning: Tuning) -> Path:
        """Where a tuned teacher lies: in this run, or in the one that it is taken from."""
        given = self._of(tuning).tuned_from
        if given is None:
            return self.part(tuning).folder
        place = Path(tuning.role) / f"seed-{tuning.seed}"
        return self.base_dir / Path(given).expanduser() / place

    def part(self, tuning: Tuning) -> Part:
        """One tuned teacher as a part of the run."""
        study = self.study
        made_from = {
            "stage": _STAGE,
            "data": self.data(),
            "draw_seed": tuning.seed,
            f"teachers.{tuning.teacher}": self._of(tuning).model_dump(
                mode="json", exclude=_SERVING
            ),
            "weights": self.weights(tuning).identity(),
            "task": study.task.model_dump(mode="json", exclude={"descriptions", "about"}),
            "too_long": study.data.too_long,
        }
        if tuning.arm is not None:
            made_from["form"] = self._form(study.operations()[tuning.arm])
        return Part(self.out / "teachers" / tuning.place, made_from)

    def identity(self, tuning: Tuning) -> dict[str, Any]:
        """What tells a tuned teacher from others: how it was tuned, or the model it became."""
        settings = self._of(tuning)
        told = {"tuned": self.part(tuning).fingerprint}
        if settings.tuned_from is not None:
            told = {"model": model_hash(self.folder(tuning) / "model")}
        return {**told, "parameters": dict(settings.parameters)}

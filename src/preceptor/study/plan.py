"""A study with its data at hand, and the parts of a run folder that it becomes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from preceptor import curate
from preceptor.augment import AnyOperation, annotate
from preceptor.augment.annotate import AnnotateSettings
from preceptor.curate.decisions import Decision, part_of, read_decisions
from preceptor.data.example import Example, to_row
from preceptor.data.readers import READERS
from preceptor.data.sampling import subset
from preceptor.data.splits import Splits, draw
from preceptor.llm import answer, identity_of
from preceptor.llm.settings import TunedSettings
from preceptor.models.weights import Weights, resolve
from preceptor.store.fingerprint import file_hash, fingerprint
from preceptor.store.parts import Part
from preceptor.study.grid import Cell, cells_of
from preceptor.study.spec import AnyStudent, DecoderStudent, GoldArm, MixArm, Study
from preceptor.study.teachers.tunings import Tuning, Tunings
from preceptor.tasks import TextTask
from preceptor.tune.settings import Budget

_STAGES = {"data": 1, "arms": 1, "cells": 2, "baselines": 2}


@dataclass(frozen=True)
class Plan:
    """A study with its data at hand: what is to be made, and from what.

    Attributes:
        study: the study.
        base_dir: the folder of its file; paths in the study are relative to it.
        out: the run folder.
        command: how the run was asked for, for the report.
        study_file: the study's file, to name lines in messages.
        jobs: how many cells are trained at a time, each in a process of its own; 1 trains them
            in the run's own process.
    """

    study: Study
    base_dir: Path
    out: Path
    command: str = ""
    study_file: Path | None = None
    jobs: int = 1

    def __getstate__(self) -> dict[str, Any]:
        """What goes to another process: data and weights as they were found here, but not the
        tunings, which hold functions; they are found again there."""
        return {name: value for name, value in self.__dict__.items() if name != "tunings"}

    @cached_property
    def splits(self) -> Splits:
        """The data as the reader gives it."""
        reader = READERS[self.study.data.reader]
        targets = "text" if isinstance(self.study.task, TextTask) else "label"
        splits: Splits = reader.read(self.study.data, self.base_dir, targets)
        return splits

    def drawn(self, seed: int) -> Splits:
        """The data under one draw seed: its own labelled subset and its pool."""
        return draw(self.splits, seed, self.study.data, self.study.task.show)

    def human(self, seed: int, share: int | float | None) -> list[Example]:
        """So many of a seed's labelled examples (a number, or a share below 1); all for None.

        A larger number holds a smaller one's examples.

        Raises:
            DataError: there are not so many.
        """
        train = self.drawn(seed).train
        if share is None:
            return train
        return subset(train, share, f"human:{seed}", self.splits.targets)

    @property
    def partitions(self) -> list[Splits]:
        """The data before any limit: as they were read, or those of every fold in turn."""
        if self.splits.folds is None:
            return [self.splits]
        return [self.splits.under(seed) for seed in self.draw_seeds]

    def held_out(self, seed: int) -> list[Example]:
        """Validation and test examples of one draw seed, for the contamination filter's eyes."""
        drawn = self.drawn(seed)
        return [*drawn.validation, *drawn.test]

    def ledger_of(self, teacher: str) -> Path:
        """The file that tells every answer of a teacher that the run paid or used."""
        return self.out / "spent" / f"{teacher}.jsonl"

    @cached_property
    def cells(self) -> list[Cell]:
        """All cells in the order in which they are run."""
        return list(cells_of(self.study))

    @cached_property
    def arms(self) -> list[tuple[str, int]]:
        """Arm and draw seed of every training set that the cells need, sources before mixes."""
        needed = dict.fromkeys(
            (name, self.study.draw_seed(cell.seed))
            for cell in self.cells
            for name in (*self._sources(cell.arm), cell.arm)
        )
        return sorted(needed, key=lambda arm: isinstance(self.study.arms[arm[0]], MixArm))

    def _sources(self, name: str) -> list[str]:
        arm = self.study.arms[name]
        return list(arm.of) if isinstance(arm, MixArm) else []

    @cached_property
    def data_part(self) -> Part:
        """The examples as they were read."""
        reader = self.study.data.model_dump(mode="json", exclude={"too_long", "pool"})
        rows = [to_row(one) for part in self.splits.labelled().values() for one in part]
        made_from = {
            "stage": _STAGES["data"],
            "data": reader,
            "files": self._files(),
            "rows": fingerprint(rows),  # a hub's data set has no file of ours
        }
        return Part(self.out / "data", made_from)

    def _files(self) -> dict[str, str]:
        """Hashes by the place below the study's folder, so that a project can be moved; a file
        that lies elsewhere goes by its name."""
        found: dict[str, str] = {}
        for path in self.splits.files:
            inside = path.is_relative_to(self.base_dir)
            place = path.relative_to(self.base_dir).as_posix() if inside else path.name
            found[place] = f"{found.get(place, '')} {file_hash(path)}".strip()
        return found

    @cached_property
    def _filters(self) -> dict[str, Any]:
        return curate.identity_of(self.study.curation, self.base_dir)

    @cached_property
    def decisions(self) -> dict[str, Decision]:
        """What a person decided about made examples, by their ids; empty where nobody did."""
        file, study = self.study.curation.decisions, self.study
        if file is None:
            return {}
        return read_decisions(file, self.base_dir, study.task.labels, list(study.teaching()))

    def decisions_of(self, name: str, draw_seed: int) -> dict[str, Decision]:
        """Those about the made examples of one arm and draw seed."""
        part = f"{name}-{draw_seed}"
        return {id: one for id, one in self.decisions.items() if part_of(id) == part}

    @cached_property
    def _teachers(self) -> dict[str, dict[str, Any]]:
        """What tells each teacher from others; those that are tuned are told by their tuning."""
        return {
            name: identity_of(one, self.base_dir)
            for name, one in self.study.teachers.items()
            if not isinstance(one, TunedSettings)
        }

    def _teacher(self, name: str, tuning: Tuning | None) -> dict[str, Any]:
        return self._teachers[name] if tuning is None else self.tunings.identity(tuning)

    @cached_property
    def tunings(self) -> Tunings:
        """The teachers that are tuned before they are asked."""
        return Tunings(
            self.study,
            self.base_dir,
            self.out,
            lambda: self.arms,
            self.draw_seeds,
            lambda: self.data_part.fingerprint,
        )

    @cached_property
    def weights(self) -> dict[str, Weights]:
        """What every student starts from, looked up once: a hub's newest may move meanwhile."""
        return {
            name: _weights(student, self.base_dir).pinned()
            for name, student in self.study.students.items()
        }

    def arm_part(self, name: str, draw_seed: int) -> Part:
        """One arm's training set under one draw seed."""
        arm = self.study.arms[name]
        operation = self.study.teaching().get(name)
        pool = self.study.data.pool
        made_from: dict[str, Any] = {
            "stage": _STAGES["arms"],
            "data": self.data_part.fingerprint,
            "draw_seed": draw_seed,
            f"arms.{name}": arm.model_dump(mode="json"),
        }
        if isinstance(arm, GoldArm | AnnotateSettings):
            made_from["pool"] = pool and pool.model_dump(mode="json")
        if isinstance(arm, MixArm):
            made_from["of"] = [
                [source, self.arm_part(source, draw_seed).fingerprint] for source in arm.of
            ]
        elif operation is not None:
            made_from |= {
                "teacher": self._teacher(
                    self.study.teacher_of(operation), self.tunings.of_arm(name, draw_seed)
                ),
                **self._reading_back(name, draw_seed),
                "curation": self.study.curation.model_dump(mode="json", exclude={"decisions"}),
                "filters": self._filters,
                "decisions": {
                    id: [one.choice, one.label, one.answer]
                    for id, one in self.decisions_of(name, draw_seed).items()
                },
                "prompt": self._prompt(operation),
                "task": self.study.task.model_dump(
                    mode="json", include={"labels", "descriptions", "about", "input"}
                ),
            }
        return Part(self.out / "arms" / name / f"seed-{draw_seed}", made_from)

    def _reading_back(self, name: str, draw_seed: int) -> dict[str, Any]:
        tuning = self.tunings.reading_back(name, draw_seed)
        return {} if tuning is None else {"reading_back": self.tunings.identity(tuning)}

    def _prompt(self, arm: AnyOperation | AnnotateSettings) -> str | None:
        """The template that an arm's teacher is asked by; None where it reads the task's own."""
        tuned = self.tunings.teaching(arm) is not None
        if isinstance(arm, AnnotateSettings):
            return None if tuned else annotate.template(arm, self.study.task, self.base_dir)
        return arm.template(self.base_dir, tuned=tuned)

    def cell_part(self, cell: Cell) -> Part:
        """One trained and scored student."""
        student = self.study.students[cell.student]
        draw_seed = self.study.draw_seed(cell.seed)
        made_from = {
            "stage": _STAGES["cells"],
            "arm": self.arm_part(cell.arm, draw_seed).fingerprint,
            f"students.{cell.student}": student.model_dump(
                mode="json", exclude={"grid", "arms", "seeds", "budget", "stands_for"}
            ),
            "weights": self.weights[cell.student].identity(),
            "setting": dict(cell.setting),
            "seed": cell.seed,
            "budget": self.budget(student).model_dump(mode="json"),
            "task": self.study.task.model_dump(mode="json", exclude={"descriptions", "about"}),
            "too_long": self.study.data.too_long,
        }
        if student.distill is not None and student.distill.teacher is not None:
            tuning = self.tunings.answering(student.distill.teacher, draw_seed)
            made_from["teacher"] = self._teacher(student.distill.teacher, tuning)
        return Part(self.out / "cells" / cell.id, made_from)

    def baselines_part(self, seed: int) -> Part:
        """What the students of one draw seed are set beside."""
        made_from = {
            "stage": _STAGES["baselines"],
            "data": self.data_part.fingerprint,
            "draw_seed": seed,
            "baselines": self.study.baselines.model_dump(mode="json"),
            "task": self.study.task.model_dump(mode="json"),
        }
        if self.study.baselines.teacher:
            made_from["teachers"] = {
                name: self._teacher(name, self.tunings.answering(name, seed))
                for name in self.study.teachers
            }
            made_from["prompt"] = answer.template()
        return Part(self.out / "baselines" / f"seed-{seed}", made_from)

    def budget(self, student: AnyStudent) -> Budget:
        """The student's own budget or the study's."""
        return student.budget or self.study.budget

    @cached_property
    def draw_seeds(self) -> list[int]:
        """The seeds that draw subsets and sample the teacher."""
        return list(dict.fromkeys(self.study.draw_seed(seed) for seed in self.study.seeds))

    def parts(self) -> dict[str, Part]:
        """Every part of the run by its name, in the order in which they are made."""
        named = {"data": self.data_part}
        named |= {f"teachers/{one.place}": self.tunings.part(one) for one in self.tunings.own}
        named |= {f"arms/{name}/seed-{seed}": self.arm_part(name, seed) for name, seed in self.arms}
        named |= {f"baselines/seed-{seed}": self.baselines_part(seed) for seed in self.draw_seeds}
        named |= {f"cells/{cell.id}": self.cell_part(cell) for cell in self.cells}
        return named


def _weights(student: AnyStudent, base_dir: Path) -> Weights:
    rounded = isinstance(student, DecoderStudent) and student.load_in_4bit
    return replace(resolve(student.weights, base_dir), rounded=rounded)

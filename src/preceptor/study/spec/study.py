"""The whole of a study file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator

from preceptor.augment import AnyOperation
from preceptor.augment.annotate import AnnotateSettings
from preceptor.augment.create import CreateSettings
from preceptor.augment.rewrite import RewriteSettings
from preceptor.curate import CurationSettings
from preceptor.data.readers import ReaderSettings
from preceptor.llm.settings import Parameters, TeacherSettings
from preceptor.settings import Settings
from preceptor.study.spec.arms import ArmSettings
from preceptor.study.spec.students import AnyStudent, WritingStudent
from preceptor.tasks import AnyTask, ChoiceTask
from preceptor.tasks.answers import AnswersSetting
from preceptor.tune.settings import Budget


class Baselines(Settings):
    """What the students' scores are set beside."""

    majority: bool = True
    """always the most frequent label of the labelled examples"""
    human: str | None = None
    """a field of the data that holds a person's answer (reasoning_required_pred)"""
    teacher: tuple[int, ...] = ()
    """every teacher's own answers on the test split, with this many solved examples in
    the prompt each: [0, 5] is zero-shot and 5-shot. Calls are made for every test example"""
    parameters: Parameters = Field({})
    """sent with these calls beside the teacher's own parameters ({max_tokens: 8})"""
    answers: AnswersSetting | None = None
    """how a label is read from a teacher's answer; as the task says if not given"""


class ReportSettings(Settings):
    """What the page shows."""

    publish_texts: bool = True
    """false leaves every text of the data out of the page (a licence may ask for that)"""
    latency: bool = True
    """time some test answers one by one in every cell, five seconds at most; false leaves that
    out"""
    hour_price: float | None = Field(None, ge=0, allow_inf_nan=False)
    """what an hour of this machine costs; the page then tells what its answers cost, too"""
    currency: str = Field("USD", min_length=1)
    """of `hour_price`"""


class CardSettings(Settings):
    """What the cards of trained students and made data say, and no file of theirs tells."""

    data_licence: str | None = None
    """the licence of the data, by the hub's name for it (cc-by-4.0). Where it is not given, that
    of a data card beside the file that names the file; else the cards say that it is unknown"""
    data_source: str | None = None
    """where the data come from: a name, an address"""
    language: Annotated[
        tuple[str, ...],
        BeforeValidator(
            lambda value: (value,) if isinstance(value, str) else value,
            json_schema_input_type=str | list[str],
        ),
    ] = ()
    """the language of the texts by its ISO 639 code (en), or several"""
    licences: Mapping[str, str] = {}
    """licence or terms of a student's or teacher's model, by the name it has in this study, where
    its files do not tell ({gpt: the terms of the service})"""


Tracker = Literal["tensorboard", "trackio", "wandb", "mlflow"]


class Study(Settings):
    """One experiment: data, task, teacher, arms, students, seeds."""

    name: str = Field(min_length=1)
    description: str = ""
    """one paragraph for the head of the report"""
    limits: tuple[str, ...] = ()
    """what the study cannot show; printed beside the verdict"""
    seeds: Annotated[
        tuple[int, ...],
        BeforeValidator(
            lambda value: tuple(range(value)) if type(value) is int else value,
            json_schema_input_type=int | list[int],
        ),
    ] = (0, 1, 2)
    """how many seeds, or a list. A seed draws the labelled subset, samples the teacher,
    initialises and orders the student"""
    teacher_seeds: int | None = Field(None, ge=1)
    """share this many labelled subsets and made sets among the seeds; 1 makes one set, and
    intervals then hold for that set alone"""
    task: AnyTask
    data: ReaderSettings
    teachers: Mapping[str, TeacherSettings] = {}
    """the large models that write examples, by a name of your choice"""
    arms: dict[str, ArmSettings] = Field(min_length=1)
    curation: CurationSettings = CurationSettings()
    students: dict[str, AnyStudent] = Field(min_length=1)
    budget: Budget
    baselines: Baselines = Baselines()
    choose_by: Literal["log_loss", "accuracy", "macro_f1"] = "log_loss"
    """which validation figure chooses among settings and names each student's best cell (of
    several students, the most accurate on validation is the run's best). log_loss moves
    with every item; accuracy and macro-F1 can turn on one item of a small split. A student that
    only writes has no log-loss, and is chosen by accuracy. A text task takes log_loss, or, where
    it is scored by generation alone, BLEU"""
    keep: Literal["best", "all", "none"] = "best"
    """which trained students stay on disk: each student's best cell, all or none. A cell whose
    model is wanted only later is trained anew by the next run"""
    report: ReportSettings = ReportSettings()
    card: CardSettings = CardSettings()
    """the cards (README.md) beside trained students and made data: the Hugging Face hub's format"""
    trackers: tuple[Tracker, ...] = ()
    """where scores and training curves go too, a run a cell: tensorboard, trackio, wandb, mlflow;
    their files lie in RUN/trackers. W&B sends them away, the others only where their own
    environment variables say so. Nothing is sent anywhere that is not named here"""

    @field_validator("card")
    @classmethod
    def _known(cls, card: CardSettings, info: ValidationInfo) -> CardSettings:
        if {"students", "teachers"} <= info.data.keys():
            named = [*info.data["students"], *info.data["teachers"]]
            unknown = [name for name in card.licences if name not in named]
            if unknown:
                raise ValueError(f"licences: no student or teacher is named {unknown[0]!r}")
        return card

    @field_validator("seeds")
    @classmethod
    def _seeds(cls, seeds: tuple[int, ...]) -> tuple[int, ...]:
        if not seeds or len(set(seeds)) != len(seeds) or min(seeds) < 0:
            raise ValueError("at least one seed, all different, none negative")
        return seeds

    @field_validator("arms", "students", "teachers")
    @classmethod
    def _names(cls, named: dict[str, Any]) -> dict[str, Any]:
        odd = [name for name in named if not re.fullmatch(r"\w[\w-]*", name)]
        if odd:
            raise ValueError(f"names take letters, digits, - and _ alone: {', '.join(odd)}")
        return named

    def draw_seed(self, seed: int) -> int:
        """The seed that draws the labelled subset and samples the teacher."""
        if self.teacher_seeds is None:
            return seed
        return self.seeds[self.seeds.index(seed) % self.teacher_seeds]

    @property
    def choice(self) -> ChoiceTask:
        """The task of a study that has labels; what calls a teacher needs one.

        Raises:
            TypeError: the task is another; ``check`` refuses such a study before.
        """
        if not isinstance(self.task, ChoiceTask):
            raise TypeError("this study's task has no labels")
        return self.task

    def readings(self, student: str) -> tuple[str, ...]:
        """How a student's predictions come about; the first is what comparisons rest on."""
        if not isinstance(self.task, ChoiceTask):
            return self.task.score_by
        one = self.students[student]
        return one.readings if isinstance(one, WritingStudent) else ("classifier",)

    def teacher_of(self, arm: AnyOperation | AnnotateSettings) -> str:
        """The name of the teacher that an arm calls: the one it names, or the only one."""
        return arm.teacher or next(iter(self.teachers))

    def operations(self) -> dict[str, AnyOperation]:
        """The arms whose examples a teacher writes."""
        kinds = (RewriteSettings, CreateSettings)
        return {name: arm for name, arm in self.arms.items() if isinstance(arm, kinds)}

    def annotations(self) -> dict[str, AnnotateSettings]:
        """The arms whose texts a teacher labels or answers."""
        return {k: arm for k, arm in self.arms.items() if isinstance(arm, AnnotateSettings)}

    def teaching(self) -> dict[str, AnyOperation | AnnotateSettings]:
        """The arms that need a teacher, in their order."""
        needing = {**self.operations(), **self.annotations()}
        return {name: needing[name] for name in self.arms if name in needing}


def chosen_by(study: Study, student: str) -> str:
    """The validation figure that a student's settings, cells and checkpoints are chosen by.

    A student that only writes labels has no log-loss and is chosen by accuracy. In a text task
    it is log-loss, or BLEU where students are scored by what they write alone.
    """
    readings = study.readings(student)
    if not isinstance(study.task, ChoiceTask):
        return "log_loss" if "next_token" in readings else "bleu"
    if study.choose_by == "log_loss" and readings == ("generation",):
        return "accuracy"
    return study.choose_by

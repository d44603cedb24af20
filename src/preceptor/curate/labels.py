"""Whether a made example has the label that it is said to have: votes, or a second opinion."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, model_validator

from preceptor.curate.filter import Filter, Material, needs_labels
from preceptor.curate.read_back import OwnLabels, ReadBackFilter, TunedLabels
from preceptor.curate.student import Student, student_of
from preceptor.curate.trial import Trial, commonest_share
from preceptor.data.candidate import Rejection
from preceptor.data.example import Example
from preceptor.llm.answer import requests, template
from preceptor.llm.chat import Answer, Failure, Request
from preceptor.llm.settings import Parameters
from preceptor.models.embedding import EMBEDDER, cut_note, embedder
from preceptor.settings import Settings
from preceptor.tasks.choice import ChoiceTask

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

unfit = needs_labels
_MANY = 20
"""examples voted on from which it says something that all answers were the same"""


class TeacherLabels(Settings):
    """Ask the arm's teacher the task's question about each example, afresh, and reject where too
    few of its answers name the example's label."""

    by: Literal["teacher"]
    votes: int = Field(3, ge=1)
    """answers at most; one that can no longer change the outcome is not asked for. They differ
    only if the teacher's temperature is above 0"""
    agree: int = Field(2, ge=1)
    """answers that must name the label"""
    trial: int = Field(50, ge=0)
    """human examples that it is tried on first: a teacher that does not find their labels more
    often than the commonest label is right rejects nothing, and that is noted; 0 trusts it"""
    parameters: Parameters = Field({})
    """sent with these calls beside the teacher's own parameters ({max_tokens: 8})"""

    @model_validator(mode="after")
    def _possible(self) -> TeacherLabels:
        if self.agree > self.votes:
            raise ValueError(f"agree: {self.agree} of {self.votes} votes cannot agree")
        return self

    def rounds(self, rows: int, human: int) -> tuple[int, ...]:
        """Calls at most for so many made rows, tried on so many human ones, by the rounds in
        which they are put: as many votes as must agree at once, each further one after the last."""
        votes = (self.agree, *(1,) * (self.votes - self.agree))
        voted_on = filter(None, (min(self.trial, human), rows))
        return tuple(vote * examples for examples in voted_on for vote in votes)


class StudentLabels(Settings):
    """Reject an example where a student that was trained on the human data alone, and not on
    what the example was made from, does not believe its label. No calls are made."""

    by: Literal["student"]
    odds: float = Field(5.0, ge=1)
    """reject where another label is at least so many times as likely, which means the same for 3
    labels and for 150. With a fifth of all labels wrong, 5 found 0.92 to 1.00 of these on 20 of
    CLINC150's intents and gave up at most 0.01 of the right ones (3 to 10 human examples each); of
    the quickstart's messages 0.54 to 0.81 and 0.06 to 0.10; of SciCite's, 40 human examples each,
    0.37 and 0.06"""
    probability: float = Field(0.0, ge=0, le=1)
    """reject also where the label itself is less likely than this"""
    folds: int = Field(5, ge=2)
    """parts that the human data are cut into, each left out in turn"""
    weights: str = EMBEDDER
    """the sentence encoder under the student: a known package (minilm), a folder, or a hub id"""


LabelsSettings = Annotated[TeacherLabels | StudentLabels | TunedLabels, Field(discriminator="by")]


class VotesFilter:
    """Has the arm's teacher vote on labels.

    Attributes:
        figures: votes for the label, and how many were asked for, by the example's id.
    """

    def __init__(self, settings: TeacherLabels, material: Material) -> None:
        self._settings = settings
        self._material = material
        self._waves = [
            range(settings.agree),
            *((n,) for n in range(settings.agree, settings.votes)),
        ]
        self._told: list[str] = []
        self._several = self._split = 0
        self.figures: dict[str, dict[str, float]] = {}

    @property
    def notes(self) -> list[str]:
        """How it does on human examples, and whether asking more than once told anything."""
        same = (
            f"each of the {self._several} examples voted on more than once got the same answer each"
            " time: with a temperature of 0, votes: 1 says as much"
        )
        return [*self._told, *([same] if self._several >= _MANY and not self._split else [])]

    def judge(self, examples: Sequence[Example]) -> list[Rejection | None]:
        """Reject where too few votes name the label."""
        if not self._trusted:
            return [None] * len(examples)
        votes = self._vote(examples, "voting on labels")
        return [self._verdict(*one) for one in zip(examples, votes, strict=True)]

    @cached_property
    def _trusted(self) -> bool:
        """Whether it does better on human examples than the commonest label would."""
        human, seed = list(self._material.human), self._material.seed
        tried = random.Random(f"labels-{seed}").sample(human, min(self._settings.trial, len(human)))
        if not tried:
            return True
        votes = self._vote(tried, "trying the votes on human examples")
        found = sum(self._agreed(*one) for one in zip(tried, votes, strict=True))
        trial = Trial(found, len(tried), commonest_share(human))
        self._told.append(f"the teacher's votes find the label of {trial.told}")
        return trial.passed

    def _vote(self, examples: Sequence[Example], label: str) -> list[list[str | None]]:
        """The labels that its answers name, None for an answer that names none."""
        requested = asked(self._settings, self._material.choice, examples)
        votes: list[list[str | None]] = [[] for _ in examples]
        for samples in self._waves:
            undecided = [row for row, one in enumerate(examples) if self._open(one, votes[row])]
            calls = [(row, sample) for row in undecided for sample in samples]
            if not calls:
                break
            batch = [replace(requested[row], sample=sample) for row, sample in calls]
            answers = self._material.ask(batch, f"{label}, seed {self._material.seed}")
            for (row, _), one in zip(calls, answers, strict=True):
                votes[row].append(self._read(one))
        return votes

    def _open(self, example: Example, votes: Sequence[str | None]) -> bool:
        """Whether further votes can change the outcome."""
        left = self._settings.votes - len(votes)
        return 0 < self._settings.agree - votes.count(example.target) <= left

    def _agreed(self, example: Example, votes: Sequence[str | None]) -> bool:
        return votes.count(example.target) >= self._settings.agree

    def _read(self, answer: Answer | Failure) -> str | None:
        if isinstance(answer, Answer):
            return self._material.choice.read(answer.text)
        # A cut answer is read as far as it goes, as the teacher's baseline is.
        return self._material.choice.read(answer.detail) if answer.cause == "truncated" else None

    def _verdict(self, example: Example, votes: Sequence[str | None]) -> Rejection | None:
        counts = Counter(vote or "no label" for vote in votes)
        figures = {"votes": float(counts[str(example.target)]), "of": float(len(votes))}
        self.figures[example.id] = figures
        self._several += len(votes) > 1
        self._split += len(counts) > 1
        if self._agreed(example, votes):
            return None
        named = ", ".join(f"{label} {count}" for label, count in counts.most_common())
        return Rejection("label not confirmed", f"{example.target}; votes: {named}", figures)


class StudentFilter:
    """Has a student of the human data read the examples.

    Attributes:
        figures: probability of the label and of the likeliest other one, by the example's id.
    """

    def __init__(self, settings: StudentLabels, material: Material) -> None:
        self._settings = settings
        self._material = material
        self._labels = material.task.labels
        self._unjudged = self._cut = 0
        self._told: list[str] = []
        self.figures: dict[str, dict[str, float]] = {}

    @property
    def notes(self) -> list[str]:
        """Its accuracy on the human data, and what it could not judge."""
        unjudged = (
            f"{self._unjudged} passed unjudged: without what they were made from there is no human"
            " example of their label"
        )
        return [*self._told, *([unjudged] if self._unjudged else []), *cut_note(self._cut)]

    def judge(self, examples: Sequence[Example]) -> list[Rejection | None]:
        """Reject where the student does not believe the label."""
        if not self._trusted:
            return [None] * len(examples)
        found = self._student.probabilities(
            self._shown(examples), [self._parents(example) for example in examples]
        )
        return [self._verdict(*one) for one in zip(examples, found, strict=True)]

    def _parents(self, example: Example) -> list[int]:
        return [self._places[id] for id in example.origin.parents if id in self._places]

    def _verdict(self, example: Example, found: NDArray[np.float64]) -> Rejection | None:
        believed = dict(zip(self._labels, found.tolist(), strict=True))
        probability = believed.pop(str(example.target))
        if math.isnan(probability):
            self._unjudged += 1
            return None
        rival = max(believed, key=lambda label: _known(believed[label]))
        best = _known(believed[rival])
        figures = {"probability": round(probability, 4), "rival": round(best, 4)}
        self.figures[example.id] = figures
        beaten = best >= self._settings.odds * probability
        if not beaten and probability >= self._settings.probability:
            return None
        detail = f"{example.target} {probability:.2f}, {rival} {best:.2f}"
        return Rejection("label not believed", detail, figures)

    def _embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        model = embedder(self._settings.weights, self._material.base_dir)
        vectors = model.embed(texts, "embedding for a second opinion on labels")
        self._cut += model.cut(texts)
        return vectors

    def _shown(self, examples: Sequence[Example]) -> list[str]:
        return [self._material.choice.show(example) for example in examples]

    @cached_property
    def _places(self) -> dict[str, int]:
        return {example.id: place for place, example in enumerate(self._material.human)}

    @cached_property
    def _student(self) -> Student:
        return student_of(
            self._shown(self._material.human),
            [str(example.target) for example in self._material.human],
            self._labels,
            self._embed,
            folds=self._settings.folds,
            seed=self._material.seed,
        )

    @cached_property
    def _trusted(self) -> bool:
        """Whether it does better on human examples that it did not see than the commonest label."""
        human, student = self._material.human, self._student
        hits = sum(
            guess == one.target for guess, one in zip(student.fits.guessed, human, strict=True)
        )
        trial = Trial(hits, len(human), commonest_share(human))
        reads = "" if student.words is None else ", read by its words too,"
        self._told.append(
            f"a student of the other human data{reads} finds the label of {trial.told}"
        )
        return trial.passed


def _known(probability: float) -> float:
    """0 for a label that the student has no example of."""
    return 0.0 if math.isnan(probability) else probability


def asked(settings: TeacherLabels, task: ChoiceTask, examples: Sequence[Example]) -> list[Request]:
    """What a teacher is asked about each example, once a vote."""
    return requests(task, examples, (), shots=0, seed=0, parameters=settings.parameters)


def identity(
    settings: TeacherLabels | StudentLabels | TunedLabels, base_dir: Path
) -> dict[str, str]:
    """The prompt that a teacher is asked by, or what tells the encoder from any other."""
    if isinstance(settings, TeacherLabels):
        return {"prompt": template()}
    if isinstance(settings, TunedLabels):
        return {}  # the tuned teacher is told with the arm's
    return {**embedder(settings.weights, base_dir).identity, "words": "1"}


def make(settings: TeacherLabels | StudentLabels | TunedLabels, material: Material) -> Filter:
    """The filter of one arm and seed.

    Raises:
        TypeError: the arm's teacher is to tell labels and is not tuned.
    """
    if isinstance(settings, TeacherLabels):
        return VotesFilter(settings, material)
    if isinstance(settings, TunedLabels):
        if material.operation == "annotate":
            return OwnLabels()
        if material.believe is None:
            raise TypeError("no tuned teacher to read labels back")
        return ReadBackFilter(settings, material.believe)
    return StudentFilter(settings, material)

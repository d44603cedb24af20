"""What a filter is, and what it may know."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from preceptor.data.candidate import Rejection
from preceptor.data.example import Example
from preceptor.llm.chat import Answer, Failure, Request
from preceptor.tasks import AnyTask, ChoiceTask

Ask = Callable[[list[Request], str], list[Answer | Failure]]
"""The teacher of the arm: requests and the progress bar's label in, outcomes in their order out."""

Believe = Callable[[Sequence[Example], str], Sequence[Mapping[str, float]]]
"""The arm's tuned teacher: examples and the progress bar's label in, of each the probability of
every label out."""


@dataclass(frozen=True)
class Material:
    """What the filters of one arm and seed may look at.

    Attributes:
        task: labels, if it has any, and how an example is shown.
        human: the labelled training examples.
        held_out: validation and test; of these a filter may read the inputs, never the labels.
        operation: what the arm's teacher does (rewrite, create, annotate).
        wanted: rows that the arm shall have.
        seed: the draw seed.
        ask: calls the arm's teacher; raises where calls fail on the server's side, so that what
            comes back is an answer or a failure of one row.
        base_dir: the study's folder, from which relative paths start.
        believe: the probabilities that the arm's teacher gives labels; None where it is not tuned.
    """

    task: AnyTask
    human: Sequence[Example]
    held_out: Sequence[Example]
    operation: str
    wanted: int
    seed: int
    ask: Ask
    base_dir: Path = Path()
    believe: Believe | None = None

    @property
    def choice(self) -> ChoiceTask:
        """The task, for filters of labels; they judge no other (:func:`needs_labels`).

        Raises:
            TypeError: it has no labels.
        """
        if not isinstance(self.task, ChoiceTask):
            raise TypeError("this task has no labels")
        return self.task


def needs_labels(task: AnyTask, operation: str) -> str:
    """Why a filter of labels cannot judge an arm; empty where it can."""
    return "" if isinstance(task, ChoiceTask) else "the task has no labels"


def needs_writing(task: AnyTask, operation: str) -> str:
    """Why a filter of how a teacher writes cannot judge an arm; empty where it can.

    Texts of the pool are people's. What an annotating teacher writes are answers, of a text task.
    """
    writes = operation != "annotate" or not isinstance(task, ChoiceTask)
    return "" if writes else "a teacher that gives labels writes no text"


def needs_rewriting(task: AnyTask, operation: str) -> str:
    """Why a filter of rewrites cannot judge an arm; empty where it can, or passes everything."""
    return "a teacher that annotates rewrites no text" if operation == "annotate" else ""


class Filter(Protocol):
    """Judges the made examples of one arm, round after round.

    It may remember what reached it: a later round is judged in the light of the earlier ones.
    """

    def judge(self, examples: Sequence[Example]) -> list[Rejection | None]:
        """A verdict for each example of a round, in order; None lets it pass.

        Gets only what every filter before let pass.
        """
        ...


class RowFilter(ABC):
    """A filter that judges one example at a time, in order."""

    @abstractmethod
    def verdict(self, example: Example) -> Rejection | None:
        """Why this example is rejected; None lets it pass."""

    def judge(self, examples: Sequence[Example]) -> list[Rejection | None]:
        """A verdict for each example of a round, in order; None lets it pass."""
        return [self.verdict(example) for example in examples]

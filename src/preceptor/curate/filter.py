"""What a filter is, and what it may know."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from preceptor.data.candidate import Rejection
from preceptor.data.example import Example
from preceptor.llm.chat import Answer, Failure, Request
from preceptor.tasks.choice import ChoiceTask

Ask = Callable[[list[Request], str], list[Answer | Failure]]
"""The teacher of the arm: requests and the progress bar's label in, outcomes in their order out."""


@dataclass(frozen=True)
class Material:
    """What the filters of one arm and seed may look at.

    Attributes:
        task: labels, and how an example is shown.
        human: the labelled training examples.
        held_out: validation and test; of these a filter may read the inputs, never the labels.
        operation: what the arm's teacher does (rewrite, create).
        wanted: rows that the arm shall have.
        seed: the draw seed.
        ask: calls the arm's teacher; raises where calls fail on the server's side, so that what
            comes back is an answer or a failure of one row.
        base_dir: the study's folder, from which relative paths start.
    """

    task: ChoiceTask
    human: Sequence[Example]
    held_out: Sequence[Example]
    operation: str
    wanted: int
    seed: int
    ask: Ask
    base_dir: Path = Path()


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

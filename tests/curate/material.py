"""What the tests of filters share: material, made texts, and a round of judging."""

from __future__ import annotations

from collections.abc import Sequence

from preceptor.curate import CurationSettings, curate, filters
from preceptor.curate.filter import Ask, Material
from preceptor.data.candidate import Candidate
from preceptor.data.example import Example
from preceptor.llm.chat import Answer, Failure, Request
from preceptor.tasks.choice import ChoiceTask


def nobody(requests: list[Request], label: str) -> list[Answer | Failure]:
    """No teacher: a filter that asks one fails the test."""
    raise AssertionError(f"{len(requests)} calls for {label}")


def material(
    human: Sequence[Example],
    held_out: Sequence[Example] = (),
    *,
    labels: Sequence[str] = ("a", "b"),
    operation: str = "create",
    wanted: int = 100,
    ask: Ask = nobody,
) -> Material:
    """What filters may look at; its task shows the field ``text``."""
    task = ChoiceTask(kind="choice", labels=tuple(labels), input="{{ text }}")
    return Material(task, human, held_out, operation, wanted, 0, ask)


def made_of(texts: Sequence[str], start: int = 0) -> list[Candidate]:
    """Candidates of label a, c0, c1 and so on."""
    return [
        Candidate(Example(f"c{number}", {"text": text}, "a"), text)
        for number, text in enumerate(texts, start)
    ]


def judged(
    made: Sequence[Candidate], about: Material, settings: CurationSettings | None = None
) -> list[Candidate]:
    """The candidates after one round of all filters."""
    return curate(made, filters(settings or CurationSettings(), about))

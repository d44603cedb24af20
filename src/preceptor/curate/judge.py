"""A quality judge: the arm's teacher scores what it made by a rubric."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from preceptor.curate.filter import Material, needs_labels
from preceptor.data.candidate import Rejection
from preceptor.data.example import Example
from preceptor.llm.chat import Answer, Failure, Request
from preceptor.llm.prompt import ask, shipped_prompt, spoken
from preceptor.llm.settings import Parameters
from preceptor.settings import Settings
from preceptor.tasks.choice import ChoiceTask

unfit = needs_labels
RUBRIC = (
    "It is one whole example of its kind, with nothing about how it was written.",
    "It fits its label, and fits it better than any other label.",
    "It reads as something that a real person would write in earnest.",
    "It says something definite: no empty phrases, no repetition.",
    "Nothing in it is impossible or contradicts itself.",
)


class JudgeSettings(Settings):
    """Reject an example to which the arm's teacher, asked as a judge, gives a low score. One call
    an example. A model judges its own texts kindly: compare it with your own decisions."""

    rubric: Annotated[tuple[str, ...], Field(min_length=1)] = RUBRIC
    """what is judged, a line each; the score, 1 to 5, is for all lines together"""
    at_least: int = Field(3, ge=1, le=5)
    """the lowest score that passes"""
    unreadable: Literal["pass", "reject"] = "reject"
    """what becomes of an example whose score cannot be read"""
    parameters: Parameters = Field({})
    """sent with these calls beside the teacher's own parameters ({temperature: 0})"""

    def rounds(self, rows: int, human: int) -> tuple[int, ...]:
        """Calls for so many made rows, by the rounds in which they are put."""
        return (rows,)


class JudgeFilter:
    """Asks once about every example.

    Attributes:
        figures: the score of every example that got one, by its id.
    """

    def __init__(self, settings: JudgeSettings, material: Material) -> None:
        self._settings = settings
        self._material = material
        self._unread = 0
        self.figures: dict[str, dict[str, float]] = {}

    @property
    def notes(self) -> list[str]:
        """What a reader of the result must know."""
        if not self._unread:
            return []
        judged = self._unread + len(self.figures)
        became = {"pass": "passed", "reject": "were rejected"}[self._settings.unreadable]
        return [f"{self._unread} of {judged} answers of the judge had no score; they {became}"]

    def judge(self, examples: Sequence[Example]) -> list[Rejection | None]:
        """Reject what scores too low."""
        requests = asked(self._settings, self._material.choice, examples)
        answers = self._material.ask(requests, f"judging quality, seed {self._material.seed}")
        return [self._judge(*one) for one in zip(examples, answers, strict=True)]

    def _judge(self, example: Example, answer: Answer | Failure) -> Rejection | None:
        text = answer.text if isinstance(answer, Answer) else f"{answer.cause}: {answer.detail}"
        score = read_score(text) if isinstance(answer, Answer) else None
        if score is None:
            self._unread += 1
            passes = self._settings.unreadable == "pass"
            return None if passes else Rejection("no score", text)
        self.figures[example.id] = {"score": float(score)}
        if score >= self._settings.at_least:
            return None
        return Rejection("low score", f"{score} of 5", {"score": float(score)})


def template() -> str:
    """The text of the judge's prompt."""
    return shipped_prompt("preceptor.curate", "judge.jinja")


def asked(settings: JudgeSettings, task: ChoiceTask, examples: Sequence[Example]) -> list[Request]:
    """What the judge is asked about each example."""
    prompt = template()
    return [_request(settings, task, example, prompt) for example in examples]


def _request(settings: JudgeSettings, task: ChoiceTask, example: Example, prompt: str) -> Request:
    shown = [{"name": spoken(name), "value": example.inputs[name]} for name in task.input_fields]
    fields = {"fields": shown, "label": example.target, "rubric": settings.rubric}
    return replace(ask(prompt, 0, task, fields), parameters=settings.parameters)


_OBJECT = re.compile(r"\{[^{}]*\}")
_ALONE = re.compile(r"(?:score\s*[:=]?\s*)?([1-5])(?:\s*/\s*5)?\s*\.?", re.IGNORECASE)


def read_score(text: str) -> int | None:
    """The score of a judge's answer; None where it gives none, or more than one.

    ``{"score": 4}`` may be fenced and may have words around it; a digit must stand alone
    (``4``, ``4/5``, ``Score: 4``), since a digit among words can mean anything.
    """
    objects = _OBJECT.findall(text)
    if objects:
        scores = {_score_of(one) for one in objects}
        return scores.pop() if len(scores) == 1 else None
    match = _ALONE.fullmatch(text.strip().strip("*`").strip())
    return int(match[1]) if match else None


def _score_of(text: str) -> int | None:
    try:
        score = json.loads(text).get("score")
    except ValueError:
        return None
    if isinstance(score, str) and re.fullmatch("[1-5]", score):
        return int(score)
    return score if type(score) is int and 1 <= score <= 5 else None


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far a judge and a person agree on what is good enough.

    Attributes:
        n: examples that both judged.
        share: of these, those that both would keep or both reject; None of none.
        kappa: Cohen's kappa, agreement beyond chance (1960); None where it is not defined,
            as where both keep everything.
    """

    n: int
    share: float | None
    kappa: float | None


def agreement(
    decisions: Mapping[str, str], scores: Mapping[str, float], at_least: float
) -> Agreement:
    """Hold a judge's scores against a person's decisions.

    Args:
        decisions: accept or reject, by the example's id.
        scores: the judge's, by the example's id; an id without one is left out.
        at_least: the score from which the judge would keep.

    Raises:
        ValueError: a decision is neither accept nor reject.
    """
    unknown = {*decisions.values()} - {"accept", "reject"}
    if unknown:
        raise ValueError(f"neither accept nor reject: {', '.join(sorted(unknown))}")
    both = [
        (decision == "accept", scores[id] >= at_least)
        for id, decision in decisions.items()
        if id in scores
    ]
    if not both:
        return Agreement(0, None, None)
    n = len(both)
    share = sum(person == judge for person, judge in both) / n
    accepted, kept = (sum(column) / n for column in zip(*both, strict=True))
    chance = accepted * kept + (1 - accepted) * (1 - kept)
    return Agreement(n, share, None if chance == 1 else (share - chance) / (1 - chance))


def identity(settings: JudgeSettings, base_dir: Path) -> dict[str, str]:
    """The prompt that the judge is asked by."""
    return {"prompt": template()}


def make(settings: JudgeSettings, material: Material) -> JudgeFilter:
    """The filter of one arm and seed."""
    return JudgeFilter(settings, material)

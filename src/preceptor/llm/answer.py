"""A teacher's own answer to an example: zero-shot and k-shot baselines, votes, annotation."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import islice, zip_longest
from typing import Any, Literal

from preceptor.data.example import Example
from preceptor.llm.chat import Request
from preceptor.llm.prompt import ask, shipped_prompt, spoken
from preceptor.tasks import AnyTask, ChoiceTask


def template(kind: Literal["choice", "text"] = "choice") -> str:
    """The text of the prompt that asks for an answer: a label, or free text."""
    name = {"choice": "answer.jinja", "text": "answer_text.jinja"}[kind]
    return shipped_prompt("preceptor.llm", name)


def requests(
    task: AnyTask,
    examples: Sequence[Example],
    human: Sequence[Example],
    *,
    shots: int,
    seed: int,
    parameters: Mapping[str, Any],
    prompt: str | None = None,
) -> list[Request]:
    """One request an example, after ``shots`` solved human examples drawn by the seed.

    The shots go before the question as turns of the conversation, labels in turn, and are the
    same for every example.

    Args:
        task: what is asked.
        examples: of which the target is asked for; their own is never shown.
        human: of which the shots are drawn.
        shots: how many; fewer where there are not so many.
        seed: draws them.
        parameters: sent with every call.
        prompt: a template in place of the shipped one.

    Raises:
        SpecError: the prompt is no template, or names a value that there is not.
    """
    prompt = template(task.kind) if prompt is None else prompt
    shown = [(_fields(task, shot), str(shot.target)) for shot in _shots(task, human, shots, seed)]
    asked = [ask(prompt, 0, task, _fields(task, example), shown) for example in examples]
    return [replace(request, parameters=parameters) for request in asked]


def _shots(task: AnyTask, human: Sequence[Example], shots: int, seed: int) -> list[Example]:
    """Labels in turn; one whose examples are used up is passed over. Of a text task, any."""
    rng = random.Random(f"shots-{seed}")
    if not isinstance(task, ChoiceTask):
        return rng.sample(list(human), min(shots, len(human)))
    by_label = [
        rng.sample(alike, len(alike))
        for label in task.labels
        if (alike := [example for example in human if example.target == label])
    ]
    in_turn = (one for turn in zip_longest(*by_label) for one in turn if one is not None)
    drawn = list(islice(in_turn, shots))
    return rng.sample(drawn, len(drawn))


def _fields(task: AnyTask, example: Example) -> dict[str, Any]:
    fields = [{"name": spoken(name), "value": example.inputs[name]} for name in task.input_fields]
    return {"fields": fields}

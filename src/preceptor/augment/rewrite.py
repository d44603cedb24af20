"""rewrite: the same example in other words (rewriteQA: Dr. LLaMA, section 3)."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

from preceptor.augment.operation import Call, OperationSettings
from preceptor.augment.reading import read_fields
from preceptor.data.candidate import Rejection
from preceptor.data.example import Example, Origin
from preceptor.llm.prompt import ask, spoken
from preceptor.llm.schema import Keys
from preceptor.tasks import AnyTask, ChoiceTask


class RewriteSettings(OperationSettings):
    """Reword an example; its label and its other fields stay."""

    operation: Literal["rewrite"]
    fields: tuple[str, ...] = ()
    """the fields that are reworded; a field that only training may see (long_answer) can be
    among them. Not needed where there is one input field"""

    def reworded(self, example: Example) -> tuple[str, ...]:
        """The fields to reword: those named, or the only input."""
        return self.fields or tuple(example.inputs)

    def keys(self, task: AnyTask) -> Keys:
        """What an answer must hold."""
        return dict.fromkeys(self.fields or task.input_fields)


def calls(
    settings: RewriteSettings,
    task: ChoiceTask,
    human: Sequence[Example],
    seed: int,
    base_dir: Path,
    *,
    structured: bool = False,
) -> Iterator[Call]:
    """Endless calls: every human example in an order drawn by the seed, then all again."""
    template = settings.template(base_dir)
    schema = settings.keys(task) if structured else None
    rng = random.Random(f"rewrite-{seed}")
    turn = 0
    while True:
        for example in rng.sample(list(human), len(human)):
            fields = _fields(settings, example)
            request = ask(template, 1000 * seed + turn, task, fields, schema=schema)
            yield Call(request, example, (example.id,), example.target)
        turn += 1


def _fields(settings: RewriteSettings, example: Example) -> dict[str, Any]:
    values = {**example.inputs, **example.extra}
    reworded = settings.reworded(example)
    return {
        "reword": [{"name": spoken(name), "value": values[name]} for name in reworded],
        "keep": [
            {"name": spoken(name), "value": value}
            for name, value in example.inputs.items()
            if name not in reworded
        ],
        "label": example.target,
    }


def read(
    settings: RewriteSettings, task: ChoiceTask, call: Call, text: str, *, id: str, teacher: str
) -> Example | Rejection:
    """The rewritten example, or why the answer is none."""
    source = call.source
    if source is None:
        raise ValueError("a rewrite call without a source")
    fields = read_fields(text, settings.reworded(source))
    if isinstance(fields, Rejection):
        return fields
    return Example(
        id=id,
        inputs={name: fields.get(name, value) for name, value in source.inputs.items()},
        target=source.target,
        extra={name: fields.get(name, value) for name, value in source.extra.items()},
        origin=Origin(teacher, "rewrite", call.parents),
    )

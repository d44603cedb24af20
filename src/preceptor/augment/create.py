"""create: a new example (newQA: Dr. LLaMA, section 3)."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import Field

from preceptor.augment.operation import (
    Call,
    OperationSettings,
    ask,
    read_fields,
    spoken,
)
from preceptor.data.candidate import Rejection
from preceptor.data.example import Example, Origin
from preceptor.tasks.answers import strict
from preceptor.tasks.choice import ChoiceTask

_LABEL = "label"


class CreateSettings(OperationSettings):
    """Write a new example: on a field of a training example that stays (its context), or, where
    nothing stays, from a label alone."""

    operation: Literal["create"]
    keep: tuple[str, ...] = ()
    """input fields that are taken over from a training example (context)"""
    write: tuple[str, ...] = ()
    """fields that the teacher writes; by default all input fields that are not kept"""
    label: Literal["given", "asked"] | None = None
    """`given`: the teacher is told the label to write for, labels in turn; `asked`: it decides
    the label of what it wrote. By default given, or asked where a field is kept (the paper)"""
    shown: int = Field(0, ge=0)
    """training examples (of the given label, if one is given) that the prompt shows; 0 is
    zero-shot, as in the paper"""

    @property
    def label_given(self) -> bool:
        """Whether the study decides the label."""
        return (self.label or ("asked" if self.keep else "given")) == "given"

    def written(self, task: ChoiceTask) -> tuple[str, ...]:
        """The fields that the teacher writes."""
        return self.write or tuple(name for name in task.input_fields if name not in self.keep)


def calls(
    settings: CreateSettings,
    task: ChoiceTask,
    human: Sequence[Example],
    seed: int,
    base_dir: Path,
) -> Iterator[Call]:
    """Endless calls, over human examples and labels in turn."""
    writer = _Writer(settings, task, human, settings.template(base_dir))
    rng = random.Random(f"create-{seed}")
    for number in itertools.count():
        if number % len(human) == 0:
            sources = rng.sample(list(human), len(human))
        label = task.labels[number % len(task.labels)] if settings.label_given else None
        yield writer.call(sources[number % len(human)], label, rng, 100000 * seed + number)


@dataclass(frozen=True)
class _Writer:
    settings: CreateSettings
    task: ChoiceTask
    human: Sequence[Example]
    template: str

    def call(self, source: Example, label: str | None, rng: random.Random, sample: int) -> Call:
        keep = self.settings.keep
        shown = self._drawn(source, label, rng)
        written = self.settings.written(self.task)
        fields = {
            "keep": self._kept(source),
            "write": [spoken(name) for name in written],
            "label": label,
            "meaning": self.task.descriptions.get(label or "", ""),
        }
        solved = [
            ({"keep": self._kept(one)}, _solution(one, written, with_label=label is None))
            for one in shown
        ]
        kept_from = (source.id,) if keep else ()
        request = ask(self.template, sample, self.task, fields, solved)
        parents = (*kept_from, *(example.id for example in shown))
        return Call(request, source if keep else None, parents, label)

    def _kept(self, example: Example) -> list[dict[str, str]]:
        return [
            {"name": spoken(name), "value": example.inputs[name]} for name in self.settings.keep
        ]

    def _drawn(self, source: Example, label: str | None, rng: random.Random) -> list[Example]:
        """Examples to show: of the label, if one is given; not the one whose field is kept."""
        own = source if self.settings.keep else None
        others = [one for one in self.human if label in (None, one.target) and one is not own]
        return rng.sample(others, min(self.settings.shown, len(others)))


def _solution(example: Example, written: Sequence[str], *, with_label: bool) -> str:
    """What the teacher should have written for an example, in the form that is asked of it."""
    values = {**example.inputs, **example.extra}
    if len(written) == 1 and not with_label:
        return values[written[0]]
    lines = [f"{spoken(name)}: {values[name]}" for name in written]
    return "\n".join([*lines, f"Label: {example.target}"] if with_label else lines)


def read(
    settings: CreateSettings, task: ChoiceTask, call: Call, text: str, *, id: str, teacher: str
) -> Example | Rejection:
    """The created example, or why the answer is none."""
    written = settings.written(task)
    fields = read_fields(text, written if call.label else (*written, _LABEL))
    if isinstance(fields, Rejection):
        return fields
    label = call.label or strict(fields[_LABEL], task.labels)
    if label is None:
        return Rejection("unknown label", fields[_LABEL])
    kept = {name: call.source.inputs[name] for name in settings.keep} if call.source else {}
    inputs = {name: {**kept, **fields}[name] for name in task.input_fields}
    extra = {name: fields[name] for name in written if name not in inputs}
    return Example(id, inputs, label, extra=extra, origin=Origin(teacher, "create", call.parents))

"""create: a new example (newQA: Dr. LLaMA, section 3)."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import Field

from preceptor.augment.operation import Call, OperationSettings
from preceptor.augment.reading import read_fields
from preceptor.data.candidate import Rejection
from preceptor.data.example import Example, Origin
from preceptor.errors import SpecError
from preceptor.llm.prompt import ask, spoken
from preceptor.llm.schema import Keys
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

    def keys(self, task: ChoiceTask) -> Keys:
        """What an answer must hold."""
        written: Keys = dict.fromkeys(self.written(task))
        return written if self.label_given else {**written, _LABEL: task.labels}


def calls(
    settings: CreateSettings,
    task: ChoiceTask,
    human: Sequence[Example],
    seed: int,
    base_dir: Path,
    *,
    structured: bool = False,
) -> Iterator[Call]:
    """Endless calls, over human examples and labels in turn.

    Raises:
        SpecError: the prompt is not there, or a written field has the name of the label.
    """
    if not settings.label_given and _LABEL in map(str.casefold, settings.written(task)):
        raise SpecError(
            f"the teacher is asked for a field named {_LABEL!r} and for the label",
            fix="rename the field, or set `label: given`",
        )
    writer = _Writer(settings, task, human, settings.template(base_dir), structured)
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
    structured: bool

    def call(self, source: Example, label: str | None, rng: random.Random, sample: int) -> Call:
        keep = self.settings.keep
        shown = self._drawn(source, label, rng)
        keys = self.settings.keys(self.task)
        written = self.settings.written(self.task)
        fields = {
            "keep": self._kept(source),
            "write": [spoken(name) for name in written],
            "label": label,
            "meaning": self.task.descriptions.get(label or "", ""),
        }
        solution = _object if self.structured else _parts
        solved = [({"keep": self._kept(one)}, solution(one, keys)) for one in shown]
        kept_from = (source.id,) if keep else ()
        schema = keys if self.structured else None
        request = ask(self.template, sample, self.task, fields, solved, schema=schema)
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


def _object(example: Example, keys: Keys) -> str:
    """What the teacher should have written for an example, as the JSON that is asked of it."""
    values = _values(example)
    return json.dumps({key: values[key] for key in keys}, ensure_ascii=False)


def _parts(example: Example, keys: Keys) -> str:
    """The same in the form that is asked where there is no schema."""
    values = _values(example)
    if len(keys) == 1:
        return values[next(iter(keys))]
    return "\n".join(f"{spoken(key)}: {values[key]}" for key in keys)


def _values(example: Example) -> dict[str, str]:
    return {_LABEL: str(example.target), **example.inputs, **example.extra}


def read(
    settings: CreateSettings, task: ChoiceTask, call: Call, text: str, *, id: str, teacher: str
) -> Example | Rejection:
    """The created example, or why the answer is none."""
    written = settings.written(task)
    fields = read_fields(text, list(settings.keys(task)))
    if isinstance(fields, Rejection):
        return fields
    label = call.label or strict(fields[_LABEL], task.labels)
    if label is None:
        return Rejection("unknown label", fields[_LABEL])
    kept = {name: call.source.inputs[name] for name in settings.keep} if call.source else {}
    inputs = {name: {**kept, **fields}[name] for name in task.input_fields}
    extra = {name: fields[name] for name in written if name not in inputs}
    return Example(id, inputs, label, extra=extra, origin=Origin(teacher, "create", call.parents))

"""create: a new example (newQA: Dr. LLaMA, section 3; "generate": Kaddour and Liu, figure 1).

A teacher that was tuned first is asked in the form that it was tuned on: a prompt of few words,
without instructions. :func:`lessons` makes of the human examples what it is tuned on.
"""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from pydantic import Field

from preceptor.augment.operation import Call, OperationSettings
from preceptor.augment.reading import read_fields
from preceptor.data.candidate import Rejection
from preceptor.data.example import Example, Origin
from preceptor.errors import SpecError
from preceptor.llm.chat import Request
from preceptor.llm.frame import defuse
from preceptor.llm.prompt import ask, begin, spoken
from preceptor.llm.schema import Keys
from preceptor.tasks import AnyTask, ChoiceTask
from preceptor.tasks.answers import strict

_LABEL, ANSWER = "label", "answer"


class CreateSettings(OperationSettings):
    """Write a new example: on a field of a training example that stays (its context), or, where
    nothing stays, from a label alone. Of a text task the teacher writes the answer too."""

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
        """Whether the study decides the label, of a task that has labels."""
        return (self.label or ("asked" if self.keep else "given")) == "given"

    def written(self, task: AnyTask) -> tuple[str, ...]:
        """The fields that the teacher writes, the answer of a text task aside."""
        return self.write or tuple(name for name in task.input_fields if name not in self.keep)

    def keys(self, task: AnyTask) -> Keys:
        """What an answer must hold."""
        written: Keys = dict.fromkeys(self.written(task))
        name = self.target_key(task)
        return written if name is None else {**written, name: task.labels or None}

    def target_key(self, task: AnyTask) -> str | None:
        """What the target is called where the teacher writes it; None where the label is given."""
        if not isinstance(task, ChoiceTask):
            return ANSWER
        return None if self.label_given else _LABEL


class Lesson(NamedTuple):
    """What a teacher is tuned on, made of one human example.

    Attributes:
        request: as :func:`calls` asks a tuned teacher: one message, which ends in a line break.
        answer: what follows it, as :func:`read` reads it back.
    """

    request: Request
    answer: str


def calls(
    settings: CreateSettings,
    task: AnyTask,
    human: Sequence[Example],
    seed: int,
    base_dir: Path,
    *,
    structured: bool = False,
    tuned: bool = False,
) -> Iterator[Call]:
    """Endless calls, over human examples and labels in turn.

    Args:
        settings: of the arm.
        task: of the study.
        human: the labelled training examples, not none.
        seed: orders them, and draws what is shown.
        base_dir: the study's folder.
        structured: hold the teacher to a JSON object by a schema.
        tuned: ask as a teacher is asked that was tuned on :func:`lessons`.

    Raises:
        SpecError: the prompt is not there or cannot be filled, nothing is left to write, a
            written field has the name of the target, or a text task is given labels.
        ValueError: a tuned teacher is to write by a schema, which it was not tuned on.
    """
    writer = _writer(settings, task, human, base_dir, structured=structured, tuned=tuned)
    rng = random.Random(f"create-{seed}")
    given = task.labels if settings.target_key(task) is None else ()
    for number in itertools.count():
        if number % len(human) == 0:
            sources = rng.sample(list(human), len(human))
        label = given[number % len(given)] if given else None
        yield writer.call(sources[number % len(human)], label, rng, 100000 * seed + number)


def lessons(
    settings: CreateSettings, task: AnyTask, human: Sequence[Example], seed: int, base_dir: Path
) -> list[Lesson]:
    """Every human example as what a tuned teacher should have written, asked for it.

    It is asked with the example's own label or kept fields; where examples are shown, they are
    others, drawn as those of :func:`calls` are. What could be a control token is taken apart in
    answers as it is in prompts, and :func:`read` puts it together again. An example of two
    fields, one of which has a line that begins like the other ("Label: ..."), can be learned
    and not be read.

    Raises:
        SpecError: as :func:`calls` does.
    """
    writer = _writer(settings, task, human, base_dir, structured=False, tuned=True)
    rng = random.Random(f"lessons-{seed}")
    return [writer.lesson(example, rng) for example in human]


def _writer(
    settings: CreateSettings,
    task: AnyTask,
    human: Sequence[Example],
    base_dir: Path,
    *,
    structured: bool,
    tuned: bool,
) -> _Writer:
    if structured and tuned:
        raise ValueError("a tuned teacher writes the form that it was tuned on, and no JSON")
    _check(settings, task)
    template = settings.template(base_dir, tuned)
    return _Writer(settings, task, human, template, structured, tuned)


def _check(settings: CreateSettings, task: AnyTask) -> None:
    name = settings.target_key(task)
    fields = settings.written(task)
    if not isinstance(task, ChoiceTask):
        fields = (*fields, *settings.keep)
        if settings.label is not None:
            raise SpecError("label: a text task has no labels", fix="remove `label`")
    if name is not None and name in map(str.casefold, fields):
        raise SpecError(
            f"the teacher is asked for a field named {name!r} and for the {name}",
            fix="rename the field" + (", or set `label: given`" if name == _LABEL else ""),
        )
    if not settings.keys(task):
        raise SpecError(
            "every field is kept and the label is given: nothing is left to write",
            fix="keep fewer fields, or set `label: asked`",
        )


@dataclass(frozen=True)
class _Writer:
    settings: CreateSettings
    task: AnyTask
    human: Sequence[Example]
    template: str
    structured: bool
    tuned: bool

    def call(self, source: Example, label: str | None, rng: random.Random, sample: int) -> Call:
        keep = self.settings.keep
        shown = self._drawn(source if keep else None, label, rng)
        kept_from = (source.id,) if keep else ()
        parents = (*kept_from, *(example.id for example in shown))
        request = self._request(source, label, shown, sample)
        return Call(request, source if keep else None, parents, label)

    def lesson(self, example: Example, rng: random.Random) -> Lesson:
        label = example.target if self.settings.target_key(self.task) is None else None
        request = self._request(example, label, self._drawn(example, label, rng), 0)
        return Lesson(request, defuse(self._solution(example)).strip())

    def _request(
        self, source: Example, label: str | None, shown: Sequence[Example], sample: int
    ) -> Request:
        meanings = self.task.descriptions if isinstance(self.task, ChoiceTask) else {}
        fields = {
            "keep": self._kept(source),
            "write": [spoken(name) for name in self.settings.written(self.task)],
            "label": label,
            "meaning": meanings.get(label or "", ""),
        }
        solved = [({"keep": self._kept(one)}, self._solution(one)) for one in shown]
        if self.tuned:
            return begin(self.template, sample, self.task, fields, solved)
        schema = self.settings.keys(self.task) if self.structured else None
        return ask(self.template, sample, self.task, fields, solved, schema=schema)

    def _kept(self, example: Example) -> list[dict[str, str]]:
        return [
            {"name": spoken(name), "value": example.inputs[name]} for name in self.settings.keep
        ]

    def _drawn(self, own: Example | None, label: str | None, rng: random.Random) -> list[Example]:
        """Examples to show: of the label, if one is given; not the one that is written on."""
        if not self.settings.shown:
            return []  # without a look at all examples for each of them
        others = [one for one in self.human if label in (None, one.target) and one is not own]
        return rng.sample(others, min(self.settings.shown, len(others)))

    def _solution(self, example: Example) -> str:
        """What the teacher should have written for an example, in the form that is asked."""
        values = {**example.inputs, **example.extra}
        name = self.settings.target_key(self.task)
        if name is not None:
            values[name] = str(example.target)
        wanted = {key: values[key] for key in self.settings.keys(self.task)}
        if self.structured:
            return json.dumps(wanted, ensure_ascii=False)
        if len(wanted) == 1:
            return next(iter(wanted.values()))
        return "\n".join(f"{spoken(key)}: {value}" for key, value in wanted.items())


def read(
    settings: CreateSettings, task: AnyTask, call: Call, text: str, *, id: str, teacher: str
) -> Example | Rejection:
    """The created example, or why the answer is none."""
    fields = read_fields(text, list(settings.keys(task)))
    if isinstance(fields, Rejection):
        return fields
    target = _target(task, call, fields)
    if target is None:
        return Rejection("unknown label", fields[_LABEL])
    kept = {name: call.source.inputs[name] for name in settings.keep} if call.source else {}
    inputs = {name: {**kept, **fields}[name] for name in task.input_fields}
    extra = {name: fields[name] for name in settings.written(task) if name not in inputs}
    return Example(id, inputs, target, extra=extra, origin=Origin(teacher, "create", call.parents))


def _target(task: AnyTask, call: Call, fields: Mapping[str, str]) -> str | None:
    """None where the label that the teacher wrote is none of the task's."""
    if not isinstance(task, ChoiceTask):
        return fields[ANSWER]
    return call.label or strict(fields[_LABEL], task.labels)

"""Which fields of a made example its teacher wrote, and what a rewrite was made from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from preceptor.curate.filter import Material
from preceptor.data.example import Example
from preceptor.tasks import AnyTask, ChoiceTask

ANSWER = "the answer"
"""stands for the target of a text task among the fields' names"""


class TakenOver:
    """Knows the texts of the human examples.

    A field that equals one of theirs (a department, a context) was taken over: it is not the
    teacher's, and says nothing of what the teacher wrote.
    """

    def __init__(self, material: Material) -> None:
        self._task = material.task
        self._inputs = {text for one in material.human for text in one.inputs.values()}
        written = (texts_of(one, material.task) for one in material.human)
        self._texts = {text for fields in written for text in fields.values()}

    def written(self, example: Example) -> dict[str, str]:
        """The fields that the teacher wrote, those that no model may see included, by name."""
        annotated = example.origin.operation == "annotate"
        fields = (answer_of if annotated else texts_of)(example, self._task)
        return {name: text for name, text in fields.items() if text not in self._texts}

    def inputs(self, example: Example) -> dict[str, str]:
        """The input fields that no human example has, by name."""
        fields = example.inputs
        return {name: text for name, text in fields.items() if text not in self._inputs}


@dataclass(frozen=True, slots=True)
class Reworded:
    """A field of a rewrite beside what it was made from."""

    name: str
    original: str
    text: str


class Originals:
    """The human examples by id, to find what a rewrite was made from."""

    def __init__(self, human: Iterable[Example]) -> None:
        self._by_id = {example.id: example for example in human}

    def reworded(self, example: Example) -> Iterator[Reworded]:
        """The fields of a rewrite beside their originals; none of what is no rewrite.

        Raises:
            KeyError: its original is none of the human examples.
        """
        if example.origin.operation != "rewrite":
            return
        (parent,) = example.origin.parents
        original = self._by_id[parent]
        originals = {**original.inputs, **original.extra}
        for name, text in {**example.inputs, **example.extra}.items():
            yield Reworded(name, originals[name], text)


def texts_of(example: Example, task: AnyTask) -> dict[str, str]:
    """All text fields by name: what a model sees, what only training may see, and the answer."""
    return {**example.inputs, **example.extra, **answer_of(example, task)}


def answer_of(example: Example, task: AnyTask) -> dict[str, str]:
    """The answer of a text task, by its name; a label is no text."""
    has_answer = not isinstance(task, ChoiceTask) and example.target is not None
    return {ANSWER: str(example.target)} if has_answer else {}

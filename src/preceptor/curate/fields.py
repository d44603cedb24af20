"""Which fields of a made example its teacher wrote, and what a rewrite was made from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from preceptor.data.example import Example


class TakenOver:
    """Knows the texts of the human examples.

    A field that equals one of theirs (a department, a context) was taken over: it is not the
    teacher's, and says nothing of what the teacher wrote.
    """

    def __init__(self, human: Iterable[Example]) -> None:
        human = list(human)
        self._inputs = {text for example in human for text in example.inputs.values()}
        self._texts = self._inputs | {text for one in human for text in one.extra.values()}

    def written(self, example: Example) -> dict[str, str]:
        """The fields that the teacher wrote, those that no model may see included, by name."""
        fields = texts_of(example)
        return {name: text for name, text in fields.items() if text not in self._texts}

    def inputs(self, example: Example) -> dict[str, str]:
        """The input fields that the teacher wrote, by name."""
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
        originals = texts_of(self._by_id[parent])
        for name, text in texts_of(example).items():
            yield Reworded(name, originals[name], text)


def texts_of(example: Example) -> dict[str, str]:
    """All text fields by name: what a model sees, and what only training may see."""
    return {**example.inputs, **example.extra}

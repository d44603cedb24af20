"""Near-duplicates, within the arm and against the human data."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pydantic import Field

from preceptor.curate.fields import TakenOver, answer_of, texts_of
from preceptor.curate.filter import Material
from preceptor.data.candidate import Rejection
from preceptor.data.example import Example
from preceptor.data.near_index import NEAR, NearIndex, Sketch, Twin, sketches
from preceptor.settings import Settings

_Place = tuple[tuple[str, ...], tuple[tuple[str, str], ...]]
"""names of the fields that were written; names and texts of those that were taken over"""


class NearSettings(Settings):
    """Reject an example that is nearly another one, human or made. The one that a rewrite was
    made from does not count, nor does a field that was taken over from a human example. Of a
    text task inputs and answer are compared together: of 1,500 examples of WebNLG 25 % have an
    input near that of another, and 2 % are near another one."""

    jaccard: float = Field(NEAR, ge=0.5, le=1)
    """reject from this Jaccard similarity of the runs of 5 characters (case and punctuation
    aside); at 0.7 about one word in ten differs"""


class NearFilter:
    """Remembers the human examples and everything that passed, over all rounds.

    Examples are compared by what their teacher wrote, joined; among those that have the same
    text in all other fields, since another question on the same context is another example, and
    so is the same question on another context.
    """

    def __init__(self, settings: NearSettings, material: Material) -> None:
        self._jaccard = settings.jaccard
        self._human = material.human
        self._task = material.task
        self._taken_over = TakenOver(material)
        self._known: dict[_Place, NearIndex] = {}

    def judge(self, examples: Sequence[Example]) -> list[Rejection | None]:
        """Reject what is near to a human example, or to one made before."""
        places = [self._place(example) for example in examples]
        texts = [
            self._joined(example, names)
            for example, (names, _) in zip(examples, places, strict=True)
        ]
        sketched = sketches(texts, self._jaccard)
        return [self._judge(*one) for one in zip(examples, places, sketched, strict=True)]

    def _judge(self, example: Example, place: _Place, sketch: Sketch) -> Rejection | None:
        index = self._index(place)
        twin = _other_than(_parents(example), index.near(sketch))
        if twin is None:
            index.add(example.id, sketch)
            return None
        figures = {"jaccard": round(twin.jaccard, 4)}
        return Rejection("near duplicate", f"near to {twin.id}: {twin.wording}", figures)

    def _place(self, example: Example) -> _Place:
        written = {**self._taken_over.inputs(example), **answer_of(example, self._task)}
        names = tuple(sorted(written or example.inputs))
        others = sorted(set(example.inputs) - set(names))
        return names, tuple((name, example.inputs[name]) for name in others)

    def _index(self, place: _Place) -> NearIndex:
        if place not in self._known:
            self._known[place] = self._of_humans(*place)
        return self._known[place]

    def _of_humans(self, names: Sequence[str], others: Iterable[tuple[str, str]]) -> NearIndex:
        alike = [
            one for one in self._human if all(one.inputs.get(name) == it for name, it in others)
        ]
        index = NearIndex(self._jaccard)
        texts = [self._joined(example, names) for example in alike]
        for example, sketch in zip(alike, sketches(texts, self._jaccard), strict=True):
            index.add(example.id, sketch)
        return index

    def _joined(self, example: Example, names: Sequence[str]) -> str:
        fields = texts_of(example, self._task)
        return "\n".join(fields.get(name, "") for name in names)


def _parents(example: Example) -> tuple[str, ...]:
    """What a rewrite may be near to; examples that a prompt only showed are not to be copied."""
    return example.origin.parents if example.origin.operation == "rewrite" else ()


def _other_than(parents: Sequence[str], twins: Iterable[Twin]) -> Twin | None:
    return next((twin for twin in twins if twin.id not in parents), None)


def make(settings: NearSettings, material: Material) -> NearFilter:
    """The filter of one arm and seed."""
    return NearFilter(settings, material)

"""Exact duplicates, within the arm and against the human data."""

from __future__ import annotations

from preceptor.curate.fields import answer_of
from preceptor.curate.filter import Material, RowFilter
from preceptor.data.candidate import Rejection
from preceptor.data.example import Example
from preceptor.data.words import normalise
from preceptor.settings import Settings


class DuplicatesSettings(Settings):
    """Reject an example whose inputs (of a text task, with the answer), case and punctuation
    aside, stand in the human training set or were made before. An unchanged rewrite is one of
    these."""


class DuplicatesFilter(RowFilter):
    """Remembers the human examples and everything that reached it.

    Another answer to the same is another example; a label cannot be another.
    """

    def __init__(self, settings: DuplicatesSettings, material: Material) -> None:
        self._task = material.task
        self._seen = {self._key(example): example.id for example in material.human}

    def verdict(self, example: Example) -> Rejection | None:
        """Reject what was seen, naming where."""
        twin = self._seen.setdefault(self._key(example), example.id)
        return None if twin == example.id else Rejection("duplicate", f"same as {twin}")

    def _key(self, example: Example) -> tuple[str, ...]:
        fields = {**example.inputs, **answer_of(example, self._task)}
        return tuple(normalise(text) for _, text in sorted(fields.items()))


def make(settings: DuplicatesSettings, material: Material) -> DuplicatesFilter:
    """The filter of one arm and seed."""
    return DuplicatesFilter(settings, material)

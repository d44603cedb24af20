"""Exact duplicates, within the arm and against the human data."""

from __future__ import annotations

from collections.abc import Iterable

from preceptor.data.candidate import Rejection
from preceptor.data.example import Example
from preceptor.data.words import normalise
from preceptor.settings import Settings


class DuplicatesSettings(Settings):
    """Reject an example whose inputs, case and punctuation aside, stand in the human training
    set or were made before. An unchanged rewrite is one of these."""


class DuplicatesFilter:
    """Remembers the inputs of the human examples and of everything kept."""

    def __init__(self, settings: DuplicatesSettings, human: Iterable[Example]) -> None:
        self._seen = {_key(example): example.id for example in human}

    def judge(self, example: Example) -> Rejection | None:
        """Reject what was seen, naming where."""
        twin = self._seen.get(_key(example))
        return None if twin is None else Rejection("duplicate", f"same as {twin}")

    def keep(self, example: Example) -> None:
        """Remember what was kept."""
        self._seen[_key(example)] = example.id


def _key(example: Example) -> tuple[str, ...]:
    return tuple(normalise(text) for _, text in sorted(example.inputs.items()))

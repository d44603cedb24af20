"""Contamination: made text that stands in the test or validation split."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from preceptor.curate.filter import Material
from preceptor.data.candidate import Rejection
from preceptor.data.example import Example
from preceptor.data.leakage import NgramIndex
from preceptor.data.words import normalise
from preceptor.settings import Settings


class ContaminationSettings(Settings):
    """Reject an example of which a field equals a held-out input or shares runs of words with
    one. Reads the inputs of the held-out splits, never their labels."""

    words: int = Field(8, ge=2)
    """length of the runs of words that are compared"""
    share: float = Field(0.25, gt=0, le=1)
    """reject where this share of a field's runs stands in one held-out input"""


class ContaminationFilter:
    """Knows the inputs of all held-out examples; a field that was taken over from a human
    example (a department, a context) is not the teacher's, and is not judged."""

    def __init__(self, settings: ContaminationSettings, material: Material) -> None:
        self._human = {text for example in material.human for text in example.inputs.values()}
        self._share = settings.share
        self._index = NgramIndex(settings.words)
        self._exact: dict[str, str] = {}
        for example in material.held_out:
            for text in example.inputs.values():
                self._index.add(example.id, text)
                self._exact[normalise(text)] = example.id

    def judge(self, examples: Sequence[Example]) -> list[Rejection | None]:
        """Reject what equals or overlaps a held-out input, with the overlap shown."""
        return [self._judge(example) for example in examples]

    def _judge(self, example: Example) -> Rejection | None:
        for text in example.inputs.values():
            if text in self._human:
                continue
            twin = self._exact.get(normalise(text))
            if twin is not None:
                return Rejection("contamination", f"equals an input of {twin}")
            overlap = self._index.overlap(text)
            if overlap is not None and overlap.share >= self._share:
                share = f"{overlap.share:.0%} of the shorter text"
                shown = f"{share} is shared with {overlap.id}: {overlap.words}"
                return Rejection("contamination", shown)
        return None


def make(settings: ContaminationSettings, material: Material) -> ContaminationFilter:
    """The filter of one arm and seed."""
    return ContaminationFilter(settings, material)

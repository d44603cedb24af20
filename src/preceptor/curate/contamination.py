"""Contamination: made text that stands in the test or validation split."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import SequenceMatcher

from pydantic import Field

from preceptor.curate.fields import TakenOver, answer_of
from preceptor.curate.filter import Material
from preceptor.data.candidate import Rejection
from preceptor.data.example import Example
from preceptor.data.near_index import NEAR, NearIndex, Sketch, Twin, sketches
from preceptor.data.overlap import NgramIndex
from preceptor.data.words import normalise
from preceptor.settings import Settings


class ContaminationSettings(Settings):
    """Reject an example of which a field, or an answer in words, equals a held-out input, is
    nearly one, or shares runs of words with one. Reads the inputs of the held-out splits, never
    their labels."""

    words: int = Field(8, ge=2)
    """length of the runs of words that are compared"""
    share: float = Field(0.25, gt=0, le=1)
    """reject where this share of a field's runs stands in one held-out input"""
    jaccard: float = Field(NEAR, ge=0.5, le=1)
    """reject from this Jaccard similarity of the runs of 5 characters (case and punctuation
    aside) with one held-out input: finds short texts, which have no runs of 8 words"""


class ContaminationFilter:
    """Knows the inputs of all held-out examples; a field that was taken over from a human
    example (a department, a context) is not the teacher's, and is not judged."""

    def __init__(self, settings: ContaminationSettings, material: Material) -> None:
        self._taken_over = TakenOver(material)
        self._task = material.task
        self._settings = settings
        self._index = NgramIndex(settings.words)
        self._near = NearIndex(settings.jaccard)
        inputs = [(one.id, text) for one in material.held_out for text in one.inputs.values()]
        self._exact = {normalise(text): id for id, text in inputs}
        for id, text in inputs:
            self._index.add(id, text)
        self._add_near({text: id for id, text in inputs})

    def _add_near(self, ids: dict[str, str]) -> None:
        sketched = sketches(list(ids), self._settings.jaccard)
        for id, sketch in zip(ids.values(), sketched, strict=True):
            self._near.add(id, sketch)

    def judge(self, examples: Sequence[Example]) -> list[Rejection | None]:
        """Reject what equals, nearly equals or overlaps a held-out input, the overlap shown."""
        written = [self._written(example) for example in examples]
        texts = [text for several in written for text in several]
        fields = iter(zip(texts, sketches(texts, self._settings.jaccard), strict=True))
        return [self._judge([next(fields) for _ in several]) for several in written]

    def _written(self, example: Example) -> list[str]:
        fields = {**self._taken_over.inputs(example), **answer_of(example, self._task)}
        return list(fields.values())

    def _judge(self, fields: Sequence[tuple[str, Sketch]]) -> Rejection | None:
        found = (self._found(text, sketch) for text, sketch in fields)
        return next((one for one in found if one is not None), None)

    def _found(self, text: str, sketch: Sketch) -> Rejection | None:
        twin = self._exact.get(sketch.wording)
        if twin is not None:
            return Rejection("contamination", f"equals an input of {twin}")
        overlap = self._index.overlap(text)
        if overlap is not None and overlap.share >= self._settings.share:
            share = f"{overlap.share:.0%} of the shorter text"
            shown = f"{share} is shared with {overlap.id}: {overlap.words}"
            return Rejection("contamination", shown, {"share": round(overlap.share, 4)})
        near = next(iter(self._near.near(sketch)), None)
        return None if near is None else _nearly(sketch.wording, near)


def _nearly(wording: str, twin: Twin) -> Rejection:
    """Shows the longest run of words that both have; of texts without one, the held-out one."""
    words, others = wording.split(), twin.wording.split()
    match = SequenceMatcher(None, words, others, autojunk=False).find_longest_match()
    shown = " ".join(words[match.a : match.a + match.size]) or twin.wording
    figures = {"jaccard": round(twin.jaccard, 4)}
    return Rejection("contamination", f"nearly an input of {twin.id}: {shown}", figures)


def make(settings: ContaminationSettings, material: Material) -> ContaminationFilter:
    """The filter of one arm and seed."""
    return ContaminationFilter(settings, material)

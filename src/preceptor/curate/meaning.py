"""Rewrites that lost the meaning of what they reword."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from pydantic import Field

from preceptor.curate.filter import Material, needs_rewriting
from preceptor.data.candidate import Rejection
from preceptor.data.example import Example
from preceptor.models.embedding import EMBEDDER, cut_note, embedder
from preceptor.settings import Settings

unfit = needs_rewriting


class MeaningSettings(Settings):
    """Reject a rewrite of which a reworded field is too far from what it rewords, by the cosine
    of their sentence embeddings. It sees a topic that was lost, and hardly a "not"."""

    similarity: float = Field(0.5, gt=0, le=1)
    """cosine below which the meaning counts as lost. Good rewrites of the quickstart's messages lay
    at 0.52 to 0.94, other messages of the same kind at 0.12 to 0.42"""
    weights: str = EMBEDDER
    """the sentence encoder: a known package (minilm), a folder, or a hub id"""


class MeaningFilter:
    """Compares every rewrite with its parent, field by field of what changed.

    Attributes:
        figures: the similarity of every changed field of the rewrites judged, by their ids.
    """

    def __init__(self, settings: MeaningSettings, material: Material) -> None:
        self._settings = settings
        self._material = material
        self._cut = 0
        self.figures: dict[str, dict[str, float]] = {}

    @property
    def notes(self) -> list[str]:
        """What a reader of the result must know."""
        return cut_note(self._cut)

    def judge(self, examples: Sequence[Example]) -> list[Rejection | None]:
        """Reject a rewrite by its worst field; anything else passes."""
        pairs = [
            (place, field, old, new)
            for place, example in enumerate(examples)
            for field, old, new in self._changed(example)
        ]
        old, new = [pair[2] for pair in pairs], [pair[3] for pair in pairs]
        model = embedder(self._settings.weights, self._material.base_dir)
        found: list[dict[str, float]] = [{} for _ in examples]
        for (place, field, *_), cosine in zip(pairs, model.cosines(old, new), strict=True):
            found[place][field] = round(float(cosine), 4)
        self._cut += model.cut(new)
        return [self._judge(one, figures) for one, figures in zip(examples, found, strict=True)]

    def _changed(self, example: Example) -> list[tuple[str, str, str]]:
        """Name, old and new text of every field that a rewrite changed."""
        if example.origin.operation != "rewrite":
            return []
        parent = self._human[example.origin.parents[0]]
        before, after = {**parent.inputs, **parent.extra}, {**example.inputs, **example.extra}
        return [(name, before[name], text) for name, text in after.items() if before[name] != text]

    @cached_property
    def _human(self) -> dict[str, Example]:
        return {example.id: example for example in self._material.human}

    def _judge(self, example: Example, similarity: dict[str, float]) -> Rejection | None:
        if not similarity:
            return None
        self.figures[example.id] = {f"similarity of {name}": s for name, s in similarity.items()}
        worst = min(similarity, key=lambda name: similarity[name])
        if similarity[worst] >= self._settings.similarity:
            return None
        detail = f"{worst}: {similarity[worst]:.2f} to {example.origin.parents[0]}"
        return Rejection("meaning lost", detail, self.figures[example.id])


def identity(settings: MeaningSettings, base_dir: Path) -> dict[str, str]:
    """What tells the encoder from any other."""
    return embedder(settings.weights, base_dir).identity


def make(settings: MeaningSettings, material: Material) -> MeaningFilter:
    """The filter of one arm and seed."""
    return MeaningFilter(settings, material)

"""Outliers in length, by the lengths of the human texts."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from preceptor.curate.fields import TakenOver, texts_of
from preceptor.curate.filter import Material, RowFilter, needs_writing
from preceptor.data.candidate import Rejection
from preceptor.data.example import Example
from preceptor.data.words import normalise
from preceptor.settings import Settings

unfit = needs_writing


class LengthSettings(Settings):
    """Reject an example with a field that is far shorter or longer than that field is in the
    human examples. Off by default: a few human examples show little of how lengths vary."""

    quantile: float = Field(0.01, ge=0, lt=0.5)
    """this share of the human texts at either end does not say what is usual, so that a stray
    one among many does not widen the limits"""
    factor: float = Field(1.5, ge=1)
    """how many times shorter or longer than what is usual a text may be: the extremes of 40
    texts lie well inside those of their kind"""


class LengthFilter(RowFilter):
    """Knows how many words every field of the human examples has."""

    def __init__(self, settings: LengthSettings, material: Material) -> None:
        self._taken_over = TakenOver(material)
        lengths: dict[str, list[int]] = {}
        for example in material.human:
            for name, text in texts_of(example, material.task).items():
                lengths.setdefault(name, []).append(_words(text))
        self._limits = {name: _limits(several, settings) for name, several in lengths.items()}

    def verdict(self, example: Example) -> Rejection | None:
        """Reject outliers, with their words and the limits."""
        for name, text in self._taken_over.written(example).items():
            words = _words(text)
            shortest, longest = self._limits.get(name, (0.0, float("inf")))
            if not shortest <= words <= longest:
                reason = "too short" if words < shortest else "too long"
                detail = f"{name} has {words} words, not {shortest:.0f} to {longest:.0f}"
                figures = {"words": words, "shortest": shortest, "longest": longest}
                return Rejection(reason, detail, figures)
        return None


def _limits(lengths: Sequence[int], settings: LengthSettings) -> tuple[float, float]:
    """Fewest and most words."""
    import numpy as np

    ends = np.quantile(lengths, [settings.quantile, 1 - settings.quantile])
    return round(float(ends[0]) / settings.factor, 2), round(float(ends[1]) * settings.factor, 2)


def _words(text: str) -> int:
    return len(normalise(text).split())


def make(settings: LengthSettings, material: Material) -> LengthFilter:
    """The filter of one arm and seed."""
    return LengthFilter(settings, material)

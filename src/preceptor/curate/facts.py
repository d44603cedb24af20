"""Rewrites whose numbers or negations changed: what a label can hang on."""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

from preceptor.curate.fields import Originals
from preceptor.curate.filter import Material, RowFilter, needs_rewriting
from preceptor.curate.negations import Negations, negation_changes, negations_of
from preceptor.curate.numbers import Numbers, number_changes, numbers_of
from preceptor.data.candidate import Rejection
from preceptor.data.example import Example
from preceptor.settings import Settings

unfit = needs_rewriting
_KEPT = 10_000
"""originals that are not read again for each of their rewrites"""


class FactsSettings(Settings):
    """Reject a rewrite that lost or gained a number or a negation: its label, which is that of
    the original, may hang on it. Knows digits in any language, words in English."""

    numbers: bool = True
    """compare digits, decimals, percentages, units, times and number words: 5.0 is 5, "five mg" is
    "5 mg", and a number without a unit may be one with any"""
    negations: bool = True
    """compare "not", "never", "without", "n't", "neither", "denies" and the like; another word
    that can say the same ("failed to", "unable") may stand for one"""


class FactsFilter(RowFilter):
    """Compares every field of a rewrite to the one that it was made from."""

    def __init__(self, settings: FactsSettings, material: Material) -> None:
        self._settings = settings
        self._originals = Originals(material.human)

    def verdict(self, example: Example) -> Rejection | None:
        """Reject changed facts, with what was lost and what is new."""
        fields = [one for one in self._originals.reworded(example) if one.original != one.text]
        for field in fields:
            found = changed(field.original, field.text, self._settings)
            if found is not None:
                return found
        return None


def changed(original: str, text: str, settings: FactsSettings) -> Rejection | None:
    """What is wrong with a text as a rewrite of another, numbers first; None if nothing is."""
    if settings.numbers:
        numbers = number_changes(_numbers_before(original), numbers_of(text))
        if any(numbers):
            return _rejection("number changed", *numbers)
    if settings.negations:
        negations = negation_changes(_negations_before(original), negations_of(text))
        if any(negations):
            return _rejection("negation changed", *negations)
    return None


def _rejection(
    reason: Literal["number changed", "negation changed"], lost: list[str], new: list[str]
) -> Rejection:
    told = [f"{word}: {', '.join(some)}" for word, some in (("lost", lost), ("new", new)) if some]
    return Rejection(reason, "; ".join(told), {"lost": len(lost), "new": len(new)})


@lru_cache(_KEPT)
def _numbers_before(text: str) -> Numbers:
    return numbers_of(text)


@lru_cache(_KEPT)
def _negations_before(text: str) -> Negations:
    return negations_of(text)


def make(settings: FactsSettings, material: Material) -> FactsFilter:
    """The filter of one arm and seed."""
    return FactsFilter(settings, material)

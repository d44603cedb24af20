"""Rewrites that are their original again, or almost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from difflib import SequenceMatcher

from pydantic import Field

from preceptor.curate.fields import Originals
from preceptor.curate.filter import Material, RowFilter, needs_rewriting
from preceptor.data.candidate import Rejection
from preceptor.data.example import Example
from preceptor.data.words import normalise
from preceptor.settings import Settings

unfit = needs_rewriting


class UnchangedSettings(Settings):
    """Reject a rewrite in which no field differs enough from its original. Case and punctuation
    do not count. A copy is the human example once more, which the arm `repeat` gives for free."""

    share: float = Field(0.1, ge=0, lt=1)
    """reject where at most this share of the words changed, in every field; one word in ten is
    a slip of the pen rather than other words. 0 rejects copies alone"""


class UnchangedFilter(RowFilter):
    """Compares every field of a rewrite to the one that it was made from."""

    def __init__(self, settings: UnchangedSettings, material: Material) -> None:
        self._share = settings.share
        self._originals = Originals(material.human)

    def verdict(self, example: Example) -> Rejection | None:
        """Reject copies, with the share of words that changed."""
        shares: dict[str, float] = {}
        for field in self._originals.reworded(example):
            before, after = normalise(field.original).split(), normalise(field.text).split()
            if _at_least(before, after) > self._share:
                return None
            shares[field.name] = _changed(before, after)
        most = max(shares, key=lambda name: shares[name], default=None)
        if most is None or shares[most] > self._share:
            return None
        detail = f"{shares[most]:.0%} of the words of {most} changed"
        figures = {f"changed {name}": round(share, 4) for name, share in shares.items()}
        return Rejection("unchanged", detail, figures)


def _changed(before: Sequence[str], after: Sequence[str]) -> float:
    """Share of the longer text's words that the other does not have in the same order."""
    matches = SequenceMatcher(None, before, after, autojunk=False).get_matching_blocks()
    return _share(sum(match.size for match in matches), before, after)


def _at_least(before: Sequence[str], after: Sequence[str]) -> float:
    """What :func:`_changed` cannot be below, quick to find: the order of words aside."""
    return _share((Counter(before) & Counter(after)).total(), before, after)


def _share(same: int, before: Sequence[str], after: Sequence[str]) -> float:
    longest = max(len(before), len(after))
    return (longest - same) / longest if longest else 0.0


def make(settings: UnchangedSettings, material: Material) -> UnchangedFilter:
    """The filter of one arm and seed."""
    return UnchangedFilter(settings, material)

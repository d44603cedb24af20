"""An index of texts that grows, to find what is a near-duplicate of any of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from preceptor.data.near import SEED
from preceptor.data.words import normalise

NEAR = 0.7
"""Jaccard similarity from which two texts are near-duplicates: in a message of 15 words, one of
average length exchanged; SantaCoder and StarCoder (Ben Allal et al., 2023; Li et al., 2023)
take 0.7 too"""
SHINGLE = 5
"""characters in a shingle: a message of 8 words has 4 runs of 5 words, too few to compare by,
and 40 runs of 5 characters; 5 are what Leskovec et al. (Mining of Massive Datasets, section 3.2.2)
advise for e-mails"""
_HASHES = 256
_MISSED = 0.01
"""share of pairs right at the threshold that no band may show"""
_SPREADS = 4
"""standard deviations below the threshold from which an estimate is believed: 1 pair in 30,000
lies lower"""
_AT_ONCE = 512


@dataclass(frozen=True, slots=True)
class Sketch:
    """A text as it is compared: its words, and their MinHash."""

    wording: str
    minhash: Any


@dataclass(frozen=True, slots=True)
class Twin:
    """A known text that is near, and how near: the Jaccard similarity of the shingles."""

    id: str
    wording: str
    jaccard: float


class NearIndex:
    """Texts that are known, by locality-sensitive hashing (``rensa``); each candidate is then
    compared exactly. Nothing hangs on Python's hash seed.

    Args:
        jaccard: similarity from which two texts are near-duplicates.
    """

    def __init__(self, jaccard: float = NEAR) -> None:
        from rensa import RMinHashLSH

        bands, in_band = _bands(jaccard)
        self._jaccard = jaccard
        self._likely = jaccard - _SPREADS * math.sqrt(jaccard * (1 - jaccard) / (bands * in_band))
        self._hashing = RMinHashLSH(threshold=jaccard, num_perm=bands * in_band, num_bands=bands)
        self._known: list[tuple[str, Sketch]] = []

    def add(self, id: str, sketch: Sketch) -> None:
        """Know a text; ``sketch`` is one of :func:`sketches` for the same threshold."""
        self._hashing.insert(len(self._known), sketch.minhash)
        self._known.append((id, sketch))

    def near(self, sketch: Sketch) -> list[Twin]:
        """All known texts that are near, the nearest first."""
        found = [self._known[number] for number in sorted(self._hashing.query(sketch.minhash))]
        twins = [
            Twin(id, known.wording, _jaccard(sketch.wording, known.wording))
            for id, known in found
            if sketch.minhash.jaccard(known.minhash) >= self._likely
        ]
        near = [twin for twin in twins if twin.jaccard >= self._jaccard]
        return sorted(near, key=lambda twin: -twin.jaccard)


def sketches(texts: Sequence[str], jaccard: float = NEAR) -> list[Sketch]:
    """The texts as an index of this threshold compares them."""
    from rensa import RMinHash

    bands, in_band = _bands(jaccard)
    done: list[Sketch] = []
    for start in range(0, len(texts), _AT_ONCE):
        wordings = [normalise(text) for text in texts[start : start + _AT_ONCE]]
        shingles = [_shingles(wording) for wording in wordings]
        hashed = RMinHash.from_token_sets(shingles, num_perm=bands * in_band, seed=SEED)
        done += [Sketch(*pair) for pair in zip(wordings, hashed, strict=True)]
    return done


def _shingles(wording: str) -> list[str]:
    """Every run of 5 characters; of a shorter text the whole."""
    last = max(1, len(wording) - SHINGLE + 1)
    return [wording[start : start + SHINGLE] for start in range(last)]


def _jaccard(one: str, other: str) -> float:
    first, second = set(_shingles(one)), set(_shingles(other))
    both = len(first & second)
    return both / (len(first) + len(second) - both)


@cache
def _bands(jaccard: float) -> tuple[int, int]:
    """How many bands of how many hashes: as many in a band as still show 99 % of the pairs that
    are just near enough. More in a band means fewer candidates in vain."""
    for in_band in range(16, 1, -1):
        bands = _HASHES // in_band
        if (1 - jaccard**in_band) ** bands <= _MISSED:
            return bands, in_band
    return _HASHES, 1

"""What two texts share: the same wording, and runs of words in common."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain

from preceptor.data.example import Example
from preceptor.data.words import has_words, normalise, words_of

_STRETCH = re.compile(rb"\x01+")
SHORTEST = 5
"""words; a shorter text that stands within another is chance, not a leak"""
NEAR = 0.5
"""share of the shorter text's words in shared runs beyond which two texts count as near"""


def wording(example: Example, show: Callable[[Example], str]) -> str:
    """What is shown, normalised; with the fields that have no words (an emoji), which the words
    of a template would hide.

    Args:
        example: the example.
        show: how the task shows an example.
    """
    wordless = [normalise(text) for text in example.inputs.values() if not has_words(text)]
    return "\n".join([normalise(show(example)), *wordless])


def inputs_of(example: Example) -> str:
    """The inputs alone, one below the other, in which near-duplicates are sought."""
    return "\n".join(example.inputs.values())


@dataclass(frozen=True, slots=True)
class Overlap:
    """What a text shares with one that an index knows.

    Attributes:
        id: the known text's id.
        number: how many texts were added before it.
        share: share of the shorter text's words that stand in shared runs, in (0, 1].
        words: the longest shared run.
    """

    id: str
    number: int
    share: float
    words: str


@dataclass
class NgramIndex:
    """An inverted index of runs of ``n`` words, to find overlaps without comparing all pairs.

    A known text of fewer than ``n`` words (but at least ``SHORTEST``) is one run of its own.
    Runs of this length are how GPT-3 (Brown et al., 2020, appendix C: 8 to 13 words) and PaLM
    (Chowdhery et al., 2022, section 8: 8 words) look for contamination.
    """

    n: int = 8
    _ids: list[str] = field(default_factory=list)
    _lengths: list[int] = field(default_factory=list)
    _runs: list[frozenset[int]] = field(default_factory=list)
    _holders: dict[int, dict[int, list[int]]] = field(default_factory=dict)

    def add(self, id: str, text: str) -> None:
        """Know a text. An id may come more than once, for one field after the other."""
        words = words_of(text)
        if len(words) < min(SHORTEST, self.n):
            return
        size = min(self.n, len(words))
        holders = self._holders.setdefault(size, {})
        runs = frozenset(_keys(words, size))
        for key in runs:
            holders.setdefault(key, []).append(len(self._ids))
        self._ids.append(id)
        self._lengths.append(len(words))
        self._runs.append(runs)

    def overlap(self, text: str) -> Overlap | None:
        """The known text that shares most with ``text``; the first added among equals."""
        found = self.above(text, [0.0] * len(self._ids))
        return max(found, key=lambda each: each.share, default=None)

    def above(self, text: str, floors: Sequence[float]) -> list[Overlap]:
        """Every known text that shares more with ``text`` than its floor.

        Args:
            text: the text to look up.
            floors: for every known text, in the order they were added, the share that is of
                no interest any more.
        """
        words = words_of(text)
        found = []
        for size, holders in self._holders.items():
            keys = list(_keys(words, size))
            for number, covered in _covered([holders.get(key, ()) for key in keys], size):
                share = min(1.0, covered / min(len(words), self._lengths[number]))
                if share > floors[number]:
                    begin, end = _longest(self._runs[number], keys, size)
                    run = " ".join(words[begin:end])
                    found.append(Overlap(self._ids[number], number, share, run))
        return sorted(found, key=lambda each: each.number)


def _covered(holders: Sequence[Sequence[int]], size: int) -> Iterator[tuple[int, int]]:
    """For every known text that is met, its number and how many words its runs cover.

    Args:
        holders: for the run that begins at each word, the numbers of the texts that have it.
        size: words of a run.
    """
    import numpy as np

    met = np.fromiter(map(len, holders), np.int64, len(holders))
    if not met.any():
        return
    numbers = np.fromiter(chain.from_iterable(holders), np.int64, int(met.sum()))
    order = np.argsort(numbers, kind="stable")
    numbers, begins = numbers[order], np.repeat(np.arange(len(met)), met)[order]
    is_first = np.diff(numbers, prepend=-1) != 0
    gained = np.where(is_first, size, np.minimum(np.diff(begins, prepend=0), size))
    firsts = np.flatnonzero(is_first)
    covered = np.add.reduceat(gained, firsts)
    yield from zip(numbers[firsts].tolist(), covered.tolist(), strict=True)


def _keys(words: Sequence[str], size: int) -> Iterator[int]:
    """One 64-bit key for every run of ``size`` words, in order."""
    return map(hash, zip(*(words[start:] for start in range(size)), strict=False))


def _longest(known: frozenset[int], keys: Sequence[int], size: int) -> tuple[int, int]:
    """Begin and end of the longest stretch of words that consecutive known runs cover."""
    stretches = _STRETCH.finditer(bytes(map(known.__contains__, keys)))
    longest = max(stretches, key=lambda match: match.end() - match.start())
    return longest.start(), longest.end() + size - 1

"""Leaks: what stands in more than one split, and shared runs of words."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, combinations
from typing import TYPE_CHECKING, Literal

from preceptor.data.example import Example
from preceptor.data.words import has_words, normalise, words_of

if TYPE_CHECKING:
    from preceptor.data.splits import Splits

_STRETCH = re.compile(rb"\x01+")
SHORTEST = 5
"""words; a shorter text that stands within another is chance, not a leak"""
NEAR = 0.5
"""share of the shorter text's words in shared runs beyond which two texts count as near"""
FIELD_WORDS = 8
"""words; a field must have more for its repetition to count as a leak"""
Kind = Literal["exact", "other_label", "field", "near"]


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


@dataclass(frozen=True, slots=True)
class Leak:
    """Something of one split that stands in another.

    Attributes:
        split_a: the split that is nearer to training.
        id_a: the example there.
        split_b: the split that should not have it (the same one for ``other_label`` within a
            split).
        id_b: the example there.
        kind: `exact`: the same text as shown; `other_label`: that, with another label;
            `field`: one field of more than 8 words is the same (a context under another
            question); `near`: more than half of the shorter one's words stand in shared runs of 8.
        share: share of the text that is shared; 1 for exact repeats.
    """

    split_a: str
    id_a: str
    split_b: str
    id_b: str
    kind: Kind
    share: float


def leakage(splits: Splits, show: Callable[[Example], str]) -> list[Leak]:
    """Look for leaks between train, validation and test.

    An example of the later split counts once for every earlier split, by its worst leak:
    other_label, exact, field, near, in this order. Near-duplicates are sought in the input
    fields, so that a template's own words never count. Reads labels only to tell
    ``other_label``, which does not exist where targets are texts: a question may have two
    answers. Nothing is chosen by the result.

    Args:
        splits: the data as it was read, before any draw.
        show: how the task shows an example.
    """
    leaks: list[Leak] = []
    named = splits.labelled()
    if splits.targets == "label":
        for name, examples in named.items():
            leaks += _contradictions(name, examples, show)
    for first, second in combinations(named, 2):
        leaks += _between(first, named[first], second, named[second], show)
    if splits.targets == "text":
        leaks = [
            replace(leak, kind="exact") if leak.kind == "other_label" else leak for leak in leaks
        ]
    return leaks


def _contradictions(
    split: str, examples: Sequence[Example], show: Callable[[Example], str]
) -> Iterator[Leak]:
    """The same text with different labels within a split."""
    known: dict[str, Example] = {}
    for example in examples:
        twin = known.setdefault(wording(example, show), example)
        if twin.target != example.target:
            yield Leak(split, twin.id, split, example.id, "other_label", 1.0)


def _between(
    split_a: str,
    first: Sequence[Example],
    split_b: str,
    second: Sequence[Example],
    show: Callable[[Example], str],
) -> Iterator[Leak]:
    exact = _by_text(first, lambda example: [wording(example, show)])
    fields = _by_text(first, _long_fields)
    rest = []
    for example in second:
        twins = exact.get(wording(example, show), [])
        others = [twin for twin in twins if twin.target != example.target]
        alike = [fields[text][0] for text in _long_fields(example) if text in fields]
        if twins:
            kind: Kind = "other_label" if others else "exact"
            yield Leak(split_a, (others or twins)[0].id, split_b, example.id, kind, 1.0)
        elif alike:
            yield Leak(split_a, alike[0].id, split_b, example.id, "field", 1.0)
        else:
            rest.append(example)
    for twin_id, example_id, share in _nearest(first, rest):
        yield Leak(split_a, twin_id, split_b, example_id, "near", share)


def wording(example: Example, show: Callable[[Example], str]) -> str:
    """What is shown, normalised; with the fields that have no words (an emoji), which the words
    of a template would hide.

    Args:
        example: the example.
        show: how the task shows an example.
    """
    wordless = [normalise(text) for text in example.inputs.values() if not has_words(text)]
    return "\n".join([normalise(show(example)), *wordless])


def _by_text(
    examples: Iterable[Example], texts: Callable[[Example], list[str]]
) -> dict[str, list[Example]]:
    known: dict[str, list[Example]] = {}
    for example in examples:
        for text in texts(example):
            known.setdefault(text, []).append(example)
    return known


def _long_fields(example: Example) -> list[str]:
    fields = (words_of(text) for text in example.inputs.values())
    return [" ".join(words) for words in fields if len(words) > FIELD_WORDS]


def _nearest(
    first: Sequence[Example], second: Sequence[Example]
) -> Iterator[tuple[str, str, float]]:
    """Its nearest of ``first``, id, and share, for each of ``second`` that has one."""
    index = NgramIndex()
    for example in second:
        index.add(example.id, inputs_of(example))
    shares = [NEAR] * len(second)
    best: dict[str, tuple[str, str, float]] = {}
    for example in first:
        for overlap in index.above(inputs_of(example), shares):
            shares[overlap.number] = overlap.share
            best[overlap.id] = (example.id, overlap.id, overlap.share)
    return (best[example.id] for example in second if example.id in best)


def inputs_of(example: Example) -> str:
    """The inputs alone, one below the other, in which near-duplicates are sought."""
    return "\n".join(example.inputs.values())


def summary(leaks: Iterable[Leak]) -> list[dict[str, str | int]]:
    """Counts for the report, one row for each pair of splits and kind: between, kind, count."""
    counts: dict[tuple[str, str], int] = {}
    for leak in leaks:
        within = leak.split_a == leak.split_b
        between = f"within {leak.split_a}" if within else f"{leak.split_a} and {leak.split_b}"
        key = between, leak.kind
        counts[key] = counts.get(key, 0) + 1
    return [
        {"between": between, "kind": _WORDS[kind], "count": count}
        for (between, kind), count in counts.items()
    ]


_WORDS: dict[str, str] = {
    "exact": "the same text",
    "other_label": "the same text, another label",
    "field": "one field the same",
    "near": "nearly the same text",
}

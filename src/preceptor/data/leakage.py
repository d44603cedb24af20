"""Leaks: what stands in more than one split."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Literal

from preceptor.data.example import Example
from preceptor.data.overlap import NEAR, NgramIndex, inputs_of, wording
from preceptor.data.splits import Splits
from preceptor.data.words import words_of

FIELD_WORDS = 8
"""words; a field must have more for its repetition to count as a leak"""
Kind = Literal["exact", "other_label", "field", "near"]


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

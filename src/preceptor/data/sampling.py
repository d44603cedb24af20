"""Draws that depend on ids and a seed alone, never on the order of rows or a library's version."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from hashlib import sha256

from preceptor.data.example import Example, Targets


def rank(salt: str, name: str) -> bytes:
    """A pseudo-random sort key for ``name``: SHA-256 of the salt and the name."""
    return sha256(f"{salt}\0{name}".encode()).digest()


def shuffled(examples: Iterable[Example], salt: str) -> list[Example]:
    """The examples in the salt's order."""
    return sorted(examples, key=lambda example: rank(salt, example.id))


def allot(counts: Mapping[str, int], total: int, salt: str) -> dict[str, int]:
    """Share ``total`` out in proportion to ``counts`` (largest remainder, Hamilton's method).

    Equal remainders are settled by the salt. No label gets more than it has as long as
    ``total`` is at most the sum of ``counts``.
    """
    whole = sum(counts.values())
    shares = {label: count * total // whole for label, count in counts.items()}
    ordered = sorted(
        counts, key=lambda label: (-(counts[label] * total % whole), rank(salt, label))
    )
    for label in ordered[: total - sum(shares.values())]:
        shares[label] += 1
    return shares


def sample(examples: Sequence[Example], wanted: Mapping[str, int], salt: str) -> list[Example]:
    """Draw ``wanted[label]`` examples of every label; they keep the order they came in.

    A larger draw under the same salt contains the smaller one.
    """
    left = dict(wanted)
    chosen: set[str] = set()
    for example in shuffled(examples, salt):
        label = label_of(example)
        if left.get(label, 0) > 0:
            left[label] -= 1
            chosen.add(example.id)
    return [example for example in examples if example.id in chosen]


def sample_in_proportion(examples: Sequence[Example], total: int, salt: str) -> list[Example]:
    """Draw ``total`` examples, the labels in the proportion of ``examples``."""
    return sample(examples, allot(label_counts(examples), total, salt), salt)


def sample_any(examples: Sequence[Example], total: int, salt: str) -> list[Example]:
    """Draw ``total`` examples whatever their targets; they keep the order they came in.

    A larger draw under the same salt contains the smaller one.
    """
    chosen = {example.id for example in shuffled(examples, salt)[:total]}
    return [example for example in examples if example.id in chosen]


Sampler = Callable[[Sequence[Example], int, str], list[Example]]
SAMPLERS: Mapping[Targets, Sampler] = {"label": sample_in_proportion, "text": sample_any}
"""how examples are drawn: labels in proportion; texts, which hardly recur, by the salt alone"""


def label_counts(examples: Iterable[Example]) -> dict[str, int]:
    """How often each target occurs, in alphabetical order; no target counts as ""."""
    return dict(sorted(Counter(label_of(example) for example in examples).items()))


def label_of(example: Example) -> str:
    """The target, or "" where there is none."""
    return example.target or ""

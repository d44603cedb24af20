"""Draws that depend on ids and a seed alone, never on the order of rows or a library's version."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from hashlib import sha256

from preceptor.data.example import Example, Targets
from preceptor.errors import DataError


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


def subset(
    examples: Sequence[Example], amount: int | float, salt: str, targets: Targets
) -> list[Example]:
    """The first so many in the salt's order; they keep the order they came in.

    Labels stand in proportion, and each that there is stands once before any stands twice by
    chance of rounding: the r-th example of a label that n have comes at (r - 1/2) / n, the first
    ones before all others. This is Webster's method, which unlike :func:`allot` never takes back
    what a smaller total gave, so that a larger subset contains a smaller one of the same salt.

    Args:
        examples: what to take from.
        amount: a number, or a share as a float up to 1 (0.05), rounded, at least one example.
        salt: draws the order.
        targets: labels are taken in proportion; texts by the salt alone.

    Raises:
        DataError: more than there are, less than one, or no whole number.
    """
    count = _count(amount, len(examples))
    ordered = shuffled(examples, salt)
    if targets == "label":
        ordered = _in_proportion(ordered, salt)
    chosen = {example.id for example in ordered[:count]}
    return [example for example in examples if example.id in chosen]


def _count(amount: int | float, whole: int) -> int:
    if isinstance(amount, float) and 0 < amount <= 1:
        return max(1, round(amount * whole))
    if 1 <= amount <= whole and amount == int(amount):
        return int(amount)
    raise DataError(
        "a part of the examples that cannot be taken",
        found=f"{amount} of {whole} examples",
        expected=f"a whole number from 1 to {whole}, or a share up to 1.0",
    )


def _in_proportion(shuffled: Sequence[Example], salt: str) -> list[Example]:
    counts = label_counts(shuffled)
    seen: Counter[str] = Counter()
    keyed = []
    for place, example in enumerate(shuffled):
        label = label_of(example)
        seen[label] += 1
        at = (2 * seen[label] - 1) / counts[label]
        keyed.append((seen[label] > 1, at, rank(salt, label), place))
    return [shuffled[place] for *_, place in sorted(keyed)]


def label_counts(examples: Iterable[Example]) -> dict[str, int]:
    """How often each target occurs, in alphabetical order; no target counts as ""."""
    return dict(sorted(Counter(label_of(example) for example in examples).items()))


def label_of(example: Example) -> str:
    """The target, or "" where there is none."""
    return example.target or ""

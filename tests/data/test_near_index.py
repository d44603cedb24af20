"""The growing index finds what comparing with every known text finds."""

from __future__ import annotations

import random

import pytest

from preceptor.data.near_index import NearIndex, sketches


def shingles(text: str) -> set[str]:
    return {text[start : start + 5] for start in range(max(1, len(text) - 4))}


def jaccard(one: str, other: str) -> float:
    first, second = shingles(one), shingles(other)
    return len(first & second) / len(first | second)


def texts() -> list[str]:
    """200 texts of 15 words, in families of 10 in which 0 to 4 words differ."""
    chance = random.Random(0)
    made = []
    for _ in range(20):
        words = [f"{chance.randrange(10**5):05d}" for _ in range(15)]
        for changes in (0, 0, 0, 1, 1, 1, 2, 2, 3, 4):
            changed = list(words)
            for place in chance.sample(range(15), changes):
                changed[place] = f"{chance.randrange(10**5):05d}"
            made.append(" ".join(changed))
    return made


@pytest.mark.parametrize("threshold", [0.5, 0.7, 0.9])
def test_what_is_found_is_what_is_near_exactly(threshold: float) -> None:
    given = texts()
    index = NearIndex(threshold)
    sketched = sketches(given, threshold)
    found, wanted = [], []
    for place, (text, sketch) in enumerate(zip(given, sketched, strict=True)):
        twins = index.near(sketch)
        assert [twin.jaccard for twin in twins] == sorted(
            (jaccard(text, twin.wording) for twin in twins), reverse=True
        )
        found.append({twin.id for twin in twins})
        near = {str(n) for n in range(place) if jaccard(text, given[n]) >= threshold}
        wanted.append(near)
        index.add(str(place), sketch)
    assert sum(map(len, wanted)) > 30
    missed = sum(len(near - some) for near, some in zip(wanted, found, strict=True))
    assert all(some <= near for near, some in zip(wanted, found, strict=True))
    assert missed <= 0.01 * sum(map(len, wanted))


def test_an_empty_index_knows_nothing_and_a_text_of_no_length_is_no_error() -> None:
    index = NearIndex()
    (empty,) = sketches([""])
    assert index.near(empty) == []
    index.add("a", empty)
    assert [twin.id for twin in index.near(empty)] == ["a"]
    assert sketches([]) == []

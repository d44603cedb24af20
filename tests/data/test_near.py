"""Near-duplicates: the fast search finds what comparing all pairs finds."""

import random
from itertools import combinations

from preceptor.data.near import linked, near_duplicates
from preceptor.data.words import normalise


def shingles(text):
    words = normalise(text).split()
    return frozenset(map(hash, zip(*(words[n:] for n in range(5)), strict=False)))


def jaccard(one, other):
    return len(one & other) / len(one | other)


def texts():
    """60 texts in families: the changed ones differ in 1 to 8 of 60 words, so around 0.8."""
    drawn = random.Random(0)
    made = []
    for _ in range(10):
        words = [f"w{drawn.randrange(500)}" for _ in range(60)]
        for changes in (0, 1, 2, 3, 4, 8):
            changed = list(words)
            for place in drawn.sample(range(60), changes):
                changed[place] = "other"
            made.append(" ".join(changed))
    return made


def test_the_pairs_are_those_of_comparing_all_exactly():
    given = texts()
    near = near_duplicates(given)
    wanted = {
        (one, other)
        for one, other in combinations(range(len(given)), 2)
        if jaccard(shingles(given[one]), shingles(given[other])) >= 0.8
    }
    assert set(map(tuple, near.pairs.tolist())) == wanted
    assert 10 < len(wanted) < 100


def test_repeats_are_one_wording_whatever_their_case_and_marks():
    near = near_duplicates(["Take one a day.", "take one, a DAY", "Take two a day", "", "?", "?"])
    assert near.number.tolist() == [0, 0, 1, 2, 3, 3]
    assert near.pairs.tolist() == []
    assert near.met([0, 2], [1]) == 1
    assert near.met([4], [5]) == 1


def test_met_counts_texts_with_a_near_one_on_the_other_side():
    words = " ".join(f"w{n}" for n in range(40))
    near = near_duplicates([words, f"{words} more", "something else entirely here now"])
    assert near.pairs.tolist() == [[0, 1]]
    assert near.met([0], [1, 2]) == near.met([1], [0]) == 1
    assert near.met([2], [0, 1]) == 0


def test_no_texts():
    near = near_duplicates([])
    assert (near.pairs.tolist(), near.links()) == ([], [])
    assert linked(2, [["", ""]]) == [0, 1]


def test_linked_by_keys_and_links_over_several_steps():
    numbers = linked(6, [["a", "a", "", "b", "", ""], ["", "x", "x", "", "", ""]], [(3, 4)])
    assert numbers[0] == numbers[1] == numbers[2]
    assert numbers[3] == numbers[4]
    assert len(set(numbers)) == 3

"""Near-duplicates: within the arm over all rounds, and against the human data."""

from __future__ import annotations

import pytest

from curate.material import made_of, material
from preceptor.curate.filter import Filter
from preceptor.curate.near import NearSettings, make
from preceptor.data.example import Example, Origin

KNEE = "My left knee has been swollen since I fell off the ladder on Sunday"
NEAR_KNEE = "My left knee has been swollen since I fell off a ladder on Sunday"
EAR = "Since Tuesday there is a ringing in my ear that gets louder at night"
NEAR_EAR = "Since Tuesday there is a ringing in my ear that gets louder at times"
BILL = "Why was I charged twice for the scan in March?"
HUMAN = [Example("h1", {"text": KNEE}, "a"), Example("h2", {"text": EAR}, "b")]


def near(human: list[Example] | None = None, jaccard: float = 0.7) -> Filter:
    return make(NearSettings(jaccard=jaccard), material(HUMAN if human is None else human))


def kept(one: Filter, texts: list[str], start: int = 0) -> list[bool]:
    examples = [candidate.example for candidate in made_of(texts, start)]
    return [verdict is None for verdict in one.judge(examples)]


def rewrite(id: str, text: str, parent: str, operation: str = "rewrite") -> Example:
    return Example(id, {"text": text}, "a", origin=Origin("t", operation, (parent,)))


def test_what_is_near_a_human_example_is_rejected_with_its_words_and_the_figure() -> None:
    (found,) = near().judge([made_of([NEAR_KNEE])[0].example])
    assert found is not None
    assert found.reason == "near duplicate"
    assert found.detail == f"near to h1: {KNEE.casefold()}"
    assert found.figures["jaccard"] == pytest.approx(0.8235, abs=0.0001)


def test_what_is_near_a_made_one_is_rejected_in_this_round_and_in_later_ones() -> None:
    one = near()
    assert kept(one, [BILL, BILL.replace("scan", "scans"), "An unlike text."]) == [
        True,
        False,
        True,
    ]
    assert kept(one, [BILL.upper(), "Something else again?"], start=3) == [False, True]


def test_what_was_rejected_is_not_remembered() -> None:
    words = [f"word{number}" for number in range(30)]
    first, second, third = (" ".join(words[start : start + 24]) for start in (0, 3, 6))
    assert kept(near(), [first, second, third]) == [True, False, True]


def test_a_rewrite_may_be_near_its_parent_but_not_another_human_example() -> None:
    made = [rewrite("c1", NEAR_KNEE, "h1"), rewrite("c2", NEAR_EAR, "h1")]
    found = near().judge(made)
    assert [one and one.detail.split(":")[0] for one in found] == [None, "near to h2"]


def test_two_rewrites_of_one_parent_may_not_be_near_each_other() -> None:
    again = NEAR_KNEE.replace("Sunday", "Sundays")
    found = near().judge([rewrite("c1", NEAR_KNEE, "h1"), rewrite("c2", again, "h1")])
    assert [one and one.detail.split(":")[0] for one in found] == [None, "near to c1"]


def test_a_created_example_may_not_be_near_one_that_its_prompt_showed() -> None:
    (found,) = near().judge([rewrite("c1", NEAR_KNEE, "h1", "create")])
    assert found is not None


def test_a_field_that_was_taken_over_does_not_count() -> None:
    context = "the patients were given the drug and watched for a year " * 3
    human = [Example("h1", {"question": KNEE, "text": context}, "a")]
    made = [
        Example("c1", {"question": BILL, "text": context}, "a"),
        Example("c2", {"question": EAR, "text": context}, "a"),
        Example("c3", {"question": NEAR_EAR, "text": context}, "a"),
        Example("c4", {"question": NEAR_KNEE, "text": context}, "a"),
    ]
    found = near(human).judge(made)
    assert [one is None for one in found] == [True, True, False, False]


def test_the_same_question_on_another_context_is_another_example() -> None:
    contexts = ["the drug was given to all of them", "the scan was done in the spring"]
    human = [
        Example(f"h{place}", {"question": "Why?", "text": text}, "a")
        for place, text in enumerate(contexts)
    ]
    made = [
        Example(f"c{place}", {"question": question, "text": contexts[place]}, "a")
        for place, question in ((0, KNEE), (1, KNEE), (1, NEAR_KNEE))
    ]
    assert [one is None for one in near(human).judge(made)] == [True, True, False]


def test_a_copy_of_a_human_text_is_near_it_though_no_field_seems_written() -> None:
    assert kept(near(), [KNEE]) == [False]


def test_short_texts_and_texts_without_spaces_are_compared() -> None:
    human = [Example("h1", {"text": "膝盖从星期天开始一直肿痛不能走路"}, "a")]
    one = near(human)
    assert kept(one, ["膝盖从星期天开始一直肿痛不能走", "账单为什么收了两次钱", "ok", "OK!"]) == [
        False,
        True,
        True,
        False,
    ]


def test_the_similarity_can_be_set() -> None:
    assert kept(near(jaccard=0.9), [NEAR_KNEE]) == [True]
    assert kept(near(jaccard=0.5), [KNEE.replace("Sunday", "a cold Monday")]) == [False]


def test_no_human_example_and_an_empty_round() -> None:
    one = near([])
    assert one.judge([]) == []
    assert kept(one, [KNEE, NEAR_KNEE]) == [True, False]

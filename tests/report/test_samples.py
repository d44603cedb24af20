"""What is shown of the made data, and how a difference is marked."""

import random
from pathlib import Path

import pytest

from preceptor.data.example import Example, Origin, to_row
from preceptor.report.frame.blocks import Segment
from preceptor.report.read.results import load
from preceptor.report.sections.samples import (
    LONGEST,
    Texts,
    clip,
    diff,
    pairs,
    read_texts,
    rejections,
)


def test_the_words_that_differ_are_marked() -> None:
    before, after = diff("I paid this bill in May.", "I have paid that bill, in May.")
    assert before == (
        Segment("I paid "),
        Segment("this", "del"),
        Segment(" bill in May."),
    )
    assert [part.text for part in after if part.change] == ["have", "that", ","]


@pytest.mark.parametrize("seed", range(20))
def test_a_difference_loses_no_letter(seed: int) -> None:
    chance = random.Random(seed)
    words = ["a", "b's", " ", "\n", "  ", ",", "<b>", "“c”", "ü-d", "5%"]
    texts = ["".join(chance.choices(words, k=chance.randrange(12))) for _ in range(2)]
    for text, segments in zip(texts, diff(*texts), strict=True):
        assert "".join(part.text for part in segments) == text
    same, _ = diff(texts[0], texts[0])
    assert all(part.change == "" for part in same)


def test_a_long_text_is_cut_and_the_rest_counted() -> None:
    assert clip("x" * LONGEST) == "x" * LONGEST
    assert clip("x" * (LONGEST + 1234)).endswith("xx … (1,234 more characters)")
    assert clip("one two three four five", 10) == "one two … (16 more characters)"


def texts(made: Example, verdict: str = "kept", **row: str) -> Texts:
    human = Example(
        "h1",
        {"question": "Does it help?", "context": "We asked 40 people."},
        "yes",
        extra={"long_answer": "It does.", "annotator": "maybe"},
    )
    whole = to_row(made) | {"verdict": verdict, "reason": "", "detail": "", "raw": ""} | row
    return Texts(human={"h1": to_row(human)}, made={"arm": [(2, whole)]})


def test_a_rewritten_row_stands_beside_its_parent_field_by_field() -> None:
    made = Example(
        "r1",
        {"question": "Is it of help?", "context": "We asked 40 people."},
        "yes",
        extra={"long_answer": "It does help."},
        origin=Origin("t", "rewrite", ("h1",)),
    )
    (pair,) = pairs(texts(made), "arm")
    assert (pair.before_title, pair.before_label, pair.seed) == ("Original h1", "yes", 2)
    assert [(f.name, f.same) for f in pair.fields] == [
        ("question", False),
        ("context", True),
        ("long answer", False),
    ]
    assert [p.text for p in pair.fields[0].after if p.change == "ins"] == ["Is", "of"]


def test_a_created_row_is_not_marked_and_names_what_it_was_shown() -> None:
    made = Example("c1", {"question": "Q?"}, "no", origin=Origin("t", "create", ("h1", "h9")))
    (pair,) = pairs(texts(made), "arm")
    assert pair.before_title == "Made after h1 and 1 more"
    assert all(part.change == "" for f in pair.fields for part in (*f.before, *f.after))
    gone = Example("c1", {"question": "Q?"}, "no", origin=Origin("t", "rewrite", ("h9",)))
    (pair,) = pairs(texts(gone), "arm")
    assert pair.before_title == "Original h9 (not found among the examples)"


def test_a_rejection_shows_reason_detail_raw_text_and_parent() -> None:
    made = Example("r1", {}, None, origin=Origin("t", "rewrite", ("h1",)))
    given = texts(made, "rejected", reason="meta talk", detail="Sure!", raw="Sure! Here it is")
    assert pairs(given, "arm") == []
    ((reason, (shown,)),) = rejections(given, "arm").items()
    assert (reason, shown.detail, shown.raw) == ("meta talk", "Sure!", "Sure! Here it is")
    assert shown.origin.startswith("h1: Does it help?")


def test_the_sample_is_the_same_every_time_and_of_the_size_asked_for(run: Path) -> None:
    found = read_texts(run, load(run))
    assert found.problems == []
    first = pairs(found, "rewrite")
    assert len(first) == 5
    assert first == pairs(read_texts(run, load(run)), "rewrite")
    assert first != pairs(found, "rewrite", seed=1)
    assert {pair.operation for pair in pairs(found, "create", size=99)} == {"create"}
    assert set(found.made) == {"rewrite", "create"}, "a mix has no rows of its own"
    rejected = rejections(found, "rewrite")
    assert set(rejected) == {"duplicate", "meta talk", "contamination", "unparseable"}
    counts = load(run).arms["rewrite"].seeds
    for reason, items in rejected.items():
        assert len(items) == min(5, sum(one.rejected.get(reason, 0) for one in counts))
    assert rejections(found, "rewrite", per_reason=2) != rejected
    assert rejected == rejections(read_texts(run, load(run)), "rewrite")

"""Rewrites that lost the meaning, by the real MiniLM."""

from __future__ import annotations

import pytest

from curate.material import material
from preceptor.curate import CurationSettings, meaning
from preceptor.curate.meaning import MeaningFilter, MeaningSettings
from preceptor.data.example import Example, Origin

KNEE = "My knee hurts when I climb stairs."
HUMAN = [Example("h1", {"text": KNEE, "place": "clinic"}, "a", extra={"why": "a worn joint"})]


def rewritten(text: str, why: str = "a worn joint", operation: str = "rewrite") -> Example:
    origin = Origin("t", operation, ("h1",))
    return Example("c", {"text": text, "place": "clinic"}, "a", extra={"why": why}, origin=origin)


def fresh() -> MeaningFilter:
    return meaning.make(MeaningSettings(), material(HUMAN, operation="rewrite"))


@pytest.mark.parametrize(
    "text",
    [
        "Climbing stairs makes my knee ache.",
        "Every time I go up the stairs I get pain in my knee.",
        "It's my knee: it hurts on the stairs.",
    ],
)
def test_other_words_for_the_same_pass(text: str) -> None:
    one = fresh()
    assert one.judge([rewritten(text)]) == [None]
    assert one.figures["c"]["similarity of text"] > 0.5


@pytest.mark.parametrize(
    "text",
    [
        "I would like to pay my bill by card.",
        "Thank you for your message! How can I help you today?",
        "I hope this finds you well.",
        "Stairs are a fine way to stay fit.",
    ],
)
def test_other_things_are_rejected_with_the_figure(text: str) -> None:
    (verdict,) = fresh().judge([rewritten(text)])
    assert verdict is not None
    assert verdict.reason == "meaning lost"
    assert verdict.figures["similarity of text"] < 0.5
    assert "text" in verdict.detail
    assert "h1" in verdict.detail


def test_the_field_that_lost_most_decides_and_fields_that_stayed_do_not_count() -> None:
    one = fresh()
    good = "Climbing stairs makes my knee ache."
    (verdict,) = one.judge([rewritten(good, why="the moon is full")])
    assert verdict is not None
    assert verdict.detail.startswith("why")
    assert set(one.figures["c"]) == {"similarity of text", "similarity of why"}
    assert one.judge([rewritten(KNEE)]) == [None]


def test_what_is_no_rewrite_passes() -> None:
    text = "I would like to pay my bill by card."
    assert fresh().judge([rewritten(text, operation="create")]) == [None]
    assert fresh().judge([]) == []


def test_the_filter_is_off_by_default() -> None:
    assert CurationSettings().meaning is False

"""Unchanged: a rewrite must be other words."""

from __future__ import annotations

import pytest

from curate.material import material
from preceptor.curate.unchanged import UnchangedSettings, make
from preceptor.data.candidate import Rejection
from preceptor.data.example import Example, Origin

TEXT = "My left knee has hurt since I fell off the ladder last week."
LONG = " ".join(f"word{number}" for number in range(40))
HUMAN = [Example("h1", {"text": TEXT}, "a"), Example("h2", {"text": TEXT, "context": LONG}, "b")]


def rejection(
    inputs: dict[str, str], parent: str, settings: UnchangedSettings | None = None
) -> Rejection | None:
    made = Example("c", inputs, "a", origin=Origin("t", "rewrite", (parent,)))
    (found,) = make(settings or UnchangedSettings(), material(HUMAN)).judge([made])
    return found


@pytest.mark.parametrize(
    ("text", "changed"),
    [
        (TEXT, 0),
        ("my LEFT knee has hurt, since I fell off the ladder last week!", 0),
        (TEXT.replace("My", "The"), 1 / 13),
    ],
)
def test_a_copy_is_rejected_with_the_share_of_words_that_changed(text: str, changed: float) -> None:
    found = rejection({"text": text}, "h1")
    assert found is not None
    assert found.reason == "unchanged"
    assert found.figures == {"changed text": pytest.approx(changed, abs=1e-4)}


@pytest.mark.parametrize(
    "text",
    [
        "Since falling from the ladder a week ago I have had a sore left knee.",
        "Last week I fell off the ladder; since then my left knee has hurt.",
        TEXT.replace("My", "The").replace("hurt", "ached"),
        TEXT + " Please call me back.",
        "My left knee.",
    ],
)
def test_other_words_or_another_order_pass(text: str) -> None:
    assert rejection({"text": text}, "h1") is None


def test_one_field_in_other_words_is_enough() -> None:
    other = "Since falling from the ladder a week ago I have had a sore left knee."
    assert rejection({"text": other, "context": LONG}, "h2") is None
    found = rejection({"text": TEXT, "context": LONG.replace("word7 ", "other ")}, "h2")
    assert found is not None
    assert found.figures == {"changed text": 0, "changed context": pytest.approx(1 / 40)}
    assert found.detail == "2% of the words of context changed"


def test_the_share_can_be_set() -> None:
    text = TEXT.replace("My", "The")
    assert rejection({"text": text}, "h1", UnchangedSettings(share=0)) is None
    assert rejection({"text": TEXT}, "h1", UnchangedSettings(share=0)) is not None


def test_only_its_own_original_counts_and_only_of_a_rewrite() -> None:
    human = [Example("h1", {"text": "A bill came."}, "a"), Example("h2", {"text": TEXT}, "a")]
    judge = make(UnchangedSettings(), material(human)).judge
    origins = [Origin("t", "rewrite", ("h1",)), Origin("t", "create", ("h2",))]
    assert judge([Example("c", {"text": TEXT}, "a", origin=one) for one in origins]) == [None] * 2


def test_texts_without_words_are_compared_too() -> None:
    human = [Example("h1", {"text": "👍"}, "a")]
    made = [
        Example(f"c{text}", {"text": text}, "a", origin=Origin("t", "rewrite", ("h1",)))
        for text in ("👍", "👎")
    ]
    found = make(UnchangedSettings(), material(human)).judge(made)
    assert [one and one.reason for one in found] == ["unchanged", None]

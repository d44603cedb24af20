"""Contamination: what equals, nearly equals or overlaps a held-out input."""

from __future__ import annotations

import pytest

from curate.material import material
from preceptor.curate.contamination import ContaminationSettings, make
from preceptor.data.candidate import Rejection
from preceptor.data.example import Example, Origin

EAR = "Since Tuesday my left ear has been ringing"
LONG = "the drug was given to all of them twice a day for a year and then stopped at once"
HUMAN = [Example("h1", {"text": "My left ear rings", "place": "ward"}, "a")]
HELD_OUT = [
    Example("t1", {"text": EAR, "place": "clinic"}, "b"),
    Example("v1", {"text": LONG, "place": "ward"}, None),
]


def rejected(text: str, place: str = "office", jaccard: float = 0.7) -> Rejection | None:
    settings = ContaminationSettings(jaccard=jaccard)
    origin = Origin("t", "rewrite", ("h1",))
    (found,) = make(settings, material(HUMAN, HELD_OUT)).judge(
        [Example("c", {"text": text, "place": place}, "a", origin=origin)]
    )
    return found


@pytest.mark.parametrize(
    ("text", "detail", "figure"),
    [
        (EAR.upper() + "!", "equals an input of t1", None),
        (f"I heard that {LONG}", "100% of the shorter text is shared with v1: the drug", "share"),
        (
            "Since a Tuesday my left ear has been ringing",
            "nearly an input of t1: tuesday",
            "jaccard",
        ),
    ],
)
def test_what_is_shared_is_shown_with_the_figure(
    text: str, detail: str, figure: str | None
) -> None:
    found = rejected(text)
    assert found is not None
    assert found.reason == "contamination"
    assert found.detail.startswith(detail)
    assert list(found.figures) == ([figure] if figure else [])


def test_the_longest_shared_run_is_shown() -> None:
    found = rejected("Since a Tuesday my left ear has been ringing")
    assert found is not None
    assert found.detail.endswith(": tuesday my left ear has been ringing")


def test_how_near_is_too_near_can_be_set() -> None:
    assert rejected("Since a Tuesday my left ear has been ringing", jaccard=0.95) is None


def test_other_words_pass_and_so_does_a_field_that_was_taken_over() -> None:
    assert rejected("There is a ringing on the left side of my head") is None
    assert rejected("There is a ringing on the left side of my head", place="ward") is None
    assert rejected("There is a ringing on the left side of my head", place="clinic") is not None


def test_the_right_field_of_the_right_example_is_judged_in_a_round() -> None:
    made = [
        Example("c1", {"text": "My bill is too high", "place": "ward"}, "a"),
        Example("c2", {"text": EAR, "place": "ward"}, "a"),
        Example("c3", {"text": "My left ear rings", "place": "ward"}, "a"),
        Example("c4", {"text": "A third text", "place": "clinic"}, "a"),
    ]
    found = make(ContaminationSettings(), material(HUMAN, HELD_OUT)).judge(made)
    assert [one is None for one in found] == [True, False, True, False]


def test_nothing_is_held_out() -> None:
    judge = make(ContaminationSettings(), material(HUMAN)).judge
    assert judge([Example("c", {"text": EAR}, "a")]) == [None]
    assert judge([]) == []

"""Length: outliers by the lengths of the human texts."""

from __future__ import annotations

from curate.material import material
from preceptor.curate import CurationSettings
from preceptor.curate.length import LengthSettings, make
from preceptor.data.candidate import Rejection
from preceptor.data.example import Example

HUMAN = [
    Example(f"h{words}", {"text": "word " * words, "title": f"title {words}"}, "a")
    for words in range(10, 31)
]


def rejected(
    words: int,
    human: list[Example] | None = None,
    settings: LengthSettings | None = None,
    title: str = "other title",
) -> Rejection | None:
    judge = make(settings or LengthSettings(), material(human or HUMAN)).judge
    (found,) = judge([Example("c", {"text": "thing " * words, "title": title}, "a")])
    return found


def test_it_is_off_unless_asked_for() -> None:
    assert CurationSettings().length is False


def test_far_beyond_the_human_lengths_is_an_outlier_and_a_little_is_not() -> None:
    assert [rejected(words) is None for words in (6, 7, 30, 44, 45)] == [
        False,
        True,
        True,
        True,
        False,
    ]
    found = rejected(60)
    assert found is not None
    assert found.reason == "too long"
    assert found.figures["words"] == 60
    assert found.detail == "text has 60 words, not 7 to 45"
    short = rejected(1)
    assert short is not None
    assert short.reason == "too short"


def test_each_field_has_limits_of_its_own_and_one_taken_over_is_not_judged() -> None:
    found = rejected(20, title="a title that goes on and on")
    assert found is not None
    assert found.detail.startswith("title")
    long = [*HUMAN, *HUMAN, *HUMAN, Example("h", {"text": "long " * 500, "title": "t 1"}, "a")]
    settings = LengthSettings(quantile=0.1)
    judge = make(settings, material(long)).judge
    assert judge([Example("c", {"text": "long " * 500, "title": "t 2"}, "a")]) == [None]
    assert rejected(500, long, settings) is not None


def test_one_stray_human_text_among_many_does_not_widen_the_limits() -> None:
    many = [Example(f"h{n}", {"text": "word " * 20, "title": "t 1"}, "a") for n in range(300)]
    stray = Example("h", {"text": "word " * 900, "title": "t 1"}, "a")
    assert rejected(31, [*many, stray]) is not None
    assert rejected(31, [*many, stray], LengthSettings(quantile=0)) is None


def test_the_factor_can_be_set() -> None:
    assert rejected(80, settings=LengthSettings(factor=3)) is None

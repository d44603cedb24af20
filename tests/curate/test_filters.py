"""Filters: what a made example must survive."""

from collections.abc import Sequence

import pytest

from curate.material import judged, made_of, material
from preceptor.curate import CurationSettings, curate, filters
from preceptor.data.candidate import Candidate, Rejection
from preceptor.data.example import Example

CONTEXT = "the patients were given the drug and " * 6
HUMAN = [Example("h1", {"text": "My knee hurts."}, "a"), Example("h2", {"text": CONTEXT}, "b")]
TEST_TEXT = "since tuesday my left ear has been ringing whenever I lie down at night"
HELD_OUT = [Example("t1", {"text": TEST_TEXT}, None), Example("t2", {"text": "Thanks!"}, None)]


def verdicts(
    texts: Sequence[str],
    settings: CurationSettings | None = None,
    human: Sequence[Example] = HUMAN,
    held_out: Sequence[Example] = HELD_OUT,
) -> list[str]:
    """The reason of every text's rejection, or kept; all of one round."""
    done = judged(made_of(texts), material(human, held_out), settings)
    return [one.rejection.reason if one.rejection else "kept" for one in done]


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("my knee aches since the fall", "kept"),
        ("MY KNEE  HURTS", "duplicate"),
        ("Here is another message: my arm", "meta talk"),
        ("Sure! My arm is sore", "meta talk"),
        ("Dear [Doctor's name], my arm", "placeholder"),
        ("As an AI language model I have no knee", "meta talk"),
        ("The text is a question about a knee", "meta talk"),
        ("This rewritten sentence conveys worry", "meta talk"),
        ("My knee, rephrased", "meta talk"),
        ("You sent me a text about the knee", "kept"),
        ("ok so my knee is worse", "kept"),
        ("Is it okay to take two of the tablets?", "kept"),
        ("pain in the knee " * 5, "repeats itself"),
        ("Thanks", "contamination"),
        ("Hi, " + TEST_TEXT.upper() + "!", "contamination"),
        ("my left ear has been ringing all week, more in the morning than later", "kept"),
    ],
)
def test_every_candidate_meets_the_right_filter(text: str, verdict: str) -> None:
    assert verdicts([text]) == [verdict]


def test_texts_that_differ_in_marks_or_have_no_words_are_no_duplicates() -> None:
    made = ["की", "का", "👍", "👎", "👍 ", "fi", "ﬁ"]
    kept, again = "kept", "duplicate"
    human = [*HUMAN, Example("h3", {"text": "घुटने में दर्द"}, "a")]
    assert verdicts(made, human=human) == [kept, kept, kept, kept, again, kept, again]


def test_a_text_without_words_does_not_stand_in_every_held_out_one() -> None:
    held_out = [Example("t", {"text": ":-)"}, None)]
    assert verdicts(["?!", ":-)"], held_out=held_out) == ["kept", "contamination"]


def test_what_passed_is_a_duplicate_from_then_on_and_what_was_rejected_before_is_not() -> None:
    assert verdicts(["my arm", "My arm!", "Sure! hip", "Sure! hip"]) == [
        "kept",
        "duplicate",
        "meta talk",
        "meta talk",
    ]


def test_a_field_taken_over_from_a_human_example_is_not_judged_as_the_teachers() -> None:
    made = Example("c", {"question": "What?", "text": CONTEXT}, "a")
    (done,) = judged([Candidate(made, "")], material(HUMAN, HELD_OUT))
    assert done.rejection is None


def test_the_overlap_is_shown() -> None:
    made = "Hello, since Tuesday my left ear has been ringing whenever"
    (done,) = judged(made_of([made]), material(HUMAN, HELD_OUT))
    rejection = done.rejection
    assert rejection is not None
    assert rejection.filter == "contamination"
    assert "t1" in rejection.detail
    assert "left ear has been ringing" in rejection.detail


def test_a_later_round_knows_the_earlier_ones() -> None:
    chosen = filters(CurationSettings(), material(HUMAN, HELD_OUT))
    rounds = [curate(made_of([text], start), chosen) for start, text in enumerate(["arm", "Arm"])]
    reasons = [one.rejection and one.rejection.reason for (one,) in rounds]
    assert reasons == [None, "duplicate"]


def test_filters_can_be_turned_off() -> None:
    off = CurationSettings(meta=False, duplicates=False, near=False, contamination=False)
    assert verdicts(["My knee hurts.", "Sure! " + TEST_TEXT], off) == ["kept", "kept"]


def test_a_rejection_from_before_stays() -> None:
    candidate = Candidate(Example("c", {}, "a"), "raw", Rejection("truncated"))
    chosen = filters(CurationSettings(), material(HUMAN, HELD_OUT))
    assert curate([candidate], chosen) == [candidate]


def test_a_field_that_stays_may_equal_a_held_out_one() -> None:
    human = [Example("h", {"text": "my arm", "department": "cardiology"}, "a")]
    held_out = [Example("t", {"text": "my leg", "department": "cardiology"}, None)]
    made = Example("c", {"text": "my limb", "department": "cardiology"}, "a")
    (done,) = judged([Candidate(made, "")], material(human, held_out))
    assert done.rejection is None

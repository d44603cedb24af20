"""Language: another one than the human data's."""

from __future__ import annotations

import pytest

from curate.material import material
from preceptor.curate import CurationSettings
from preceptor.curate.language import LanguageSettings, make
from preceptor.data.candidate import Rejection
from preceptor.data.example import Example
from preceptor.errors import SpecError

ENGLISH = [
    "My knee has been swollen since I fell off the ladder on Sunday.",
    "Could you please send the prescription to the pharmacy on Main Street?",
    "Why was I charged twice for the same scan in March?",
]
GERMAN = [
    "Mein Knie ist geschwollen, seit ich am Sonntag von der Leiter gefallen bin.",
    "Könnten Sie das Rezept bitte an die Apotheke in der Hauptstraße schicken?",
]
OTHERS = [
    *GERMAN,
    "Mon genou est enflé depuis que je suis tombé de l'échelle dimanche.",
    "Me duele mucho la rodilla desde que me caí de la escalera el domingo.",
    "自从星期天从梯子上摔下来以后,我的膝盖一直肿着,走路也很疼。",
]
KEPT = [
    "The insurance company says that the scan was not covered at all.",
    "need refill of metoprolol 50 asap, out since monday",
    "rash",
    "ok",
    "Colonoscopy prep: nausea, vomiting, chills.",
]


def rejected(
    text: str, human: list[str], settings: LanguageSettings | None = None
) -> Rejection | None:
    examples = [Example(f"h{n}", {"text": one}, "a") for n, one in enumerate(human)]
    judge = make(settings or LanguageSettings(), material(examples)).judge
    (found,) = judge([Example("c", {"text": text}, "a")])
    return found


def test_it_is_off_unless_asked_for() -> None:
    assert CurationSettings().language is False


@pytest.mark.parametrize("text", OTHERS)
def test_another_language_is_rejected_and_named(text: str) -> None:
    found = rejected(text, ENGLISH)
    assert found is not None
    assert found.reason == "other language"
    assert found.detail.endswith("not en")
    assert 0 <= found.figures["probability"] < 0.05


@pytest.mark.parametrize("text", KEPT)
def test_the_human_language_and_what_is_too_short_to_tell_pass(text: str) -> None:
    assert rejected(text, ENGLISH) is None


def test_all_languages_of_the_human_data_are_wanted() -> None:
    both = [*ENGLISH, *GERMAN]
    assert rejected("Das Rezept liegt noch nicht in der Apotheke bereit.", both) is None
    assert rejected(OTHERS[2], both) is not None


def test_short_human_texts_show_their_language_together() -> None:
    human = ["Mein Knie tut weh", "Wo ist die Apotheke?", "Das ist zu teuer", "Ich bin krank"]
    assert rejected(GERMAN[0], human) is None
    assert rejected(ENGLISH[0], human) is not None


def test_the_languages_can_be_named() -> None:
    settings = LanguageSettings(languages=("de",))
    assert rejected(GERMAN[0], ENGLISH, settings) is None
    assert rejected(ENGLISH[1] + " Now.", ENGLISH, settings) is not None


def test_an_unknown_language_is_refused() -> None:
    with pytest.raises(SpecError, match="unknown language"):
        rejected("text", ENGLISH, LanguageSettings(languages=("german",)))


def test_a_field_that_was_taken_over_is_not_judged() -> None:
    assert rejected(GERMAN[0], [*ENGLISH * 10, GERMAN[0]]) is None

"""Meta talk and broken text: every sign finds what it is for, and the human style is left alone."""

from __future__ import annotations

import pytest

from curate.material import nobody
from preceptor.curate.filter import Material
from preceptor.curate.meta import MetaSettings, make
from preceptor.data.example import Example
from preceptor.tasks.choice import ChoiceTask

TASK = ChoiceTask(
    kind="choice",
    labels=("new_symptom", "refill", "billing"),
    descriptions={"refill": "the patient asks for a medicine to be renewed"},
    about="The texts are messages that patients write to their doctor.",
    input="{{ text }}",
)
HUMAN = [
    "My knee hurts since the fall.",
    "Could I get the blue inhaler again?",
    "Why is there a charge of 40 dollars?",
]


def verdict(text: str, human: list[str] | None = None, settings: MetaSettings | None = None) -> str:
    examples = [Example(f"h{n}", {"text": one}, "refill") for n, one in enumerate(human or HUMAN)]
    about = Material(TASK, examples, [], "create", 10, 0, nobody)
    (found,) = make(settings or MetaSettings(), about).judge([Example("c", {"text": text}, "a")])
    return found.reason if found else "kept"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Here's a revised version of the text: my knee aches", "meta talk"),
        ('The original text is "my knee aches"', "meta talk"),
        ("I'm ready to help. What can I help you with today?", "meta talk"),
        ("I'm here to assist with any kind of paperwork.", "meta talk"),
        ("I can't assist with that request.", "meta talk"),
        ('"Refill" is a common word that has been used for years', "leaked prompt"),
        ("It is a phrase that has been used in many contexts", "meta talk"),
        ("This is a classic example of a patient in pain", "meta talk"),
        ("I'm an AI, so I have no knee", "meta talk"),
        ("Write one more message about a knee", "meta talk"),
        ("Rewrite this text in other words: my knee", "meta talk"),
        ("Label: refill", "leaked prompt"),
        ("A message labelled 'billing' about a scan", "leaked prompt"),
        ("Refill: my inhaler is empty", "leaked prompt"),
        ("My knee hurts, which is a new_symptom", "leaked prompt"),
        ("Hello, the patient asks for a medicine to be renewed.", "leaked prompt"),
        ("Dear [Your Name], the inhaler is empty", "placeholder"),
        ("Please call me at XXXX after 4", "placeholder"),
        ("My name is ____ and my knee hurts", "placeholder"),
        ("Hi {{ doctor }}, my knee hurts", "placeholder"),
        ("My knee hurts<|im_end|>", "chat marks"),
        ("My knee hurts\nAssistant: I am sorry", "chat marks"),
        ("### Response: my knee hurts", "chat marks"),
        ("My knee hurts and itâ€™s red", "mojibake"),
        ("The cafÃ© made me ill", "mojibake"),
        ("My knee \ufffd hurts", "mojibake"),
        ("ha ha ha ha ha", "repeats itself"),
        ("my knee is aaaaaaah", "repeats itself"),
        ("hahahahaha my knee", "repeats itself"),
        ("I am sorry, sorry, sorry, sorry for the knee", "repeats itself"),
        ("the cat and she the cat and she the cat and she the cat and she", "repeats itself"),
        ("We will be there in five years. We will be there in five years.", "repeats itself"),
        (", ".join(f"item {n}" for n in "abcdefghijklmnopqrstu"), "endless list"),
        ("refill, refuel, refit, refuel, refit, refuel, refuel", "endless list"),
        ("\n".join(f"{n}. something else to do" for n in range(1, 25)), "repeats itself"),
        ("My knee hurts, and I called because", "cut off"),
        ('"My knee hurts since the fall', "cut off"),
        ("My knee 膝盖 hurts", "other script"),
        ("Моё колено болит", "other script"),
        ("My knеe hurts", "other script"),
    ],
)
def test_every_sign_is_found(text: str, reason: str) -> None:
    assert verdict(text) == reason


@pytest.mark.parametrize(
    "text",
    [
        "The bill says refill, but I never asked for one.",
        "Billing told me to write to you.",
        "I'd be happy to come in on Monday.",
        "No no no, not that pill again!!!",
        "Sooo tired... help",
        "My sugar was 90, 95, 110, 120, 130, 140 and then 150.",
        "Please write a letter to my insurer.",
        "My dose of TNFα blocker, 5 μg, café, naïve",
        'She said "come back" and I did',
        "Who should I talk to",
        "I tried lozenges, honey, an extra pillow.",
        "Is this the same kind of refill as before?",
        "I'm running out of options, the scan was on Monday, the bill is from Tuesday, and so on.",
        "I was told to wait. Then I was told to wait again by somebody else at the front desk.",
    ],
)
def test_what_people_write_is_kept(text: str) -> None:
    assert verdict(text) == "kept"


def test_a_numbered_list_without_end() -> None:
    text = "\n".join(f"{number}. my part {chr(96 + number)}" for number in range(1, 17))
    assert verdict(text, settings=MetaSettings(items=15)) == "endless list"
    assert verdict(text) == "kept"


def test_a_sign_that_human_texts_show_is_their_style() -> None:
    made = "Dear [Name], the scan was fine"
    marked = [f"Dear [Name], message {number}" for number in range(2)]
    assert verdict(made, [*HUMAN, *marked]) == "kept"
    assert verdict(made, [*HUMAN, marked[0]]) == "placeholder", "one may be a mishap"
    many = [f"message {number} on a knee" for number in range(300)]
    assert verdict(made, [*many, *marked]) == "placeholder", "2 of 302 are no style"
    assert verdict("Sure! My knee", [*HUMAN, *marked]) == "meta talk", "the other signs count"


def test_a_script_of_the_human_texts_is_no_sign() -> None:
    human = ["我的膝盖疼", "账单为什么收了两次钱"]
    assert verdict("膝盖 CT 拍了吗", human) == "kept"
    assert verdict("膝盖 болит", human) == "other script"


def test_a_long_text_may_say_a_term_three_times() -> None:
    term = "congenital hypertrophy of the pigment"
    filler = " ".join(f"word{number}" for number in range(60))
    assert verdict(f"{term} {filler} {term} again {term}") == "kept"
    assert verdict(f"{term} {term} {term}") == "repeats itself"


def test_how_often_is_too_often_can_be_set() -> None:
    text = "pain in the knee " * 3
    assert verdict(text) == "repeats itself"
    other = "pain in the knee today pain in the knee"
    assert [verdict(other), verdict(other, settings=MetaSettings(repeats=2))] == [
        "kept",
        "repeats itself",
    ]

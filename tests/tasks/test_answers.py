"""How labels are read from texts."""

import pytest

from preceptor.tasks.answers import drllama_llm, drllama_student, strict

LABELS = ("yes", "no", "maybe")


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("yes", "yes"),
        ("Yes.", "yes"),
        ("The answer is NO, not yes", "no"),
        ("nothing is known", None),
        ("yesterday", None),
        ("", None),
        ("maybe/yes", "maybe"),
    ],
)
def test_strict_takes_the_first_whole_word_label(text: str, label: str | None) -> None:
    assert strict(text, LABELS) == label


def test_strict_prefers_the_longer_of_two_labels_at_one_place() -> None:
    assert strict("no effect at all", ("no", "no effect")) == "no effect"
    assert strict("kind: side_effect", ("side", "side_effect")) == "side_effect"


def test_strict_knows_labels_with_marks_in_them() -> None:
    assert strict("It is c++ (sure)", ("c", "c++")) == "c++"


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("Yes, because", "yes"),
        ("Not at all, yes", "no"),
        ("The answer is yes", "maybe"),
        ("", "maybe"),
        ("unknown", "no"),
    ],
)
def test_drllama_llm_reads_the_first_word_alone(text: str, label: str) -> None:
    assert drllama_llm(text, LABELS) == label


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("the answer to the question given the context is yes.", "yes"),
        ("no. The answer to the question given the context is: yes", "yes"),
        ("the answer to the question given the context is unclear", "maybe"),
        ("the answer to the question given the context is w " + "x " * 98 + "yes", "yes"),
        ("the answer to the question given the context is w " + "x " * 99 + "yes", "maybe"),
        ("so yes", "yes"),
        ("", "maybe"),
    ],
)
def test_drllama_student_reads_100_words_after_the_cue(text: str, label: str) -> None:
    assert drllama_student(text, LABELS) == label


@pytest.mark.parametrize("text", ["side effect", "Side  Effect!", "SIDE-EFFECT", "side_effect"])
def test_strict_does_not_mind_what_joins_the_words_of_a_label(text: str) -> None:
    assert strict(text, ("side", "side_effect")) == "side_effect"


@pytest.mark.parametrize(
    ("labels", "text", "label"),
    [
        (("-1", "0", "1"), "the answer is -1", "-1"),
        (("-1", "0", "1"), "the answer is 1", "1"),
        (("-1", "0", "1"), "-1.", "-1"),
        (("-1", "0", "1"), "grade-1", "1"),
        (("0", "1"), "the answer is -1", None),
        (("0", "1"), "Answer:1", "1"),
        (("A", "A-"), "Grade: A-", "A-"),
        (("A", "A-"), "an A- and no A", "A-"),
        (("A", "A-"), "Grade: A, not A-", "A"),
        (("A", "A-"), "A-levels", "A"),
        (("+", "-"), "The sentiment is -", "-"),
        (("+", "-"), "well-meant: +", "+"),
        (("side_effect", "other"), "side - effect", "side_effect"),
        (("grade -1", "grade 1"), "grade -1", "grade -1"),
        (("grade -1", "grade 1"), "it is grade_1", "grade 1"),
        (("covid-19", "flu"), "Covid 19", "covid-19"),
    ],
)
def test_strict_leaves_the_marks_at_a_labels_ends_to_it(
    labels: tuple[str, ...], text: str, label: str | None
) -> None:
    assert strict(text, labels) == label

"""The choice task: templates, labels, and what it refuses."""

import pytest
from pydantic import ValidationError

from preceptor.data.example import Example
from preceptor.errors import SpecError
from preceptor.tasks.choice import ChoiceTask


def task(**changes: object) -> ChoiceTask:
    base: dict[str, object] = {
        "kind": "choice",
        "labels": ["yes", "no", "maybe"],
        "input": "{{ question }}\n{{ context }}",
    }
    return ChoiceTask.model_validate(base | changes)


EXAMPLE = Example("1", {"question": "Q?", "context": "C {{ 7 * 7 }}"}, "yes", extra={"long": "L"})


def test_values_are_data_and_are_never_rendered() -> None:
    assert task().show(EXAMPLE) == "Q?\nC {{ 7 * 7 }}"


def test_a_training_only_field_cannot_stand_in_a_prompt() -> None:
    with pytest.raises(SpecError, match="long"):
        task(input="{{ question }} {{ long }}").show(EXAMPLE)


def test_prompt_and_answer_are_framed() -> None:
    paper = task(answer=" the answer to the question given the context is {label}")
    assert paper.frame("x") == "x\nAnswer:"
    assert paper.written("no") == " the answer to the question given the context is no"
    assert paper.read(paper.written("no")) == "no"


def test_input_fields_stand_in_the_order_in_which_they_are_shown() -> None:
    assert task().input_fields == ["question", "context"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"labels": ["yes"]}, "at least 2"),
        ({"labels": ["yes", "Yes"]}, "differ"),
        ({"labels": ["side_effect", "Side effect"]}, "differ"),
        ({"labels": ["yes", " "]}, "empty"),
        ({"answer": "yes"}, "{label}"),
        ({"prompt": "Answer:"}, "{{ input }}"),
        ({"descriptions": {"perhaps": "?"}}, "perhaps"),
        ({"labels": ["a", "b"], "answers": "drllama_llm"}, "yes, no and maybe only"),
    ],
)
def test_what_cannot_work_is_refused(changes: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        task(**changes)


def test_a_template_that_reaches_for_python_is_refused() -> None:
    with pytest.raises(SpecError):
        task(input="{{ question.__class__.__mro__ }}").show(EXAMPLE)


@pytest.mark.parametrize("labels", [["-1", "0", "1"], ["A", "A-"], ["+", "-"], ["_x", "x", "x_"]])
def test_labels_that_differ_in_marks_at_their_ends_are_read_back(labels: list[str]) -> None:
    made = task(labels=labels)
    assert [made.read(made.written(label)) for label in labels] == labels


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("{{ question + 1 }}", "can only concatenate"),
        ("{{ question }}\n{{ 1 / 0 }}", r"division by zero \(line 2"),
        ("{{ question.strip(1, 2, 3) }}", "strip expected"),
        ("{% include question %}", "no loader"),
    ],
)
def test_whatever_a_template_raises_is_told_with_it(template: str, words: str) -> None:
    with pytest.raises(SpecError, match=words) as caught:
        task(input=template).show(EXAMPLE)
    assert template in str(caught.value)
    assert "question" in str(caught.value)

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

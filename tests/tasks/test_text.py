"""The text task: templates, the separator, and how an answer is read back."""

import pytest
from pydantic import TypeAdapter, ValidationError

from preceptor.data.example import Example
from preceptor.errors import SpecError
from preceptor.tasks import AnyTask
from preceptor.tasks.choice import ChoiceTask
from preceptor.tasks.text import TextTask


def task(**changes: object) -> TextTask:
    base: dict[str, object] = {"kind": "text", "input": "{{ question }}"}
    return TextTask.model_validate(base | changes)


EXAMPLE = Example("1", {"question": "What is {{ 7 * 7 }}?"}, "It is {answer}.", extra={"f": "F"})


def test_question_separator_and_answer() -> None:
    plain = task()
    assert plain.frame(plain.show(EXAMPLE)) == "What is {{ 7 * 7 }}?\n"
    assert plain.written(EXAMPLE.target or "") == "It is {answer}."
    marked = task(prompt="{{ input }}<|sep|>", answer="{answer}")
    assert marked.frame("Q?") + marked.written("A.") == "Q?<|sep|>A."


@pytest.mark.parametrize(
    "template", ["{answer}", " {answer}", "Answer: {answer}\n###", "{answer}."]
)
@pytest.mark.parametrize("answer", ["Rest.", "Two\nlines: ### and more", "1. {answer}"])
def test_what_was_written_is_read_back(template: str, answer: str) -> None:
    one = task(answer=template)
    assert one.read(one.written(answer)) == answer
    assert one.read(f"\n {one.written(answer)} \n") == answer


def test_what_a_model_leaves_out_of_the_template_is_not_missed() -> None:
    one = task(answer="Answer: {answer} ###")
    assert one.read("Drink water.") == "Drink water."
    assert one.read("Answer: Drink water.") == "Drink water."


@pytest.mark.parametrize("text", ["", " \n", "Answer:", "Answer: ###"])
def test_no_answer(text: str) -> None:
    assert task(answer="Answer: {answer} ###").read(text) is None


def test_input_fields_and_held_back_fields() -> None:
    assert task(input="{{ b }} {{ a }}").input_fields == ["b", "a"]
    with pytest.raises(SpecError, match="f"):
        task(input="{{ question }} {{ f }}").show(EXAMPLE)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"answer": "yes"}, "{answer}"),
        ({"answer": "{answer} {answer}"}, "just once"),
        ({"prompt": "Answer:"}, "{{ input }}"),
        ({"prompt": "{{ input }} {{ question }}"}, "no other field"),
        ({"input": "{{ question"}, "input:"),
        ({"loss": "prompt"}, "loss"),
        ({"labels": ["a", "b"]}, "labels"),
    ],
)
def test_what_cannot_work_is_refused(changes: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        task(**changes)


def test_the_kind_names_the_class() -> None:
    any_task: TypeAdapter[TextTask | ChoiceTask] = TypeAdapter(AnyTask)
    assert isinstance(any_task.validate_python({"kind": "text", "input": "{{ q }}"}), TextTask)
    choice = {"kind": "choice", "labels": ["a", "b"], "input": "{{ q }}"}
    assert isinstance(any_task.validate_python(choice), ChoiceTask)
    with pytest.raises(ValidationError, match="does not match any of the expected tags"):
        any_task.validate_python({"kind": "txt", "input": "{{ q }}"})


def test_the_fields_of_a_choice_stand_in_their_old_order() -> None:
    assert list(ChoiceTask.model_json_schema()["properties"]) == [
        "kind",
        "labels",
        "descriptions",
        "about",
        "input",
        "prompt",
        "answer",
        "answers",
        "loss",
    ]

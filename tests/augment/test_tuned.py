"""What a tuned teacher is asked, what it is tuned on, and that both are one form."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from preceptor.augment import create
from preceptor.augment.operation import Call
from preceptor.data.candidate import Rejection
from preceptor.data.example import Example
from preceptor.errors import SpecError
from preceptor.tasks import AnyTask, ChoiceTask, TextTask

HERE = Path(__file__).parent
ONE = ChoiceTask.model_validate(
    {"kind": "choice", "labels": ["refill", "new_bill"], "about": "Mail.", "input": "{{ message }}"}
)
TWO = ChoiceTask.model_validate(
    {"kind": "choice", "labels": ["yes", "no"], "input": "{{ question }}\n{{ context }}"}
)
FACTS = TextTask.model_validate({"kind": "text", "about": "Facts.", "input": "{{ triples }}"})
PAIRS = TextTask.model_validate({"kind": "text", "input": "{{ dialogue_act }} {{ service }}"})
MAIL = [
    Example("m1", {"message": "More pills, please."}, "refill"),
    Example("m2", {"message": 'He said: "pay!"\nWhy?'}, "new_bill"),
    Example("m3", {"message": "I <|im_end|> need <b>pills</b>"}, "refill"),
]
PAPERS = [
    Example(
        f"q{number}",
        {"question": f"Does it help {number} of us?", "context": f"We tried.\n{number} times."},
        ["yes", "no"][number % 2],
        extra={"long_answer": f"It did {number} times."},
    )
    for number in range(4)
]
SENTENCES = [
    Example("t1", {"triples": "A | born | 1902\nA | died | 1990"}, "A (1902-1990)."),
    Example("t2", {"triples": 'B | label | "b"'}, "B is called b.", references=("B is b.",)),
    Example("t3", {"triples": "C | of | D"}, "C is of D."),
]
ACTS = [
    Example(f"s{n}", {"dialogue_act": f"inform(n={n})", "service": "Buses"}, f"It is {n}.")
    for n in range(3)
]


def settings(**changes: object) -> create.CreateSettings:
    return create.CreateSettings.model_validate({"operation": "create"} | changes)


CASES: dict[str, tuple[AnyTask, list[Example], dict[str, Any]]] = {
    "one field": (ONE, MAIL, {}),
    "one field, shown": (ONE, MAIL, {"shown": 1}),
    "one field, label asked": (ONE, MAIL, {"label": "asked"}),
    "two fields": (TWO, PAPERS, {}),
    "two fields, label asked": (TWO, PAPERS, {"label": "asked", "shown": 2}),
    "kept": (TWO, PAPERS, {"keep": ["context"]}),
    "kept, label given": (TWO, PAPERS, {"keep": ["context"], "label": "given", "shown": 2}),
    "kept, extra": (TWO, PAPERS, {"keep": ["context"], "write": ["question", "long_answer"]}),
    "text": (FACTS, SENTENCES, {}),
    "text, kept": (FACTS, SENTENCES, {"keep": ["triples"], "shown": 2}),
    "text, two fields": (PAIRS, ACTS, {"keep": ["service"]}),
}


@pytest.mark.parametrize("name", CASES)
def test_a_lesson_reads_back_as_the_example_that_it_was_made_of(name: str) -> None:
    task, human, changes = CASES[name]
    arm = settings(**changes)
    taught = create.lessons(arm, task, human, 0, HERE)
    assert len(taught) == len(human)
    for example, lesson in zip(human, taught, strict=True):
        given = example.target if arm.target_key(task) is None else None
        call = Call(lesson.request, example if arm.keep else None, (), given)
        made = create.read(arm, task, call, lesson.answer, id="x", teacher="t")
        assert isinstance(made, Example), made
        assert (made.inputs, made.target) == (example.inputs, example.target)
        assert made.extra == {name: example.extra[name] for name in arm.write if name in made.extra}
        assert made.references == ()


@pytest.mark.parametrize("name", CASES)
def test_a_tuned_teacher_is_asked_in_the_form_of_its_lessons(name: str) -> None:
    task, human, changes = CASES[name]
    arm = settings(**{**changes, "shown": 0})
    known = {one.request.messages for one in create.lessons(arm, task, human, 0, HERE)}
    calls = itertools.islice(create.calls(arm, task, human, 0, HERE, tuned=True), 60)
    asked = {call.request.messages for call in calls}
    assert known <= asked
    assert known == asked or (arm.keep and arm.label == "given"), "labels in turn on every text"


def prompts(task: AnyTask, human: list[Example], **changes: object) -> list[str]:
    calls = itertools.islice(create.calls(settings(**changes), task, human, 0, HERE, tuned=True), 6)
    requests = [call.request for call in calls]
    assert all([one.role for one in request.messages] == ["user"] for request in requests)
    assert all(request.parameters == {} for request in requests)
    return [request.messages[0].content for request in requests]


def test_its_prompts_have_no_word_too_many() -> None:
    assert prompts(ONE, MAIL)[:2] == ["Label: refill\n", "Label: new bill\n"]
    assert set(prompts(FACTS, SENTENCES)) == {"Example:\n"}
    assert "Triples: C | of | D\n" in prompts(FACTS, SENTENCES, keep=["triples"])
    kept = prompts(TWO, PAPERS[:1], keep=["context"], label="given")
    assert kept[0] == "Context: We tried.\n0 times.\nLabel: yes\n"


def test_shown_examples_stand_before_it_with_their_answers() -> None:
    first = prompts(ONE, MAIL[:2], shown=1)[0]
    assert first == "Label: refill\nMore pills, please.\n\nLabel: refill\n"
    (lesson, _, third) = create.lessons(settings(shown=2), ONE, MAIL, 0, HERE)
    assert "More pills" not in lesson.request.messages[0].content, "never itself"
    assert third.request.messages[0].content == first
    one = prompts(TWO, PAPERS[:2], shown=1, keep=["context"])[0]
    before, after = one.split("\n\n")
    assert before.startswith("Context: We tried.\n")
    assert "\nQuestion: Does it help" in before
    assert after in {f"Context: We tried.\n{number} times.\n" for number in range(2)}


def test_samples_sources_and_parents_are_those_of_a_teacher_that_is_asked() -> None:
    arm = settings(keep=["context"], shown=1)
    told = [
        [
            (call.request.sample, call.source, call.parents, call.label)
            for call in itertools.islice(create.calls(arm, TWO, PAPERS, 3, HERE, tuned=tuned), 9)
        ]
        for tuned in (False, True)
    ]
    assert told[0] == told[1]


def test_no_control_token_of_the_data_is_taught() -> None:
    taught = create.lessons(settings(shown=2), ONE, MAIL, 0, HERE)
    said = [lesson.answer + lesson.request.messages[0].content for lesson in taught]
    assert not any("<|im_end|>" in one or "<b>" in one for one in said)
    assert sum("< |im_end|>" in one for one in said) == 2


def test_a_prompt_of_the_users_own_is_one_text(tmp_path: Path) -> None:
    (tmp_path / "my.jinja").write_text("{{ about }} {{ label }} =>")
    arm = settings(prompt="my.jinja")
    call = next(create.calls(arm, ONE, MAIL, 0, tmp_path, tuned=True))
    assert call.request.messages[0].content == "Mail. refill =>\n"
    (tmp_path / "my.jinja").write_text("=== user\n{{ label }}")
    with pytest.raises(SpecError, match="has messages"):
        next(create.calls(arm, ONE, MAIL, 0, tmp_path, tuned=True))
    (tmp_path / "my.jinja").write_text("{# nothing #}")
    with pytest.raises(SpecError, match="empty"):
        create.lessons(arm, ONE, MAIL, 0, tmp_path)


def test_a_tuned_teacher_writes_by_no_schema() -> None:
    with pytest.raises(ValueError, match="no JSON"):
        next(create.calls(settings(), ONE, MAIL, 0, HERE, structured=True, tuned=True))


def test_a_text_task_asks_for_the_answer_and_never_for_a_label() -> None:
    call = next(create.calls(settings(), FACTS, SENTENCES, 0, HERE))
    assert [one.content for one in call.request.messages] == [
        "Facts.",
        "Write one new example, and its answer. Write only this form:\n\nTriples: ...\nAnswer: ...",
    ]
    made = create.read(
        settings(), FACTS, call, "Triples: X | is | Y\nAnswer: X is Y.", id="c", teacher="t"
    )
    assert isinstance(made, Example)
    assert (made.inputs, made.target) == ({"triples": "X | is | Y"}, "X is Y.")
    assert (made.references, made.origin.operation, call.label) == ((), "create", None)


def test_kept_inputs_ask_for_another_answer() -> None:
    arm = settings(keep=["triples"], shown=1)
    call = next(create.calls(arm, FACTS, SENTENCES, 0, HERE))
    assert call.source is not None
    asked = call.request.messages[-1].content
    assert asked.startswith(f"Triples: <text>{call.source.inputs['triples']}</text>\n")
    assert asked.endswith("Write one new answer on the text above. Write the answer alone.")
    answers = {one.target for one in SENTENCES if one.id in call.parents[1:]}
    assert {one.content for one in call.request.messages if one.role == "assistant"} == answers
    assert str(call.source.target) not in asked
    made = create.read(arm, FACTS, call, '"It is another one."', id="c", teacher="t")
    assert isinstance(made, Example)
    assert (made.inputs, made.target) == (call.source.inputs, "It is another one.")


def test_by_schema_a_text_task_has_an_answer_too() -> None:
    arm = settings(keep=["service"])
    call = next(create.calls(arm, PAIRS, ACTS, 0, HERE, structured=True))
    told = call.request.parameters["response_format"]["json_schema"]["schema"]["properties"]
    assert told == {"dialogue_act": {"type": "string"}, "answer": {"type": "string"}}
    asked = call.request.messages[-1].content
    assert "Write one new dialogue act on the text above, and its answer." in asked
    assert asked.endswith('Write only a JSON object with the keys "dialogue_act", "answer".')
    alone = next(
        create.calls(settings(keep=["triples"]), FACTS, SENTENCES, 0, HERE, structured=True)
    )
    assert alone.request.messages[-1].content.endswith(
        'Write one new answer on the text above. Write only a JSON object with the key "answer".'
    )


def test_an_answer_without_one_of_the_parts_is_rejected() -> None:
    call = next(create.calls(settings(), FACTS, SENTENCES, 0, HERE))
    made = create.read(settings(), FACTS, call, "Triples: X | is | Y", id="c", teacher="t")
    assert made == Rejection("unparseable", "no answer in the answer")


def test_what_cannot_be_asked_is_refused() -> None:
    named = TextTask.model_validate({"kind": "text", "input": "{{ question }} {{ Answer }}"})
    human = [Example("a", {"question": "q", "Answer": "a"}, "b")]
    for keep in ([], ["Answer"]):
        with pytest.raises(SpecError, match="'answer' and for the answer"):
            next(create.calls(settings(keep=keep), named, human, 0, HERE))
    with pytest.raises(SpecError, match="no labels"):
        next(create.calls(settings(label="asked"), FACTS, SENTENCES, 0, HERE))
    with pytest.raises(SpecError, match="nothing is left"):
        next(create.calls(settings(keep=["message"], label="given"), ONE, MAIL, 0, HERE))


def test_a_field_only_training_sees_does_not_stand_for_the_label() -> None:
    sly = [replace(one, extra={"label": "evil"}) for one in MAIL]
    taught = create.lessons(settings(label="asked"), ONE, sly, 0, HERE)
    assert taught[0].answer == "Message: More pills, please.\nLabel: refill"

"""What servers say of a parameter that they do not take, in their own words."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from preceptor.errors import PreceptorError, TeacherError
from preceptor.llm.cache import AnswerCache
from preceptor.llm.calls import refusals
from preceptor.llm.calls.learned import FILE
from preceptor.llm.chat import Answer, Failure

from .conftest import KEY, MakeTeacher, ask_for
from .faulty import FaultyServer, Reply, completion, error, refuses

SENT = {
    "temperature": 0.2,
    "max_tokens": 64,
    "stop": ["\n"],
    "seed": 1,
    "reasoning": {"effort": "low"},
    "response_format": {"type": "json_schema"},
}
RENAME = "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."  # noqa: E501
DEFAULT_ONLY = "Unsupported value: 'temperature' does not support 0.2 with this model. Only the default (1) value is supported."  # noqa: E501


def extra(name: str) -> dict[str, Any]:
    told = {
        "type": "extra_forbidden",
        "loc": ["body", name],
        "msg": "Extra inputs are not permitted",
    }
    return {"detail": [{**told, "input": 5}]}


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ({"message": RENAME, "param": "max_tokens", "code": "unsupported_parameter"}, "max_tokens"),
        ({"message": RENAME, "code": "invalid_request_body"}, "max_tokens"),
        ({"message": DEFAULT_ONLY, "param": "temperature"}, "temperature"),
        ({"message": DEFAULT_ONLY}, "temperature"),
        ({"message": "invalid temperature: only 0.6 is allowed for this model"}, "temperature"),
        ({"message": "temperature must be 1 for this model"}, "temperature"),
        ({"message": "`temperature` is deprecated for this model"}, "temperature"),
        ({"message": "Model does not support parameter seed"}, "seed"),
        ({"message": "Unrecognized request argument supplied: stop"}, "stop"),
        ({"message": "Unknown parameter: 'reasoning.effort'."}, "reasoning"),
        ({"message": "no", "param": "reasoning.effort", "code": "unknown_parameter"}, "reasoning"),
        ({"message": "This response_format type is unavailable now"}, "response_format"),
        ({"message": "response_format.type `json_schema` is unavailable now"}, "response_format"),
        ({"message": "json_schema is not a thing here", "param": None}, "response_format"),
        (
            {
                "message": "Invalid value: 'x'. Supported values are: 'text'.",
                "param": "response_format.type",
            },
            "response_format",
        ),
        (extra("seed"), "seed"),
        ({"message": str(extra("seed")["detail"])}, "seed"),
        ("Unknown parameter: seed", "seed"),
    ],
)
def test_a_parameter_that_is_not_taken_is_recognised(body: object, name: str) -> None:
    assert refusals.named(body, SENT) == name
    assert refusals.is_unsupported(body, name)


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ({"message": "temperature must be between 0 and 2"}, "temperature"),
        ({"message": "'temperature' must be a number", "param": "temperature"}, "temperature"),
        ({"message": "max_tokens is too large: 50000", "param": "max_tokens"}, "max_tokens"),
        ({"message": "Invalid 'seed': integer below minimum value.", "param": "seed"}, "seed"),
        (
            {
                "detail": [
                    {
                        "type": "less_than_equal",
                        "loc": ["body", "temperature"],
                        "msg": "Input should be less than or equal to 2",
                    }
                ]
            },
            "temperature",
        ),
        ({"message": "`temperature` and `stop` cannot both be specified"}, "temperature"),
    ],
)
def test_a_wrong_value_is_left_to_its_author(body: object, name: str) -> None:
    assert refusals.named(body, SENT) == name
    assert not refusals.is_unsupported(body, name)


@pytest.mark.parametrize(
    "body",
    [
        {"message": "The user asked to stop. Invalid."},
        {"message": "no", "param": "messages"},
        {"message": "'messages' is invalid", "param": "messages.0.content"},
        {"message": "unsupported model", "param": "model"},
        {"message": "max_tokens_total is unknown"},
        {"detail": [{"type": "missing", "loc": ["body", "x"], "msg": "no", "input": {"seed": 1}}]},
        "<html>Bad request</html>",
        None,
    ],
)
def test_what_speaks_of_none_of_ours_names_none(body: object) -> None:
    assert refusals.named(body, SENT) is None


def test_another_name_is_taken_from_the_servers_words_alone() -> None:
    assert refusals.instead_of("max_tokens", {"message": RENAME}, SENT) == "max_completion_tokens"
    assert refusals.instead_of("max_tokens", {"message": "no max_tokens"}, SENT) is None
    both = {**SENT, "max_completion_tokens": 64}
    assert refusals.instead_of("max_tokens", {"message": RENAME}, both) is None
    assert refusals.instead_of("seed", {"message": RENAME}, SENT) is None


def no(name: str, reply: Reply) -> Callable[[dict[str, Any]], Reply | None]:
    return lambda body: reply if name in body else None


NO_MAX_TOKENS = no("max_tokens", error(400, RENAME, param="max_tokens"))
NO_TEMPERATURE = no("temperature", error(400, DEFAULT_ONLY, code="unsupported_value"))


def test_a_refused_parameter_costs_one_call_of_a_batch_and_none_of_the_next_run(
    make_teacher: MakeTeacher,
    server: FaultyServer,
    cache: AnswerCache,
    capsys: pytest.CaptureFixture[str],
) -> None:
    refuses(server, NO_MAX_TOKENS)
    teacher = make_teacher(concurrency=8)
    answers = teacher.ask([ask_for(str(number)) for number in range(30)], "asking")
    assert all(isinstance(one, Answer) for one in answers)
    assert server.calls == 31
    assert all(body["max_completion_tokens"] == 512 for body in server.bodies[1:])
    assert not any("max_tokens" in body for body in server.bodies[1:])
    (note,) = teacher.notes
    assert "tutor refuses the parameter max_tokens, so it was sent as max_completion_tokens" in note
    assert "Use 'max_completion_tokens' instead" in note
    assert capsys.readouterr().err.count("refuses the parameter max_tokens") == 1
    assert teacher.usage.calls == 30

    later = make_teacher(concurrency=8)
    later.ask([ask_for(str(number)) for number in range(30, 60)], "asking")
    assert server.calls == 61
    assert later.notes == (note,)
    assert capsys.readouterr().err.count("refuses the parameter max_tokens") == 1
    again = make_teacher()
    again.ask([ask_for(str(number)) for number in range(60)], "asking")
    assert server.calls == 61, "answers are kept under what the study asked for"
    assert again.notes == (note,), "the answers were written without it"
    assert KEY not in cache.path.with_name(FILE).read_text()


def test_several_refused_parameters_cost_a_call_each(
    make_teacher: MakeTeacher, server: FaultyServer
) -> None:
    refuses(server, lambda body: NO_MAX_TOKENS(body) or NO_TEMPERATURE(body))
    teacher = make_teacher()
    teacher.ask([ask_for(str(number)) for number in range(12)], "asking")
    assert server.calls == 14
    assert set(server.bodies[-1]) == {"model", "messages", "max_completion_tokens"}
    assert len(teacher.notes) == 2


def test_a_refusal_that_comes_late_is_learned_by_all_in_flight_together(
    make_teacher: MakeTeacher, server: FaultyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("preceptor.llm.calls.line.FIRST_ALONE", 0.05)
    slow = error(400, RENAME, param="max_tokens")
    late = Reply(slow.status, slow.body, wait=0.3)
    refuses(server, no("max_tokens", late))
    teacher = make_teacher(concurrency=8)
    answers = teacher.ask([ask_for(str(number)) for number in range(30)], "asking")
    assert all(isinstance(one, Answer) for one in answers)
    assert server.calls == 30 + 8
    assert len(teacher.notes) == 1


def test_a_name_that_is_refused_in_its_turn_is_left_out(
    make_teacher: MakeTeacher, server: FaultyServer
) -> None:
    neither = error(400, "Unknown parameter: 'max_completion_tokens'. Did you mean 'max_tokens'?")
    refuses(server, lambda body: NO_MAX_TOKENS(body) or no("max_completion_tokens", neither)(body))
    teacher = make_teacher()
    teacher.ask([ask_for("a"), ask_for("b")], "asking")
    assert server.calls == 4
    assert set(server.bodies[-1]) == {"model", "messages", "temperature"}
    (note,) = teacher.notes
    assert "max_tokens, so it was not sent" in note


def test_what_one_model_refuses_another_is_asked(
    make_teacher: MakeTeacher, server: FaultyServer
) -> None:
    refuses(server, lambda body: NO_TEMPERATURE(body) if body["model"] == "tutor" else None)
    make_teacher().ask([ask_for("a")], "asking")
    other = make_teacher(model="other")
    other.ask([ask_for("a")], "asking")
    assert "temperature" in server.bodies[-1]
    assert other.notes == ()


def test_a_form_of_answer_is_refused_by_its_type(
    make_teacher: MakeTeacher, server: FaultyServer
) -> None:
    def refusal(body: dict[str, Any]) -> Reply | None:
        if body.get("response_format", {}).get("type") == "json_schema":
            return error(400, "This response_format type is unavailable now")
        return None

    refuses(server, refusal)
    teacher = make_teacher()
    schema = {"type": "json_schema", "json_schema": {"name": "a", "schema": {}}}
    requests = [ask_for(str(number), response_format=schema) for number in range(5)]
    assert all(isinstance(one, Answer) for one in teacher.ask(requests, "asking"))
    assert server.calls == 6
    assert "response_format.json_schema, so it was not sent" in teacher.notes[0]
    teacher.ask([ask_for("b", response_format={"type": "json_object"})], "asking")
    assert server.bodies[-1]["response_format"] == {"type": "json_object"}
    assert server.calls == 7


def test_a_wrong_value_ends_the_batch_with_its_name(
    make_teacher: MakeTeacher, server: FaultyServer
) -> None:
    server.always = error(400, "temperature must be between 0 and 1", param="temperature")
    with pytest.raises(TeacherError, match=r"rename, change or remove .*parameters\.temperature"):
        make_teacher(concurrency=1).ask([ask_for("a"), ask_for("b")], "asking")
    assert server.calls == 1


def test_a_refusal_of_what_was_answered_before_is_of_one_prompt(
    make_teacher: MakeTeacher, server: FaultyServer
) -> None:
    server.replies.extend([Reply(), error(400, "invalid: 'temperature' is not a word")])
    teacher = make_teacher(concurrency=1)
    _, second, third = teacher.ask([ask_for(text) for text in "abc"], "asking")
    assert isinstance(second, Failure)
    assert second.cause == "bad_request"
    assert isinstance(third, Answer)
    assert "temperature" in server.bodies[-1]
    assert teacher.notes == ()


def test_the_bound_of_a_limit_is_never_left_out(
    make_teacher: MakeTeacher, server: FaultyServer
) -> None:
    refuses(server, no("max_tokens", error(400, "Unknown parameter: 'max_tokens'")))
    make_teacher().ask([ask_for("a")], "asking")
    assert "max_tokens" not in server.bodies[-1]
    limited = make_teacher(limit={"tokens": 100_000})
    with pytest.raises(TeacherError, match=r"parameters\.max_tokens"):
        limited.ask([ask_for("b")], "asking")


def test_processes_learn_from_each_other(
    make_teacher: MakeTeacher, server: FaultyServer, cache: AnswerCache
) -> None:
    one, other = make_teacher(), make_teacher()
    refuses(server, lambda body: NO_MAX_TOKENS(body) or NO_TEMPERATURE(body))
    one.ask([ask_for("a")], "asking")
    other.ask([ask_for("b")], "asking")
    assert server.calls == 4
    told = json.loads(cache.path.with_name(FILE).read_text())
    assert set(told[f"{server.url} tutor"]) == {"max_tokens", "temperature"}


@pytest.mark.parametrize("text", ["", "{", "[]", '{"a": 5}', '{"a": {"b": {"instead": null}}}'])
def test_a_damaged_file_is_said(
    make_teacher: MakeTeacher, server: FaultyServer, cache: AnswerCache, text: str
) -> None:
    path: Path = cache.path.with_name(FILE)
    path.write_text(text)
    with pytest.raises(
        PreceptorError, match=f"refused parameters cannot be read(.|\n)*{path.name}"
    ):
        make_teacher().ask([ask_for("a")], "asking")
    assert server.calls == 0


def test_truncated_answers_show_that_parameters_are_taken(
    make_teacher: MakeTeacher, server: FaultyServer
) -> None:
    server.replies.append(Reply(body=completion("half", "length")))
    server.replies.append(error(400, "unknown parameter: max_tokens"))
    first, second = make_teacher(concurrency=1).ask([ask_for("a"), ask_for("b")], "asking")
    assert (isinstance(first, Failure), isinstance(second, Failure)) == (True, True)
    assert server.calls == 2

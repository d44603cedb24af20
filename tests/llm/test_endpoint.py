"""An endpoint that fails in every way a server can."""

from __future__ import annotations

import socket
import time
from dataclasses import asdict
from typing import Any

import pytest
from pydantic import ValidationError

from preceptor.errors import TeacherError
from preceptor.llm.cache import AnswerCache
from preceptor.llm.calls import replies
from preceptor.llm.chat import Answer, Failure, Usage
from preceptor.llm.endpoint import check_key
from preceptor.llm.settings import EndpointSettings

from .conftest import KEY, MakeTeacher, ask_for
from .faulty import RESET, FaultyServer, Reply, completion, error


def test_answers_come_in_the_order_of_the_requests(
    make_teacher: MakeTeacher, server: FaultyServer
) -> None:
    server.replies.extend(Reply(wait=wait) for wait in (0.2, 0.0, 0.1))
    answers = make_teacher().ask([ask_for(text) for text in "abcdef"], "asking")
    assert [answer.text for answer in answers] == [f"echo: {text}" for text in "abcdef"]
    assert all(isinstance(one, Answer) and not one.cached for one in answers)


def test_parameters_are_sent_as_named_and_the_requests_own_win(
    make_teacher: MakeTeacher, server: FaultyServer
) -> None:
    parameters = {"max_completion_tokens": 9, "temperature": 1.0, "reasoning": {"effort": "low"}}
    make_teacher(parameters=parameters).ask([ask_for("a", temperature=0.2, seed=3)], "asking")
    (body,) = server.bodies
    assert body == {
        "model": "tutor",
        "messages": [{"role": "user", "content": "a"}],
        "max_completion_tokens": 9,
        "temperature": 0.2,
        "reasoning": {"effort": "low"},
        "seed": 3,
    }
    assert server.headers[0]["authorization"] == f"Bearer {KEY}"


def test_concurrency_is_kept_full_and_never_exceeded(
    make_teacher: MakeTeacher, server: FaultyServer
) -> None:
    server.always = Reply(wait=0.03)
    make_teacher(concurrency=4).ask([ask_for(str(i)) for i in range(16)], "asking")
    assert server.most_running == 4


def test_duplicates_in_a_batch_are_asked_once(
    make_teacher: MakeTeacher, server: FaultyServer
) -> None:
    teacher = make_teacher()
    answers = teacher.ask([ask_for("a"), ask_for("b"), ask_for("a")], "asking")
    assert server.calls == 2
    assert [answer.text for answer in answers] == ["echo: a", "echo: b", "echo: a"]
    assert (teacher.usage.calls, teacher.usage.cached) == (2, 1)


@pytest.mark.parametrize(
    ("status", "words"),
    [(401, "key_env"), (403, "rights"), (404, "base_url"), (402, "credit")],
)
def test_a_refusal_of_all_calls_ends_the_batch_at_once(
    make_teacher: MakeTeacher, server: FaultyServer, status: int, words: str
) -> None:
    server.always = error(status, f"no, not with {KEY}")
    with pytest.raises(TeacherError) as caught:
        make_teacher(concurrency=2).ask([ask_for(str(i)) for i in range(20)], "asking")
    told = str(caught.value)
    assert str(status) in told
    assert "no, not with ***" in told
    assert words in told
    assert KEY not in told
    assert server.calls <= 4


def test_a_redirect_is_not_followed(make_teacher: MakeTeacher, server: FaultyServer) -> None:
    server.always = Reply(307, "", {"Location": "http://127.0.0.1:9/v1/chat/completions"})
    with pytest.raises(TeacherError, match="another address"):
        make_teacher().ask([ask_for("a")], "asking")
    assert server.calls == 1


@pytest.mark.parametrize("reply", [error(500, "oops"), error(503, "busy"), error(408, "slow")])
def test_a_passing_error_is_tried_again(
    make_teacher: MakeTeacher, server: FaultyServer, reply: Reply
) -> None:
    server.replies.extend([reply, reply])
    (answer,) = make_teacher().ask([ask_for("a")], "asking")
    assert isinstance(answer, Answer)
    assert server.calls == 3


@pytest.mark.parametrize(
    ("reply", "cause"),
    [
        (error(500, "oops"), "server_error"),
        (error(429, "too fast"), "rate_limited"),
        (RESET, "unreachable"),
        (Reply(body='{"choices": [{"mess'), "malformed"),
        (Reply(body="<html>Sign in</html>", content_type="text/html"), "malformed"),
        (Reply(body='{"choices": []}'), "malformed"),
        (Reply(body='{"error": {"message": "upstream", "code": 502}}'), "malformed"),
        (Reply(body=completion("half \ud83d")), "malformed"),
    ],
)
def test_a_lasting_error_of_one_call_is_its_failure(
    make_teacher: MakeTeacher, server: FaultyServer, reply: Reply, cause: str
) -> None:
    server.replies.extend([reply, reply, reply])
    first, second = make_teacher(concurrency=1).ask([ask_for("a"), ask_for("b")], "asking")
    assert isinstance(first, Failure)
    assert first.cause == cause
    assert first.detail
    assert isinstance(second, Answer)
    assert server.calls == 4


def test_a_slow_server_times_out(make_teacher: MakeTeacher, server: FaultyServer) -> None:
    server.always = Reply(wait=0.5)
    (failure,) = make_teacher(timeout=0.1, retries=1).ask([ask_for("a")], "asking")
    assert isinstance(failure, Failure)
    assert failure.cause == "timeout"
    assert server.calls == 2


def test_retry_after_keeps_all_calls_back(make_teacher: MakeTeacher, server: FaultyServer) -> None:
    limited = Reply(429, "{}", {"Retry-After": "1"})
    server.replies.append(limited)
    make_teacher(concurrency=1).ask([ask_for("a"), ask_for("b")], "asking")
    assert server.times[1] - server.times[0] >= 1.0
    assert server.calls == 3


def test_a_very_long_retry_after_is_left_to_the_user(
    make_teacher: MakeTeacher, server: FaultyServer
) -> None:
    server.always = Reply(429, "{}", {"Retry-After": "86400"})
    with pytest.raises(TeacherError, match="asks to wait 86400 seconds"):
        make_teacher().ask([ask_for("a")], "asking")


def test_spent_quota_is_not_a_rate_limit(make_teacher: MakeTeacher, server: FaultyServer) -> None:
    server.always = error(429, "You exceeded your quota", code="insufficient_quota")
    with pytest.raises(TeacherError, match="quota"):
        make_teacher().ask([ask_for("a")], "asking")
    assert server.calls == 1


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("3", 3.0), ("0.5", 0.5), ("-1", 0.0), ("soon", None), ("", None)],
)
def test_retry_after_is_read(text: str, seconds: float | None) -> None:
    assert replies.retry_after({"retry-after": text}) == seconds


def test_retry_after_may_be_a_date_or_milliseconds() -> None:
    assert replies.retry_after({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}) == 0.0
    later = replies.retry_after({"retry-after": "Wed, 21 Oct 2099 07:28:00 GMT"})
    assert later is not None
    assert later > 1e6
    assert replies.retry_after({"retry-after-ms": "250", "retry-after": "9"}) == 0.25


@pytest.mark.parametrize(
    ("body", "failure"),
    [
        (completion("half an", "length"), Failure("truncated", "half an", 7, 3)),
        (completion("", "content_filter"), Failure("refused", "", 7, 3)),
        (completion(None, refusal="I will not"), Failure("refused", "I will not", 7, 3)),
        (completion("  \n"), Failure("empty", "finish_reason: stop", 7, 3)),
        (completion(None), Failure("empty", "finish_reason: stop", 7, 3)),
    ],
)
def test_an_answer_that_is_not_whole_is_a_failure_that_is_paid_once(
    make_teacher: MakeTeacher, server: FaultyServer, body: str, failure: Failure
) -> None:
    server.replies.append(Reply(body=body))
    teacher = make_teacher()
    assert teacher.ask([ask_for("a")], "asking") == [failure]
    assert server.calls == 1
    assert teacher.ask([ask_for("a")], "asking") == [failure]
    assert server.calls == 1, "the model answered, and would be paid again"
    assert isinstance(teacher.ask([ask_for("a", sample=1)], "asking")[0], Answer)


@pytest.mark.parametrize(
    ("reply", "cause"),
    [
        (error(400, "too much", code="context_length_exceeded"), "too_long"),
        (error(400, "This model's maximum context length is 4096 tokens"), "too_long"),
        (error(413, "too large"), "too_long"),
        (error(400, "prompt is too long: 210000 tokens > 200000 maximum"), "too_long"),
        (error(400, "Input is too long for requested model."), "too_long"),
        (
            error(
                400, "The input token count (9) exceeds the maximum number of tokens allowed (8)."
            ),
            "too_long",
        ),
        (
            error(
                422,
                "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. Given:"
                " 5000 `inputs` tokens and 512 `max_new_tokens`",
            ),
            "too_long",
        ),
        (
            error(422, "Input validation error: `inputs` must have less than 9 tokens. Given: 10"),
            "too_long",
        ),
        (
            error(
                400, "The decoder prompt (length 9) is longer than the maximum model length of 8."
            ),
            "too_long",
        ),
        (error(400, "The input (9 tokens) is longer than the model's context length"), "too_long"),
        (error(400, "Please reduce the length of the messages or completion."), "too_long"),
        (error(400, "filtered", code="content_filter"), "refused"),
    ],
)
def test_a_refusal_of_one_prompt_is_a_failure_of_that_one(
    make_teacher: MakeTeacher, server: FaultyServer, reply: Reply, cause: str
) -> None:
    server.replies.append(reply)
    first, second = make_teacher(concurrency=1).ask([ask_for("a"), ask_for("b")], "asking")
    assert isinstance(first, Failure)
    assert first.cause == cause
    assert isinstance(second, Answer)


def refused_by_words(server: FaultyServer) -> None:
    """Refuse every prompt with the word "odd" in it, at once, and answer the others slowly."""
    give = server.next_reply

    def reply(body: dict[str, Any], headers: dict[str, str]) -> Reply:
        given = give(body, headers)
        if "odd" in body["messages"][-1]["content"]:
            return error(400, "I cannot take this one")
        time.sleep(0.1)
        return given

    server.next_reply = reply  # type: ignore[method-assign]


@pytest.mark.parametrize("concurrency", [1, 4])
def test_a_refusal_in_unknown_words_is_of_one_prompt_where_others_are_answered(
    make_teacher: MakeTeacher, server: FaultyServer, concurrency: int
) -> None:
    refused_by_words(server)
    teacher = make_teacher(concurrency=concurrency)
    texts = ["a", "odd 1", "b", "odd 2", "c", "odd 3", "d"]
    answers = teacher.ask([ask_for(text) for text in texts], "asking")
    assert [isinstance(one, Answer) for one in answers] == [True, False] * 3 + [True]
    assert answers[1] == Failure("bad_request", "status 400: I cannot take this one")
    (later,) = teacher.ask([ask_for("odd 4")], "asking")
    assert isinstance(later, Failure), "the teacher has answered before, in another batch"


def test_a_refusal_that_comes_before_any_answer_waits_for_those_in_flight(
    make_teacher: MakeTeacher, server: FaultyServer
) -> None:
    refused_by_words(server)
    texts = ["odd 1", "odd 2", "a", "odd 3", "b"]
    answers = make_teacher(concurrency=3).ask([ask_for(text) for text in texts], "asking")
    assert [one.text for one in answers if isinstance(one, Answer)] == ["echo: a", "echo: b"]
    assert server.calls == 5


def test_a_teacher_that_refuses_all_calls_of_a_kind_is_asked_no_more_of_them(
    make_teacher: MakeTeacher, server: FaultyServer
) -> None:
    teacher = make_teacher(concurrency=3)
    teacher.ask([ask_for("a")], "asking")
    server.always = error(400, "I cannot")
    with pytest.raises(TeacherError, match="I cannot"):
        teacher.ask([ask_for(f"odd {n}", seed=n, top_p=0.9) for n in range(30)], "asking")
    assert server.calls == 1 + 3


def test_a_server_that_is_not_there_ends_the_batch_soon(make_teacher: MakeTeacher) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    teacher = make_teacher(base_url=f"http://127.0.0.1:{port}/v1", retries=50)
    started = time.monotonic()
    with pytest.raises(TeacherError, match=f"cannot be reached(.|\n)*{port}(.|\n)*fix:"):
        teacher.ask([ask_for(str(i)) for i in range(50)], "asking")
    assert time.monotonic() - started < 3


def test_a_server_that_fails_every_call_ends_the_batch(
    make_teacher: MakeTeacher, server: FaultyServer
) -> None:
    server.always = error(500, "oops")
    with pytest.raises(TeacherError, match="last 6 calls all failed"):
        make_teacher(concurrency=2, retries=1).ask([ask_for(str(i)) for i in range(50)], "asking")
    assert server.calls <= 16


def test_answers_before_the_end_of_a_batch_are_kept(
    make_teacher: MakeTeacher, server: FaultyServer
) -> None:
    server.replies.extend([Reply(), Reply(), error(401, "expired")])
    requests = [ask_for(text) for text in "abcd"]
    teacher = make_teacher(concurrency=1)
    with pytest.raises(TeacherError):
        teacher.ask(requests, "asking")
    answers = teacher.ask(requests, "asking")
    assert [answer.cached for answer in answers if isinstance(answer, Answer)] == [
        True,
        True,
        False,
        False,
    ]
    assert server.calls == 5


def test_the_ledger_adds_up(make_teacher: MakeTeacher, server: FaultyServer) -> None:
    price = {"input": 2.0, "output": 10.0, "currency": "EUR"}
    teacher = make_teacher(price=price, concurrency=1)
    teacher.ask([ask_for("a"), ask_for("b")], "asking")
    server.replies.append(Reply(body=completion("half", "length")))
    before = teacher.usage
    teacher.ask([ask_for("a"), ask_for("c")], "asking")
    used = teacher.usage
    assert used.seconds > before.seconds > 0
    told = {**used.as_dict(), "seconds": 0, "cost": 0, "cached_cost": 0}
    expected = Usage(3, 1, 1, 28, 12, 7, 3, 0, cost=0, cached_cost=0, currency="EUR")
    assert told == asdict(expected)
    call = (7 * 2 + 3 * 10) / 1e6
    assert (used.cost, used.cached_cost) == (pytest.approx(4 * call), pytest.approx(call))
    later = used - before
    assert (later.calls, later.cached, later.failed, later.prompt_tokens) == (1, 1, 1, 14)
    assert (later.cost, later.cached_cost) == (pytest.approx(2 * call), pytest.approx(call))
    assert (before + later).cost == pytest.approx(used.cost)


def test_a_missing_key_is_named_before_any_call(
    make_teacher: MakeTeacher, server: FaultyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TEACHER_KEY")
    with pytest.raises(TeacherError, match="TEACHER_KEY is not set"):
        make_teacher()
    monkeypatch.setenv("TEACHER_KEY", "schlüssel-0123456789")
    with pytest.raises(TeacherError, match="TEACHER_KEY holds no usable") as caught:
        make_teacher()
    assert "schlüssel" not in str(caught.value)
    assert server.calls == 0


def test_a_server_without_key_needs_no_variable(
    make_teacher: MakeTeacher, server: FaultyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TEACHER_KEY")
    teacher = make_teacher(key_env=None)
    assert isinstance(teacher.ask([ask_for("a")], "asking")[0], Answer)
    assert check_key(EndpointSettings(engine="endpoint", model="m", key_env=None)) is None


def test_a_proxy_is_not_asked_for_this_machine(
    make_teacher: MakeTeacher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    assert isinstance(make_teacher().ask([ask_for("a")], "asking")[0], Answer)


def test_the_key_is_written_nowhere(
    make_teacher: MakeTeacher, cache: AnswerCache, server: FaultyServer
) -> None:
    teacher = make_teacher()
    server.replies.extend([error(500, f"{KEY} failed")] * 3)
    (failure,) = teacher.ask([ask_for("a")], "asking")
    teacher.ask([ask_for("b")], "asking")
    teacher.close()
    written = b"".join(path.read_bytes() for path in cache.path.parent.iterdir())
    assert b"echo: b" in written
    assert KEY.encode() not in written
    assert KEY not in repr(failure) + repr(teacher) + str(teacher.identity)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"base_url": "api.example.com/v1"}, "must look like"),
        ({"base_url": "https://me:secret@example.com/v1"}, "no user, password"),
        ({"base_url": "https://example.com/v1?key=secret"}, "no user, password"),
        ({"parameters": {"stream": True}}, "stream"),
        ({"parameters": {"n": 4}}, "n"),
        ({"parameters": {"stop": object()}}, "JSON"),
    ],
)
def test_settings_that_cannot_work_are_refused(changes: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        EndpointSettings.model_validate({"engine": "endpoint", "model": "m", **changes})

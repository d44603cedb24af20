"""Replies that break off or are none, and batches of which too much fails."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from preceptor.errors import TeacherError
from preceptor.llm.cache import AnswerCache
from preceptor.llm.calls import replies
from preceptor.llm.calls.tally import SERVER_SIDE, Tally
from preceptor.llm.chat import Answer, Failure

from .conftest import KEY, MakeTeacher, ask_for
from .faulty import RESET, FaultyServer, Reply, completion, error, refuses

HALF = completion("half an answer")[:60]
BROKEN = [
    (Reply(cut="reset"), "unreachable"),
    (Reply(cut="close"), "unreachable"),
    (Reply(cut="stall"), "timeout"),
    (RESET, "unreachable"),
    (Reply(500, '{"error": {"mess', cut="reset"), "unreachable"),
    (Reply(body=HALF), "malformed"),
    (Reply(body=""), "malformed"),
    (Reply(body="null"), "malformed"),
    (Reply(body="<html>Sign in</html>"), "malformed"),
    (Reply(body="<html>Sign in</html>", content_type="text/html"), "malformed"),
    (Reply(body=HALF, content_type="image/png"), "malformed"),
    (Reply(headers={"Content-Encoding": "gzip"}), "unreachable"),
    (Reply(body="[" * 100_000), "malformed"),
    (
        Reply(body='{"choices": [{"message": {}}], "usage": {"prompt_tokens": Infinity}}'),
        "malformed",
    ),
    (Reply(502, "<html>Bad gateway</html>", content_type="text/html"), "server_error"),
    (Reply(504, ""), "server_error"),
    (error(409, "conflict"), "server_error"),
]
IDS = [f"{number}-{cause}" for number, (_, cause) in enumerate(BROKEN)]


def patience(reply: Reply) -> float:
    """Seconds that a stall outlasts; more for the others, for a machine may be busy."""
    return 0.6 if reply.cut == "stall" else 5.0


@pytest.mark.parametrize(("reply", "cause"), BROKEN, ids=IDS)
def test_a_broken_reply_is_tried_again(
    make_teacher: MakeTeacher, server: FaultyServer, reply: Reply, cause: str
) -> None:
    server.replies.extend([reply, reply])
    (answer,) = make_teacher(timeout=patience(reply)).ask([ask_for("a")], "asking")
    assert isinstance(answer, Answer)
    assert answer.text == "echo: a"
    assert server.calls == 3


@pytest.mark.parametrize(("reply", "cause"), BROKEN, ids=IDS)
def test_a_reply_that_stays_broken_is_a_typed_failure(
    make_teacher: MakeTeacher, server: FaultyServer, reply: Reply, cause: str
) -> None:
    server.replies.extend([reply, reply, reply])
    teacher = make_teacher(concurrency=1, timeout=patience(reply))
    failure, answer = teacher.ask([ask_for("a"), ask_for("b")], "asking")
    assert isinstance(failure, Failure)
    assert failure.cause == cause
    assert isinstance(answer, Answer)
    assert server.calls == 4
    (again,) = teacher.ask([ask_for("a")], "asking")
    assert isinstance(again, Answer), "what the server failed to say is not kept"


def test_a_whole_answer_counts_whatever_it_is_called(
    make_teacher: MakeTeacher, server: FaultyServer
) -> None:
    server.replies.append(Reply(content_type="text/plain"))
    (answer,) = make_teacher().ask([ask_for("a")], "asking")
    assert isinstance(answer, Answer)
    assert server.calls == 1


def test_a_key_in_a_broken_reply_is_struck_out(
    make_teacher: MakeTeacher, server: FaultyServer
) -> None:
    server.replies.extend([Reply(body=f"<html>{'x' * 470}{KEY}</html>")] * 3)
    (failure,) = make_teacher().ask([ask_for("a")], "asking")
    assert isinstance(failure, Failure)
    assert KEY[:10] not in failure.detail


def test_a_mixture_of_all_faults_loses_no_row_and_answers_none_twice(
    make_teacher: MakeTeacher, server: FaultyServer
) -> None:
    faults = [reply for reply, _ in BROKEN] + [error(429, "slow down")] * 5
    answered: list[str] = []

    def compose(body: dict[str, Any]) -> str:
        answered.append(body["messages"][-1]["content"])
        return f"echo: {answered[-1]}"

    server.compose = compose
    for fault in faults:
        # An answer that breaks off on its way was paid; those shall not be counted here.
        told = replace(fault, body=HALF) if fault.body is None else fault
        server.replies.extend([told, Reply(), Reply()])
    texts = [str(number) for number in range(120)]
    # A timeout on a busy machine would leave an answer unread, which is then asked for again.
    teacher = make_teacher(concurrency=12, retries=8, timeout=20)
    outcomes = teacher.ask([ask_for(text) for text in texts], "asking")
    assert [one.text for one in outcomes if isinstance(one, Answer)] == [
        f"echo: {t}" for t in texts
    ]
    assert sorted(answered) == sorted(texts)
    assert teacher.usage.calls == 120


def failing(server: FaultyServer, share: int) -> None:
    """Answer every ``share``-th row with 500 or no JSON, however often it is asked."""

    def refusal(body: dict[str, Any]) -> Reply | None:
        number = int(body["messages"][-1]["content"])
        if number % share:
            return None
        return Reply(body="<html>") if number % 20 == 0 else error(500, f"oops {number}")

    refuses(server, refusal)


def test_a_batch_stops_where_more_calls_fail_than_allowed(
    make_teacher: MakeTeacher, server: FaultyServer, cache: AnswerCache
) -> None:
    failing(server, 5)
    teacher = make_teacher(retries=1, concurrency=4)
    requests = [ask_for(str(number)) for number in range(1, 201)]
    with pytest.raises(TeacherError) as caught:
        teacher.ask(requests, "asking")
    told = str(caught.value)
    assert "calls failed, more than the share of 0.1 that max_failures allows" in told
    assert "server_error (" in told
    assert "status 500: oops" in told
    assert "answers received so far are kept" in told
    assert server.calls < 60
    received = teacher.usage.calls - teacher.usage.failed
    assert received >= 14

    later = make_teacher(retries=1, max_failures=0.5)
    outcomes = later.ask(requests, "asking")
    assert later.usage.cached == received
    assert sum(isinstance(one, Failure) for one in outcomes) == 40


def test_a_batch_in_which_few_calls_fail_comes_to_its_end(
    make_teacher: MakeTeacher, server: FaultyServer
) -> None:
    failing(server, 15)
    outcomes = make_teacher(retries=1).ask([ask_for(str(n)) for n in range(1, 91)], "asking")
    assert sum(isinstance(one, Failure) for one in outcomes) == 6


def test_too_few_calls_say_nothing_of_the_share() -> None:
    tally = Tally(0.1, "here")
    for _ in range(19):
        tally.add(Failure("timeout", "slow"))
    with pytest.raises(TeacherError, match=r"20 of the first 20(.|\n)*timeout \(20\).*: slow"):
        tally.add(Failure("timeout", "slow"))


def test_failures_of_what_was_asked_do_not_count() -> None:
    tally = Tally(0.0, "here")
    for cause in ("refused", "truncated", "empty", "too_long", "bad_request"):
        for _ in range(20):
            tally.add(Failure(cause, "text"))  # type: ignore[arg-type]
    with pytest.raises(TeacherError, match="1 of the first 101"):
        tally.add(Failure("malformed", "<html>"))


def test_causes_are_summed_up_the_commonest_first() -> None:
    tally = Tally(0.5, "here")
    for _ in range(12):
        tally.add(Answer("a", 1, 1, 0.1, cached=False))
    with pytest.raises(TeacherError) as caught:
        for number in range(40):
            cause = "timeout" if number % 3 else "rate_limited"
            tally.add(Failure(cause, f"detail {number}"))  # type: ignore[arg-type]
    found = str(caught.value.found).split()
    assert found.index("timeout") < found.index("rate_limited")
    assert "13 of the first 25" in str(caught.value)


def test_every_status_that_is_tried_again_ends_as_a_failure_of_the_server() -> None:
    for status in (408, 409, 429, 500, 502, 503, 504, 529):
        assert not replies.is_final(status, None)
        assert replies.exhausted(status, None).cause in SERVER_SIDE

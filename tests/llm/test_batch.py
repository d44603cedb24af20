"""An endpoint asked in batches, at a server that fails in every way batches can."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from preceptor.errors import LimitError, PreceptorError, TeacherError
from preceptor.llm import cached, identity_of, open_teacher
from preceptor.llm.batch import api as batch_api
from preceptor.llm.batch import files as batch_files
from preceptor.llm.batch.asking import BatchTeacher
from preceptor.llm.budget import Account
from preceptor.llm.cache import AnswerCache
from preceptor.llm.chat import Answer, Failure
from preceptor.llm.endpoint import EndpointTeacher
from preceptor.llm.ledger import Ledger, total
from preceptor.llm.prices import quote
from preceptor.llm.settings import BatchSettings, EndpointSettings, Limit, Price

from .batch_server import BatchServer, Fate, Fault, Line, answered, batch_server, failed, replied
from .conftest import KEY, ask_for
from .faulty import RESET, Reply

Make = Callable[..., BatchTeacher]
TEXTS = [str(number) for number in range(12)]


@pytest.fixture
def at() -> Iterator[BatchServer]:
    with batch_server() as running:
        yield running


@pytest.fixture
def told(at: BatchServer, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setenv("TEACHER_KEY", KEY)
    return {
        "engine": "endpoint",
        "model": "tutor",
        "base_url": at.url,
        "key_env": "TEACHER_KEY",
        "retries": 2,
        "timeout": 30.0,
    }


@pytest.fixture
def make(told: dict[str, Any], cache: AnswerCache) -> Make:
    """A teacher at the server; keywords change its batches, ``settings`` the rest."""

    def made(most_bytes: int = 10**6, settings: Any = None, **batch: Any) -> BatchTeacher:
        batch = {"least": 1, "poll": 0.05, **batch}
        merged = EndpointSettings(**{**told, **(settings or {}), "batch": batch})
        return BatchTeacher(merged, cache, first_wait=0.02, most_bytes=most_bytes)

    return made


def ask(teacher: EndpointTeacher, texts: list[str] | None = None) -> list[Answer | Failure]:
    return teacher.ask([ask_for(text) for text in texts or TEXTS], "asking")


def texts_of(outcomes: list[Answer | Failure]) -> list[str]:
    return [one.text if isinstance(one, Answer) else one.cause for one in outcomes]


def echoes(texts: list[str]) -> list[str]:
    return [f"echo: {text}" for text in texts]


def left(cache: AnswerCache) -> list[str]:
    """What is still written down of batches."""
    folder = cache.path.parent / "batches"
    return sorted(path.name for path in folder.rglob("*") if path.suffix not in ("", ".lock"))


def test_a_round_is_one_file_and_one_batch(make: Make, at: BatchServer, cache: AnswerCache) -> None:
    teacher = make(settings={"parameters": {"temperature": 0.5}})
    outcomes = teacher.ask([ask_for("a"), ask_for("b\u2028c", seed=3), ask_for("a")], "asking")
    assert texts_of(outcomes) == echoes(["a", "b\u2028c", "a"])
    (batch,) = at.batches.values()
    first, second = at.lines(batch)
    assert first["body"] == {
        "model": "tutor",
        "messages": [{"role": "user", "content": "a"}],
        "temperature": 0.5,
    }
    assert second["body"]["seed"] == 3
    assert (first["method"], first["url"]) == ("POST", "/v1/chat/completions")
    assert len(first["custom_id"]) <= 64
    assert (teacher.usage.calls, teacher.usage.cached, teacher.usage.failed) == (2, 1, 0)
    assert {one["authorization"] for one in at.headers} == {f"Bearer {KEY}"}
    assert left(cache) == []
    assert at.plain == []


def test_switching_batches_on_or_off_pays_nothing_again(
    make: Make, told: dict[str, Any], at: BatchServer, cache: AnswerCache
) -> None:
    plain = EndpointTeacher(EndpointSettings(**told), cache)
    ask(plain, ["a", "b"])
    assert texts_of(ask(make(), ["a", "b", "c"])) == echoes(["a", "b", "c"])
    assert at.asked() == [["c"]]
    assert texts_of(ask(plain, ["c"])) == echoes(["c"])
    assert len(at.plain) == 2
    assert identity_of(EndpointSettings(**told, batch=True)) == identity_of(
        EndpointSettings(**told)
    )


def test_few_requests_are_called_at_once(make: Make, at: BatchServer) -> None:
    assert texts_of(ask(make(least=3), ["a", "b"])) == echoes(["a", "b"])
    assert len(at.plain) == 2
    assert at.batches == {}


def test_what_is_left_of_a_batch_is_called_at_once_where_it_is_little(
    make: Make, at: BatchServer
) -> None:
    at.fates.append(Fate("expired", lambda line: None if "1" in said(line) else answered(line)))
    assert texts_of(ask(make(least=4))) == echoes(TEXTS)
    assert sorted(one["messages"][0]["content"] for one in at.plain) == ["1", "10", "11"]
    assert len(at.batches) == 1


def said(line: Line) -> str:
    content: str = line["body"]["messages"][-1]["content"]
    return content


def test_costs_are_those_of_batches(make: Make, told: dict[str, Any], cache: AnswerCache) -> None:
    price = {"price": {"input": 2.0, "output": 10.0}}
    teacher = make(settings=price)
    ask(teacher, ["a", "b"])
    assert teacher.usage.cost == pytest.approx(2 * (7 * 2 + 3 * 10) / 1e6 / 2)
    opened = open_teacher(EndpointSettings(**told, **price, batch=True), cache.path)
    with opened:
        ask(opened, ["a", "b"])  # type: ignore[arg-type]
        assert opened.usage.cost == pytest.approx(teacher.usage.cost)


PRICED: dict[str, Any] = {"price": {"input": 2.0, "output": 10.0}}
AT_ONCE = (7 * 2 + 3 * 10) / 1e6


def test_what_is_called_at_once_costs_the_full_price(
    told: dict[str, Any], at: BatchServer, cache: AnswerCache, tmp_path: Path
) -> None:
    """12 in a batch, of which 3 come to nothing and are called at once; then 2 at once."""
    at.fates.append(Fate("expired", lambda line: None if "1" in said(line) else answered(line)))
    settings = EndpointSettings(**told, **PRICED, batch={"least": 4, "poll": 0.05})
    ledger = tmp_path / "run" / "gpt.jsonl"
    with opened(settings, cache, ledger) as teacher:
        ask(teacher)
        assert len(at.plain) == 3
        assert teacher.usage.cost == pytest.approx(9 * AT_ONCE / 2 + 3 * AT_ONCE)
        before = teacher.usage
        ask(teacher, ["x", "y"])
        assert (teacher.usage - before).cost == pytest.approx(2 * AT_ONCE)
    cost = 9 * AT_ONCE / 2 + 5 * AT_ONCE
    used, priced = total(ledger), quote(settings)
    assert used is not None
    assert priced is not None
    assert used.priced(priced.price, priced.full).cost == pytest.approx(cost)
    account = Account(priced.price, ledger=Ledger(ledger), full=priced.full)
    assert account.spent.cost == pytest.approx(cost), "a later start of the run knows"


def test_a_limit_of_cost_counts_what_is_called_at_once_in_full(
    told: dict[str, Any], at: BatchServer, cache: AnswerCache, tmp_path: Path
) -> None:
    """Counted at half, 50 calls of 10 tokens would pass; each may take 68 at most."""
    changes = {"price": {"input": 1, "output": 1}, "parameters": {"max_tokens": 20}}
    limit, batch = {"cost": 250 / 1e6}, {"least": 100, "poll": 0.05}
    settings = EndpointSettings(**told, **changes, limit=limit, batch=batch)
    with opened(settings, cache, tmp_path / "gpt.jsonl") as teacher:
        with pytest.raises(LimitError):
            ask(teacher, [f"{number:02}" for number in range(50)])
        assert teacher.usage.cost == pytest.approx(10 * len(at.plain) / 1e6)
    assert 250 - 68 < 10 * len(at.plain) <= 250
    assert at.batches == {}


def test_any_request_of_a_batch_is_set_aside_at_the_full_price() -> None:
    """It may be left over, and called at once."""
    price = Price(input=1, output=1)
    account = Account(price.times(0.5), Limit(cost=1.0), full=price)
    held = account.hold(ask_for("a", max_tokens=20))
    assert held is not None
    assert held.cost == pytest.approx(held.tokens / 1e6)


def opened(settings: EndpointSettings, cache: AnswerCache, ledger: Path) -> BatchTeacher:
    teacher = open_teacher(settings, cache.path, ledger=ledger)
    assert isinstance(teacher, BatchTeacher)
    return teacher


def test_large_rounds_are_cut_into_files(make: Make, at: BatchServer) -> None:
    assert texts_of(ask(make(requests=5))) == echoes(TEXTS)
    assert [len(texts) for texts in at.asked()] == [5, 5, 2]
    assert sorted(at.paid) == sorted(TEXTS)


def test_files_stay_below_the_limit_of_bytes(make: Make, at: BatchServer) -> None:
    outcomes = ask(make(most_bytes=2000), ["a" * 300, "b" * 300, "c" * 3000, "d" * 300, "e" * 300])
    assert [len(text) for text in texts_of(outcomes)] == [306, 306, len("too_long"), 306, 306]
    assert len(at.batches) >= 2
    assert all(len(at.files[one["input_file_id"]]) <= 2000 for one in at.batches.values())


ASKER = """
import json, signal, sys
from pathlib import Path
from preceptor.llm import open_teacher
from preceptor.llm.chat import Message, Request
from preceptor.llm.settings import EndpointSettings
signal.signal(signal.SIGINT, signal.default_int_handler)
settings = EndpointSettings(
    engine="endpoint", model="tutor", base_url=sys.argv[1], key_env=None, timeout=60,
    batch={"least": 1, "poll": 0.05, "requests": int(sys.argv[3])},
)
with open_teacher(settings, Path(sys.argv[2])) as teacher:
    requests = [Request((Message("user", str(n)),)) for n in range(12)]
    answers = teacher.ask(requests, "asking")
print(json.dumps([one.text for one in answers]), flush=True)
"""


def started(at: BatchServer, cache: AnswerCache, requests: int = 50) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", ASKER, at.url, str(cache.path), str(requests)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < until, "it did not come to that"
        time.sleep(0.01)


STALL = Reply(wait=60)


@pytest.mark.parametrize(
    ("route", "fault"),
    [
        ("POST /files", Fault(STALL)),
        ("POST /files", Fault(STALL, acts=True)),
        ("POST /batches", Fault(STALL)),
        ("POST /batches", Fault(STALL, acts=True)),
        ("GET /batches/ID", Fault(STALL, acts=True)),
        ("GET /files/ID/content", Fault(STALL)),
    ],
)
def test_a_killed_run_continues_with_the_same_batch(
    at: BatchServer, cache: AnswerCache, route: str, fault: Fault
) -> None:
    at.faults[route].append(fault)
    first = started(at, cache)
    wait_for(lambda: route in at.routes)
    os.kill(first.pid, signal.SIGKILL)
    first.communicate()
    file = at.keep(b"")["id"]
    for _ in range(3):
        # Batches of others, newer than ours: it is found behind them.
        at.create({"input_file_id": file, "endpoint": "/v1/chat/completions",
                   "completion_window": "24h"})  # fmt: skip
    again = started(at, cache)
    out, err = again.communicate(timeout=300)
    assert json.loads(out) == echoes(TEXTS), err
    assert [texts for texts in at.asked() if texts] == [TEXTS]
    assert sorted(at.paid) == sorted(TEXTS)
    assert left(cache) == []


def test_a_run_killed_between_batches_submits_the_rest_alone(
    at: BatchServer, cache: AnswerCache
) -> None:
    at.faults["POST /batches"].extend([Fault(Reply(500)), Fault(STALL)])
    first = started(at, cache, requests=4)
    wait_for(lambda: at.routes.count("POST /batches") == 2)
    os.kill(first.pid, signal.SIGKILL)
    first.communicate()
    out, err = started(at, cache, requests=4).communicate(timeout=300)
    assert json.loads(out) == echoes(TEXTS), err
    assert sorted(at.paid) == sorted(TEXTS)
    assert len(at.batches) == 3


def test_ctrl_c_leaves_the_batch_and_says_so(at: BatchServer, cache: AnswerCache) -> None:
    at.hold = True
    first = started(at, cache)
    wait_for(lambda: at.routes.count("GET /batches/ID") >= 2)
    first.send_signal(signal.SIGINT)
    _, err = first.communicate(timeout=120)
    assert first.returncode != 0
    assert "batch batch_0 (12 requests) goes on at http://127.0.0.1" in err
    assert "the same command collects its answers" in err
    at.hold = False
    out, err = started(at, cache).communicate(timeout=300)
    assert json.loads(out) == echoes(TEXTS), err
    assert len(at.batches) == 1


def test_two_processes_share_a_batch(at: BatchServer, cache: AnswerCache) -> None:
    at.hold = True
    both = [started(at, cache), started(at, cache)]
    wait_for(lambda: at.routes.count("GET /batches/ID") >= 4)
    time.sleep(1.0)
    at.hold = False
    for one in both:
        out, err = one.communicate(timeout=300)
        assert json.loads(out) == echoes(TEXTS), err
    assert len(at.batches) == 1
    assert left(cache) == []


def test_what_a_stopped_run_asked_for_is_kept_for_whoever_wants_it(
    make: Make, at: BatchServer, cache: AnswerCache
) -> None:
    teacher = make()
    at.faults["GET /batches/ID"].append(Fault(Reply(401)))
    with pytest.raises(TeacherError):
        ask(teacher)
    assert texts_of(ask(make(), ["3"])) == echoes(["3"])
    outcomes = ask(make())
    assert texts_of(outcomes) == echoes(TEXTS)
    assert all(isinstance(one, Answer) and one.cached for one in outcomes)
    assert len(at.batches) == 1
    asked = [row for row in cache_rows(cache) if row["messages"][0]["content"] == "7"]
    assert asked == [
        {
            "messages": [{"role": "user", "content": "7"}],
            "parameters": {"temperature": 1.0, "max_tokens": 512},
            "sample": 0,
        }
    ]


def cache_rows(cache: AnswerCache) -> list[dict[str, Any]]:
    with cache._told() as connection:
        return [json.loads(one) for (one,) in connection.execute("SELECT request FROM answers")]


def test_rows_fail_as_calls_do(make: Make, at: BatchServer) -> None:
    fates: dict[str, Callable[[Line], Any]] = {
        "1": lambda line: answered(line, "half", finish="length"),
        "2": lambda line: answered(line, ""),
        "3": lambda line: replied(line, 400, {"error": {"message": "x", "code": "content_filter"}}),
        "4": lambda line: replied(line, 400, {"error": {"message": "maximum context length is 8"}}),
        "5": lambda line: replied(line, 400, {"error": {"message": "not this one"}}),
        "6": lambda line: failed(line, "content_filter"),
    }
    at.fates.append(Fate(row=lambda line: fates.get(said(line), answered)(line)))
    teacher = make()
    outcomes = ask(teacher)
    assert texts_of(outcomes) == [
        "echo: 0", "truncated", "empty", "refused", "too_long", "bad_request", "refused",
        *echoes(TEXTS[7:]),
    ]  # fmt: skip
    assert outcomes[1] == Failure("truncated", "half", 7, 3)
    assert outcomes[5] == Failure("bad_request", "status 400: not this one")
    assert len(at.batches) == 1
    assert teacher.usage.calls == 12


PASSING: list[Callable[[Line], Any]] = [
    lambda line: None,
    lambda line: failed(line, "batch_expired"),
    lambda line: failed(line, "internal_error"),
    lambda line: replied(line, 500, {"error": {"message": "oops"}}),
    lambda line: replied(line, 429, {"error": {"message": "too fast"}}),
    lambda line: replied(line, 0, None),
    lambda line: replied(line, 200, {"choices": []}),
    lambda line: json.dumps(answered(line))[:-30],
    lambda line: '{"custom_id": 7}\n\n[]\nnull',
    lambda line: json.dumps(answered(line)).replace("echo", "\\ud83d"),
]


@pytest.mark.parametrize("row", PASSING)
def test_rows_that_may_yet_be_answered_go_into_the_next_batch(
    make: Make, at: BatchServer, row: Callable[[Line], Any]
) -> None:
    at.fates.append(Fate(row=lambda line: row(line) if said(line) in "24" else answered(line)))
    teacher = make()
    assert texts_of(ask(teacher)) == echoes(TEXTS)
    assert at.asked() == [TEXTS, ["2", "4"]]
    assert teacher.usage.calls == 12


@pytest.mark.parametrize(
    ("row", "cause"),
    zip(
        PASSING,
        ["server_error", "timeout", "server_error", "server_error", "rate_limited",
         "server_error", "malformed", "malformed", "malformed", "malformed"],
        strict=True,
    ),
)  # fmt: skip
def test_rows_that_never_are_answered_end_as_failures(
    make: Make, at: BatchServer, row: Callable[[Line], Any], cause: str
) -> None:
    fate = Fate(row=lambda line: row(line) if said(line) == "2" else answered(line))
    at.fates.extend([fate] * 3)
    outcomes = ask(make())
    assert texts_of(outcomes) == ["echo: 0", "echo: 1", cause, *echoes(TEXTS[3:])]
    assert isinstance(outcomes[2], Failure)
    assert outcomes[2].detail
    assert at.asked() == [TEXTS, ["2"], ["2"]]


def test_an_expired_batch_gives_what_it_has(make: Make, at: BatchServer) -> None:
    at.fates.append(Fate("expired", lambda line: answered(line) if said(line) < "5" else None))
    assert texts_of(ask(make())) == echoes(TEXTS)
    assert sorted(at.paid) == sorted(TEXTS)


def test_a_row_that_comes_twice_counts_once(make: Make, at: BatchServer) -> None:
    at.fates.append(
        Fate(row=lambda line: "\n".join([json.dumps(answered(line, "one")),
                                         json.dumps(answered(line, "two"))]))
    )  # fmt: skip
    teacher = make()
    assert set(texts_of(ask(teacher))) == {"one"}
    assert teacher.usage.calls == 12


def test_a_row_that_was_not_asked_for_is_passed_over(make: Make, at: BatchServer) -> None:
    alien = json.dumps(answered({"custom_id": "0" * 64, "body": {}}, "alien"))
    at.fates.append(Fate(row=lambda line: f"{alien}\n{json.dumps(answered(line))}"))
    assert texts_of(ask(make())) == echoes(TEXTS)


def test_broken_bytes_are_no_answer(make: Make, at: BatchServer) -> None:
    teacher = make()
    at.fates.append(Fate(row=lambda line: answered(line, "naïve ©")))
    end = at.end

    def break_one(batch: dict[str, Any]) -> None:
        end(batch)
        if len(at.batches) == 1:
            output = at.files[batch["output_file_id"]]
            at.files[batch["output_file_id"]] = output.replace("ï".encode(), b"\xc3", 1)

    at.end = break_one  # type: ignore[method-assign]
    assert texts_of(ask(teacher)) == ["naïve ©"] * 11 + ["echo: 11"]


def test_a_cancelled_batch_is_not_asked_again_by_itself(make: Make, at: BatchServer) -> None:
    at.fates.append(Fate("cancelled", lambda line: answered(line) if said(line) < "5" else None))
    with pytest.raises(TeacherError, match="batch_0 was cancelled"):
        ask(make())
    assert texts_of(ask(make())) == echoes(TEXTS)
    assert sorted(at.paid) == sorted(TEXTS)


def test_a_batch_that_is_not_taken_is_told(make: Make, at: BatchServer, cache: AnswerCache) -> None:
    errors = [{"code": "model_not_found", "message": "no batches for tutor", "line": None}]
    at.fates.append(Fate("failed", errors=errors))
    with pytest.raises(TeacherError, match="model_not_found: no batches for tutor"):
        ask(make())
    assert left(cache) == []
    assert texts_of(ask(make())) == echoes(TEXTS)


FULL = Fate("failed", errors=[{"code": "token_limit_exceeded", "message": "Enqueued token limit"}])


def test_a_full_queue_is_waited_for(make: Make, at: BatchServer) -> None:
    at.fates.extend([Fate(), FULL])
    assert texts_of(ask(make(requests=6))) == echoes(TEXTS)
    assert at.asked() == [TEXTS[:6], TEXTS[6:], TEXTS[6:]]


def test_lots_get_smaller_until_they_fit_the_queue(make: Make, at: BatchServer) -> None:
    at.fates.extend([FULL, FULL])
    assert texts_of(ask(make())) == echoes(TEXTS)
    assert [len(texts) for texts in at.asked()] == [12, 6, 3, 3, 3, 3]
    at.fates.extend([FULL] * 9)
    with pytest.raises(TeacherError, match="Enqueued token limit"):
        ask(make(), ["x", "y", "z"])


def test_a_parameter_that_rows_are_refused_for_is_learned(make: Make, at: BatchServer) -> None:
    error = {
        "message": "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.",
        "param": "max_tokens",
        "code": "unsupported_parameter",
    }
    at.fates.append(Fate(row=lambda line: replied(line, 400, {"error": error})))
    teacher = make()
    assert texts_of(ask(teacher)) == echoes(TEXTS)
    _, second = at.batches.values()
    assert at.lines(second)[0]["body"]["max_completion_tokens"] == 512
    assert "max_tokens" not in at.lines(second)[0]["body"]
    assert "max_completion_tokens" in str(teacher.notes)
    assert texts_of(ask(make())) == echoes(TEXTS)
    assert len(at.batches) == 2


@pytest.mark.parametrize(
    ("status", "words"), [(400, "I cannot"), (401, "key_env"), (404, "base_url")]
)
def test_a_refusal_of_all_rows_ends_the_run(
    make: Make, at: BatchServer, cache: AnswerCache, status: int, words: str
) -> None:
    body = {"error": {"message": f"I cannot with {KEY}"}}
    at.fates.append(Fate(row=lambda line: replied(line, status, body)))
    with pytest.raises(TeacherError) as caught:
        ask(make())
    assert words in str(caught.value)
    assert KEY not in str(caught.value)
    assert left(cache) == []
    assert len(at.batches) == 1


def test_too_many_failures_end_the_run(make: Make, at: BatchServer) -> None:
    at.fates.append(Fate(row=lambda line: failed(line, "internal_error")))
    with pytest.raises(TeacherError, match="max_failures"):
        ask(make(tries=1), [str(number) for number in range(30)])


@pytest.mark.parametrize("route", ["POST /files", "POST /batches"])
@pytest.mark.parametrize(
    "reply",
    [
        Reply(429, '{"error": {"message": "too fast"}}', {"Retry-After": "0"}),
        Reply(503),
        RESET,
        Reply(200, '{"id": '),
        Reply(200, "<html>", content_type="text/html"),
    ],
)
@pytest.mark.parametrize("acts", [False, True])
def test_a_submission_that_fails_in_passing_is_made_again(
    make: Make, at: BatchServer, route: str, reply: Reply, acts: bool
) -> None:
    at.faults[route].extend([Fault(reply, acts), Fault(reply)])
    assert texts_of(ask(make())) == echoes(TEXTS)
    assert len(at.batches) == 1, "a batch that was made all the same must be found"


def test_a_submission_that_goes_on_failing_is_continued_by_the_next_run(
    make: Make, at: BatchServer
) -> None:
    at.faults["POST /batches"].append(Fault(RESET, acts=True))
    at.faults["GET /batches"].extend([Fault(Reply(500))] * 2)
    with pytest.raises(TeacherError, match="does not answer, after 3 tries"):
        ask(make())
    assert texts_of(ask(make())) == echoes(TEXTS)
    assert len(at.batches) == 1


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (Reply(429, '{"error": {"message": "no", "code": "insufficient_quota"}}'), "quota"),
        (Reply(404, '{"error": {"message": "no such path"}}'), "leave out the teacher's batch"),
        (Reply(401, '{"error": {"message": "bad key ' + KEY + '"}}'), r"bad key \*\*\*"),
        (Reply(307, "", {"Location": "http://127.0.0.1:9/v1/files"}), "another address"),
    ],
)
@pytest.mark.parametrize("route", ["POST /files", "POST /batches"])
def test_a_refusal_is_told_at_once_and_leaves_nothing(
    make: Make, at: BatchServer, cache: AnswerCache, route: str, reply: Reply, words: str
) -> None:
    at.faults[route].append(Fault(reply))
    with pytest.raises(TeacherError, match=words):
        ask(make())
    assert at.routes.count(route) == 1
    assert left(cache) == []


def test_a_very_long_retry_after_is_left_to_the_user(make: Make, at: BatchServer) -> None:
    at.faults["POST /batches"].append(Fault(Reply(429, "{}", {"Retry-After": "86400"})))
    with pytest.raises(TeacherError, match="asks to wait 86400 seconds"):
        ask(make())
    assert texts_of(ask(make())) == echoes(TEXTS)
    assert len(at.batches) == 1


@pytest.mark.parametrize("route", ["GET /batches/ID", "GET /files/ID/content"])
def test_a_server_that_is_away_while_it_works_is_waited_for(
    make: Make, at: BatchServer, monkeypatch: pytest.MonkeyPatch, route: str
) -> None:
    at.faults[route].extend([Fault(Reply(500)), Fault(RESET), Fault(RESET), Fault(Reply(502))])
    assert texts_of(ask(make())) == echoes(TEXTS)
    monkeypatch.setattr(batch_api, "PATIENCE", 0.0)
    at.faults[route].extend([Fault(Reply(500))] * 3)
    with pytest.raises(TeacherError, match="batches that the server has go on there"):
        ask(make(), ["x", "y"])
    assert texts_of(ask(make(), ["x", "y"])) == echoes(["x", "y"])
    assert len(at.batches) == 2


def test_an_answer_file_that_breaks_off_is_fetched_again(make: Make, at: BatchServer) -> None:
    at.faults["GET /files/ID/content"].append(Fault(acts=True, cut=True))
    assert texts_of(ask(make())) == echoes(TEXTS)
    assert at.routes.count("GET /files/ID/content") == 2
    assert len(at.batches) == 1


def test_a_batch_that_the_server_no_longer_tells_of_is_named_with_its_file(
    make: Make, at: BatchServer, cache: AnswerCache
) -> None:
    at.faults["GET /batches/ID"].append(Fault(Reply(404)))
    with pytest.raises(TeacherError, match=r"does not tell of batch batch_0") as caught:
        ask(make())
    (record,) = (cache.path.parent / "batches").rglob("*.json")
    assert str(record) in str(caught.value)
    record.unlink()
    assert texts_of(ask(make())) == echoes(TEXTS)
    assert len(at.batches) == 2


def test_a_damaged_record_is_told(make: Make, at: BatchServer, cache: AnswerCache) -> None:
    at.faults["GET /batches/ID"].append(Fault(Reply(401)))
    with pytest.raises(TeacherError):
        ask(make())
    (record,) = (cache.path.parent / "batches").rglob("*.json")
    record.write_text('{"tag": "x"')
    with pytest.raises(PreceptorError, match="record of a batch is damaged"):
        ask(make())


def test_records_are_forgotten_when_the_server_has_forgotten_the_batch(
    make: Make, at: BatchServer, cache: AnswerCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    at.faults["GET /batches/ID"].append(Fault(Reply(401)))
    with pytest.raises(TeacherError):
        ask(make())
    monkeypatch.setattr(batch_files, "KEPT_FOR", -1.0)
    folder = batch_files.BatchFolder(cache.path.parent / "batches", at.url, "tutor")
    assert folder.pending() == []
    assert left(cache) == []


def test_a_limit_of_calls_bounds_a_batch(make: Make, at: BatchServer) -> None:
    teacher = make()
    teacher.charge(Account(limit=Limit(calls=5)))
    with pytest.raises(LimitError):
        ask(teacher)
    assert at.asked() == [TEXTS[:5]]
    assert texts_of(ask(make())) == echoes(TEXTS)
    assert at.asked() == [TEXTS[:5], TEXTS[5:]]


def test_the_bar_follows_the_servers_counts(
    make: Make, at: BatchServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    moves: list[float] = []

    @contextmanager
    def bar(label: str, total: float) -> Iterator[Callable[..., None]]:
        yield lambda amount=1, note="": moves.append(amount)

    monkeypatch.setattr(cached, "bar", bar)
    ask(make())
    assert 6 in moves, "half of the batch is through at the first look"
    assert sum(moves) == 12


def test_what_is_written_down_is_for_the_user_alone(
    make: Make, at: BatchServer, cache: AnswerCache
) -> None:
    at.faults["GET /batches/ID"].append(Fault(Reply(401, f"no {KEY}")))
    with pytest.raises(TeacherError):
        ask(make())
    folder = cache.path.parent / "batches"
    written = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    assert b'"content": "7"' in written
    assert KEY.encode() not in written
    (inner,) = folder.iterdir()
    assert stat.S_IMODE(inner.stat().st_mode) == 0o700


def test_batches_of_another_model_are_left_alone(make: Make, at: BatchServer) -> None:
    at.faults["GET /batches/ID"].append(Fault(Reply(401)))
    with pytest.raises(TeacherError):
        ask(make(settings={"model": "another"}))
    assert texts_of(ask(make())) == echoes(TEXTS)
    assert [batch["status"] for batch in at.batches.values()] == ["validating", "completed"]


def test_true_and_false_are_short_for_the_usual() -> None:
    told = {"engine": "endpoint", "model": "m"}
    assert EndpointSettings.model_validate({**told, "batch": True}).batch == BatchSettings()
    assert EndpointSettings.model_validate({**told, "batch": False}).batch is None
    assert EndpointSettings.model_validate(told).batch is None
    for wrong in ({"poll": 0}, {"requests": 50_001}, {"tries": 0}, {"speed": 1}):
        with pytest.raises(ValidationError):
            EndpointSettings.model_validate({**told, "batch": wrong})

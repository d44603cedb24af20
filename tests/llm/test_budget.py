"""A limit stops calls before it is passed, keeps all answers, and can be raised to continue."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from preceptor.errors import LimitError, TeacherError
from preceptor.llm import open_teacher
from preceptor.llm.cached import CachedTeacher
from preceptor.llm.chat import Answer, Failure, Usage
from preceptor.llm.ledger import Ledger, read, total
from preceptor.llm.settings import EndpointSettings

from .conftest import ask_for
from .faulty import FaultyServer, Reply, completion

REQUESTS = [ask_for(f"row {number:02}") for number in range(40)]


class Place:
    """A run folder's ledger and a cache, and teachers that use them as a run does."""

    def __init__(self, folder: Path, server: FaultyServer) -> None:
        self.ledger = folder / "run" / "spent" / "gpt.jsonl"
        self.cache = folder / "answers.sqlite"
        self.server = server

    def teacher(self, **changes: Any) -> CachedTeacher:
        told = {"engine": "endpoint", "model": "tutor", "base_url": self.server.url}
        settings = EndpointSettings(**told, key_env=None, concurrency=4, **changes)
        teacher = open_teacher(settings, self.cache, name="gpt", ledger=self.ledger)
        assert isinstance(teacher, CachedTeacher)
        return teacher


@pytest.fixture
def place(tmp_path: Path, server: FaultyServer) -> Place:
    return Place(tmp_path, server)


def test_calls_stop_at_the_limit_and_go_on_when_it_is_raised(place: Place) -> None:
    place.server.always = Reply(wait=0.01)
    with place.teacher(limit={"calls": 15}) as teacher, pytest.raises(LimitError) as stopped:
        teacher.ask(REQUESTS, "asking")
    words = str(stopped.value)
    assert "calls: 15" in words
    assert "15 calls, 150 tokens in this run" in words
    assert "teachers.gpt.limit.calls" in words
    assert place.server.calls == 15
    with place.teacher(limit={"calls": 15}) as again, pytest.raises(LimitError):
        again.ask(REQUESTS, "asking")
    assert place.server.calls == 15, "an earlier start of the run counts"
    with place.teacher(limit={"calls": 40}) as raised:
        answers = raised.ask(REQUESTS, "asking")
        assert (raised.usage.calls, raised.usage.cached) == (25, 15)
    assert place.server.calls == 40, "what was received is kept"
    texts = [one.text for one in answers if isinstance(one, Answer)]
    assert texts == [f"echo: row {number:02}" for number in range(40)]


def test_a_limit_that_is_just_enough_is_no_hindrance(place: Place) -> None:
    with place.teacher(limit={"calls": 40}) as teacher:
        assert len(teacher.ask(REQUESTS, "asking")) == 40
        assert len(teacher.ask(REQUESTS, "what is kept is free")) == 40
        with pytest.raises(LimitError):
            teacher.ask([ask_for("one more")], "asking")
    assert place.server.calls == 40


@pytest.mark.parametrize("limit", [{"tokens": 150}, {"cost": 150 / 1e6}])
def test_a_limit_of_tokens_or_cost_is_used_up_and_never_passed(
    place: Place, limit: dict[str, float]
) -> None:
    """10 tokens are told of each call; far more is possible, and set aside while it runs."""
    place.server.always = Reply(wait=0.01)
    changes = {"parameters": {"max_tokens": 20}, "price": {"input": 1, "output": 1}}
    with place.teacher(limit=limit, **changes) as teacher, pytest.raises(LimitError) as stopped:
        teacher.ask(REQUESTS, "asking")
    most = len(b"row 00") + 2 * 16 + 20
    assert 150 - most < 10 * place.server.calls <= 150
    (name,) = limit
    assert f"teachers.gpt.limit.{name}" in str(stopped.value)
    assert place.server.most_running <= 2, "no call starts that could pass the limit"


def test_the_first_call_that_could_pass_it_is_not_made(place: Place) -> None:
    changes = {"parameters": {"max_tokens": 200}, "limit": {"tokens": 100}}
    with place.teacher(**changes) as teacher, pytest.raises(LimitError, match="0 calls"):
        teacher.ask(REQUESTS, "asking")
    assert place.server.calls == 0


def test_calls_in_flight_are_finished_and_kept(place: Place) -> None:
    place.server.always = Reply(wait=0.2)
    with place.teacher(limit={"calls": 3}) as teacher, pytest.raises(LimitError):
        teacher.ask(REQUESTS, "asking")
    assert place.server.calls == 3
    with place.teacher() as again:
        again.ask(REQUESTS[:3], "asking")
        assert (again.usage.calls, again.usage.cached) == (0, 3)


def test_failed_calls_count_too(place: Place) -> None:
    place.server.always = Reply(body=completion("half", "length"))
    with place.teacher(limit={"calls": 5}) as teacher, pytest.raises(LimitError):
        teacher.ask(REQUESTS, "asking")
    assert place.server.calls == 5
    told = total(place.ledger)
    assert told == Usage(calls=5, failed=5, prompt_tokens=35, completion_tokens=15)


def test_a_limit_of_cost_needs_a_price(place: Place) -> None:
    with pytest.raises(TeacherError, match=r"teachers\.gpt\.limit\.cost"):
        place.teacher(limit={"cost": 1.0})


@pytest.mark.parametrize("limit", [{"tokens": 9}, {"cost": 1.0}])
def test_a_limit_of_tokens_or_cost_needs_a_bound_to_each_answer(limit: dict[str, float]) -> None:
    told: dict[str, Any] = {"engine": "endpoint", "model": "m", "price": {"input": 1, "output": 1}}
    with pytest.raises(ValidationError, match="max_completion_tokens"):
        EndpointSettings(**told, parameters={"temperature": 1.0}, limit=limit)
    for name in ("max_tokens", "max_completion_tokens"):
        EndpointSettings(**told, parameters={name: 5}, limit=limit)


@pytest.mark.parametrize("limit", [{"calls": 0}, {"tokens": -1}, {"cost": 0}, {"rows": 3}])
def test_a_limit_that_means_nothing_is_refused(limit: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        EndpointSettings(engine="endpoint", model="m", limit=limit)  # type: ignore[arg-type]


def test_an_answer_counts_once_in_a_run_however_often_it_is_used(place: Place) -> None:
    with place.teacher() as first:
        first.ask(REQUESTS[:10], "one arm")
        before = first.usage
        first.ask(REQUESTS[5:15], "another arm")
        assert (first.usage - before).prompt_tokens == 70, "what the other arm uses"
    with place.teacher() as continued:
        continued.ask(REQUESTS[:15], "asking")
    assert total(place.ledger) == Usage(calls=15, prompt_tokens=105, completion_tokens=45)


def test_what_another_run_paid_is_told_apart(place: Place, tmp_path: Path) -> None:
    with place.teacher() as first:
        first.ask(REQUESTS[:10], "asking")
    other = Place(tmp_path, place.server)
    other.ledger = tmp_path / "other" / "spent" / "gpt.jsonl"
    with other.teacher(limit={"calls": 2}) as second:
        second.ask(REQUESTS[:12], "asking")
    assert total(other.ledger) == Usage(
        calls=2,
        cached=10,
        prompt_tokens=84,
        completion_tokens=36,
        cached_prompt_tokens=70,
        cached_completion_tokens=30,
    )


def test_a_line_that_was_cut_off_is_dropped(tmp_path: Path) -> None:
    path = tmp_path / "spent" / "gpt.jsonl"
    ledger = Ledger(path)
    ledger.pay("a" * 64, Answer("x", 5, 1, 0.1, cached=False))
    ledger.close()
    with path.open("ab") as file:
        file.write(b'{"key": "bbbb')
    again = Ledger(path)
    assert again.paid["calls"] == 1
    again.pay("c" * 64, Failure("timeout", "late"))
    again.close()
    assert [line["key"][0] for line in read(path)] == ["a", "c"]
    assert path.read_bytes().count(b"\n") == len(path.read_bytes().splitlines()) == 2


def test_the_ledger_holds_no_text(place: Place) -> None:
    with place.teacher() as teacher:
        teacher.ask(REQUESTS, "asking")
    lines = place.ledger.read_text().splitlines()
    assert len(lines) == 40
    assert set(json.loads(lines[0])) == {
        "key", "paid", "prompt_tokens", "completion_tokens", "failure", "full_price"
    }  # fmt: skip
    assert "row" not in place.ledger.read_text()

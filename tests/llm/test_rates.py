"""Requests and tokens a minute, in any minute."""

from __future__ import annotations

import time
from functools import partial

import pytest

from preceptor.llm.calls.rates import UNKNOWN_ANSWER, WINDOW, Rates, Spent
from preceptor.llm.chat import Answer, Message, Request

from .conftest import MakeTeacher, ask_for
from .faulty import FaultyServer, Reply, error


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def send_as_early_as_allowed(rates: Rates, clock: Clock, tokens: list[int]) -> list[float]:
    times = []
    for one in tokens:
        while (wait := rates.wait(one)) > 0:
            clock.now += wait
        rates.start(one)
        times.append(clock.now)
        clock.now += 0.7
    return times


def test_no_window_holds_more_requests_than_allowed() -> None:
    clock = Clock()
    times = send_as_early_as_allowed(Rates(5, None, clock=clock), clock, [0] * 42)
    assert all(later - time >= WINDOW for time, later in zip(times, times[5:], strict=False))
    assert times[-1] - times[0] < WINDOW * 9, "and no time is lost"


def test_no_window_holds_more_tokens_than_allowed() -> None:
    clock = Clock()
    tokens = [300, 900, 100, 500, 500, 20, 20, 1000, 1, 999] * 4
    times = send_as_early_as_allowed(Rates(None, 1000, clock=clock), clock, tokens)
    for start in times:
        sent = zip(times, tokens, strict=True)
        assert sum(one for at, one in sent if start <= at < start + WINDOW) <= 1000
    assert times[-1] - times[0] < WINDOW * sum(tokens) / 500


def test_both_limits_hold_together() -> None:
    clock = Clock()
    rates = Rates(2, 1000, clock=clock)
    times = send_as_early_as_allowed(rates, clock, [10, 10, 10, 995])
    assert times[1] - times[0] == pytest.approx(0.7)
    assert times[2] - times[0] == pytest.approx(WINDOW)
    # The fourth waits for tokens, not for its turn alone.
    assert times[3] - times[2] >= WINDOW


def test_what_the_server_counted_takes_the_place_of_the_estimate() -> None:
    clock = Clock()
    rates = Rates(None, 1000, clock=clock)
    first = rates.start(900)
    assert rates.wait(200) == pytest.approx(WINDOW)
    rates.told(first, 100, 50)
    assert rates.wait(200) == 0
    second = rates.start(200)
    rates.told(second, 900, 600)
    assert rates.wait(1) == pytest.approx(WINDOW)


def test_a_server_that_tells_nothing_leaves_the_estimate() -> None:
    rates = Rates(None, 1000, clock=Clock())
    rates.told(rates.start(900), 0, 0)
    assert rates.wait(200) > 0


def test_an_answer_that_comes_after_its_window_changes_nothing() -> None:
    clock = Clock()
    rates = Rates(None, 1000, clock=clock)
    late = rates.start(900)
    clock.now += WINDOW
    assert rates.wait(1000) == 0
    rates.told(late, 5000, 5000)
    assert rates.wait(1000) == 0
    rates.start(1000)
    assert rates.wait(1) == pytest.approx(WINDOW)


def test_a_call_above_the_limit_goes_alone() -> None:
    clock = Clock()
    rates = Rates(None, 100, clock=clock)
    rates.start(10)
    assert rates.wait(5000) == pytest.approx(WINDOW)
    clock.now += WINDOW
    assert rates.wait(5000) == 0
    rates.start(5000)
    assert rates.wait(1) == pytest.approx(WINDOW)


def test_tokens_are_estimated_from_characters_and_the_cap_or_the_mean_answer() -> None:
    rates = Rates(None, 10_000, clock=Clock())
    request = Request((Message("system", "x" * 100), Message("user", "y" * 300)))
    assert rates.estimate(request, {"max_tokens": 50}) == 150
    assert rates.estimate(request, {"max_completion_tokens": 60}) == 160
    assert rates.estimate(request, {}) == 100 + UNKNOWN_ANSWER
    rates.told(rates.start(0), 90, 10)
    rates.told(rates.start(0), 90, 30)
    assert rates.estimate(request, {}) == 120
    assert rates.estimate(request, {"max_tokens": 50}) == 150


def test_without_limits_nothing_waits_and_nothing_is_kept() -> None:
    rates = Rates(None, None)
    for _ in range(1000):
        assert rates.wait(10**9) == 0
        rates.told(rates.start(10**9), 5, 5)
    assert not rates._spent


def test_requests_per_minute_are_honoured_over_batches_and_retries(
    make_teacher: MakeTeacher, server: FaultyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    times: list[float] = []

    class Watched(Rates):
        def start(self, tokens: int) -> Spent:
            times.append(time.monotonic())
            return super().start(tokens)

    monkeypatch.setattr("preceptor.llm.endpoint.Rates", partial(Watched, window=0.5))
    teacher = make_teacher(requests_per_minute=4)
    server.replies.extend([Reply(), error(500, "oops")])
    answers = teacher.ask([ask_for(str(number)) for number in range(6)], "asking")
    answers += teacher.ask([ask_for(str(number)) for number in range(6, 11)], "asking")
    assert all(isinstance(one, Answer) for one in answers)
    assert server.calls == len(times) == 12
    assert min(late - early for early, late in zip(times, times[4:], strict=False)) > 0.49
    # The way to the server takes not always equally long.
    assert server.times[-1] - server.times[0] > 0.8


def test_tokens_per_minute_are_honoured(
    make_teacher: MakeTeacher, server: FaultyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("preceptor.llm.endpoint.Rates", partial(Rates, window=0.5))
    monkeypatch.setattr("preceptor.llm.calls.line.LOOK_AGAIN", 0.02)
    # An estimate of some 41 tokens each lets two in; the 10 that the server tells let 6 in.
    teacher = make_teacher(tokens_per_minute=99, parameters={"max_tokens": 40})
    server.always = Reply(wait=0.05)
    teacher.ask([ask_for(f"text{number}") for number in range(8)], "asking")
    assert server.most_running <= 2
    assert server.times[-1] - server.times[0] > 0.3

"""Slots for calls: fewer while the server has enough, more again as it goes well."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from typing import Any

import pytest

from preceptor.llm.calls.line import FREE_TRIES
from preceptor.llm.calls.throttle import ENOUGH, Throttle
from preceptor.llm.chat import Answer, Failure

from .conftest import MakeTeacher, ask_for
from .faulty import BUSY, FaultyServer, Reply, refuses, takes_at_most


def go_well(throttle: Throttle, calls: int, seconds: float = 1.0, tokens: int = 100) -> None:
    for _ in range(calls):
        throttle.went_well(throttle.halvings, seconds, tokens)


def test_a_burst_of_refusals_halves_once() -> None:
    throttle = Throttle(50)
    for _ in range(49):
        throttle.was_busy(0)
    assert throttle.limit == 25
    throttle.was_busy(1)
    assert throttle.limit == 12
    for halvings in range(2, 9):
        throttle.was_busy(halvings)
    assert throttle.limit == 1


def test_it_grows_by_one_after_each_good_window_up_to_its_start() -> None:
    throttle = Throttle(4)
    throttle.was_busy(0)
    assert throttle.limit == 2
    go_well(throttle, 1)
    assert throttle.limit == 2
    go_well(throttle, 1)
    assert throttle.limit == 3
    go_well(throttle, 3)
    assert throttle.limit == 4
    go_well(throttle, 50)
    assert throttle.limit == 4


def test_calls_from_before_a_halving_say_nothing_of_what_came_after() -> None:
    throttle = Throttle(8)
    throttle.was_busy(0)
    for _ in range(100):
        throttle.went_well(0, 1.0, 100)
        throttle.timed_out(0)
    assert throttle.limit == 4


def test_it_halves_as_answers_of_one_length_take_longer() -> None:
    throttle = Throttle(8)
    go_well(throttle, ENOUGH, seconds=1.0)
    go_well(throttle, ENOUGH, seconds=2.9)
    assert throttle.halvings == 0
    go_well(throttle, ENOUGH - 1, seconds=3.1)
    assert throttle.halvings == 0
    go_well(throttle, 1, seconds=3.1)
    assert (throttle.halvings, throttle.limit) == (1, 4)


def test_long_answers_are_not_taken_for_trouble() -> None:
    throttle = Throttle(8)
    for turn in range(200):
        length = 2 ** (turn % 12)
        go_well(throttle, 1, seconds=0.5 + 0.05 * length, tokens=length)
    go_well(throttle, 60, seconds=100.0, tokens=2000)
    assert throttle.halvings == 0


def test_a_few_slow_calls_are_not_taken_for_trouble() -> None:
    throttle = Throttle(8)
    for turn in range(400):
        go_well(throttle, 1, seconds=60.0 if turn % 5 == 0 else 1.0)
    assert throttle.halvings == 0


def test_jitter_below_a_second_is_not_taken_for_trouble() -> None:
    throttle = Throttle(8)
    go_well(throttle, ENOUGH, seconds=0.05)
    go_well(throttle, 10 * ENOUGH, seconds=0.9)
    assert throttle.halvings == 0


def test_a_server_that_is_slow_for_another_reason_costs_one_halving() -> None:
    throttle = Throttle(32)
    go_well(throttle, 32, seconds=1.0)
    go_well(throttle, 32, seconds=4.0)
    assert (throttle.halvings, throttle.limit) == (1, 16)
    go_well(throttle, 2000, seconds=4.0)
    assert (throttle.halvings, throttle.limit) == (1, 32)


def test_timeouts_halve_where_they_are_many() -> None:
    throttle = Throttle(32)
    for _ in range(20):
        throttle.timed_out(0)
        go_well(throttle, 32)
    assert throttle.halvings == 0
    for _ in range(8):
        throttle.timed_out(0)
    assert throttle.limit == 16


def test_one_that_does_not_adapt_stays_as_it_is() -> None:
    throttle = Throttle(8, adapts=False)
    throttle.was_busy(0)
    for _ in range(9):
        throttle.timed_out(0)
    go_well(throttle, 40, seconds=1.0)
    go_well(throttle, 40, seconds=90.0)
    assert (throttle.limit, throttle.halvings) == (8, 0)


def test_slots_are_given_in_the_order_of_asking_and_never_too_many() -> None:
    async def run() -> tuple[list[int], list[int]]:
        throttle = Throttle(4)
        order: list[int] = []
        seen: list[int] = []
        running = 0

        async def call(number: int) -> None:
            nonlocal running
            async with throttle.slot():
                order.append(number)
                running += 1
                seen.append(running)
                if number == 3:
                    throttle.was_busy(0)
                await asyncio.sleep(0)
                running -= 1

        async with asyncio.timeout(5), asyncio.TaskGroup() as group:
            for number in range(40):
                group.create_task(call(number))
        return order, seen

    order, seen = asyncio.run(run())
    assert order == list(range(40))
    assert seen[:4] == [1, 2, 3, 4]
    assert max(seen[4:]) == 2


def test_growth_lets_a_waiting_call_in() -> None:
    async def run() -> None:
        throttle = Throttle(2)
        throttle.was_busy(0)
        entered = asyncio.Event()

        async def second() -> None:
            async with throttle.slot():
                entered.set()

        async with throttle.slot():
            waiting = asyncio.create_task(second())
            await asyncio.sleep(0)
            assert not entered.is_set()
            go_well(throttle, 1)
            await asyncio.wait_for(entered.wait(), 5)
            await waiting

    asyncio.run(run())


@pytest.mark.parametrize("handed_over", [False, True])
def test_a_cancelled_call_takes_no_slot_with_it(handed_over: bool) -> None:
    async def run() -> None:
        throttle = Throttle(1)

        async def call() -> None:
            async with throttle.slot():
                pass

        async with throttle.slot():
            waiting = asyncio.create_task(call())
            await asyncio.sleep(0)
            if not handed_over:
                waiting.cancel()
                with suppress(asyncio.CancelledError):
                    await waiting
        waiting.cancel()
        with suppress(asyncio.CancelledError):
            await waiting
        await asyncio.wait_for(call(), 5)

    asyncio.run(run())


def test_a_storm_of_refusals_is_met_with_fewer_calls_and_then_more_again(
    make_teacher: MakeTeacher, server: FaultyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    answered: list[str] = []
    limits: list[int] = []

    class Watched(Throttle):
        def went_well(self, halvings: int, seconds: float, tokens: int) -> None:
            super().went_well(halvings, seconds, tokens)
            limits.append(self.limit)

    def compose(body: dict[str, Any]) -> str:
        answered.append(body["messages"][-1]["content"])
        return f"echo: {answered[-1]}"

    monkeypatch.setattr("preceptor.llm.calls.line.Throttle", Watched)
    # A busy machine may be slow, which is not what is looked at here.
    monkeypatch.setattr("preceptor.llm.calls.throttle.FLOOR", 1e9)
    server.compose = compose
    seen = takes_at_most(server, lambda: 4 if len(answered) < 100 else 16, wait=0.05)
    texts = [str(number) for number in range(350)]
    answers = make_teacher(concurrency=16).ask([ask_for(text) for text in texts], "asking")
    assert all(isinstance(one, Answer) for one in answers)
    assert sorted(answered) == sorted(texts), "each row was answered once"
    assert limits[0] == 16
    assert min(limits) <= 4
    assert max(limits[40:90]) <= 10
    assert len(seen) - len(texts) < 60, "few were turned away"
    assert limits[-1] >= 10, "it grew again"


def test_calls_that_begin_a_batch_are_all_in_flight_at_once(
    make_teacher: MakeTeacher, server: FaultyServer
) -> None:
    together = threading.Barrier(20)
    give = server.next_reply

    def reply(body: dict[str, Any], headers: dict[str, str]) -> Reply:
        given = give(body, headers)
        if body["messages"][-1]["content"] != "0":
            together.wait(timeout=30)
        return given

    server.next_reply = reply  # type: ignore[method-assign]
    teacher = make_teacher(concurrency=20, timeout=40, retries=0)
    # The first alone, then 20 and 20.
    answers = teacher.ask([ask_for(str(number)) for number in range(41)], "asking")
    assert all(isinstance(one, Answer) for one in answers)
    assert server.most_running == 20


def test_a_first_call_that_takes_long_keeps_the_others_back_for_a_moment_alone(
    make_teacher: MakeTeacher, server: FaultyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("preceptor.llm.calls.line.FIRST_ALONE", 0.1)
    server.replies.append(Reply(wait=1.0))
    make_teacher().ask([ask_for(str(number)) for number in range(12)], "asking")
    assert 0.1 <= server.times[1] - server.times[0] < 0.9
    assert server.times[-1] - server.times[0] < 0.9


def test_a_call_that_is_always_turned_away_fails_in_the_end(
    make_teacher: MakeTeacher, server: FaultyServer
) -> None:
    tried = 0

    def refusal(body: dict[str, Any]) -> Reply | None:
        nonlocal tried
        if body["messages"][-1]["content"] != "too large":
            return None
        tried += 1
        return BUSY

    refuses(server, refusal)
    server.always = Reply(wait=0.03)
    texts = ["too large", *(str(number) for number in range(120))]
    failure, *answers = make_teacher(concurrency=3).ask([ask_for(text) for text in texts], "asking")
    assert isinstance(failure, Failure)
    assert failure.cause == "rate_limited"
    assert all(isinstance(one, Answer) for one in answers)
    assert 3 + 5 <= tried <= 3 + FREE_TRIES

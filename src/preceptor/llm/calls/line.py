"""Calls over HTTP: many at once, tried again where that can help."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any, NoReturn

from preceptor.errors import TeacherError
from preceptor.llm.cached import Deliver, Outcome
from preceptor.llm.calls import refusals, replies
from preceptor.llm.calls.connection import Connection, Refusal, TryAgain
from preceptor.llm.calls.learned import Learned
from preceptor.llm.calls.rates import Rates, Spent
from preceptor.llm.calls.tally import Tally
from preceptor.llm.calls.throttle import BUSY, Throttle
from preceptor.llm.chat import Answer, Failure, Request
from preceptor.llm.settings import EndpointSettings

FIRST_WAIT = 1.0
"""seconds before the second try; doubled for each further one"""
LIMITED_WAITS = 4.0
"""times as long where the server says "too many" and not how long to wait: most limits are those
of a minute, which the usual six tries must outlast"""
LONGEST_WAIT = 60.0
"""seconds between two tries at most"""
LONGEST_ASKED_WAIT = 300.0
"""seconds that a server may ask us to wait; beyond that a person should decide"""
UNCONNECTED_TRIES = 3
"""tries of a server that takes no connection, before the batch ends"""
FREE_TRIES = 10
"""tries that do not count: where the server was busy and answered others meanwhile, that says
nothing of the call (but some say "too many" of one that is too large)"""
HOPELESS = 3
"""calls given up in a row, as a multiple of the concurrency, before the batch ends"""
FIRST_ALONE = 1.0
"""seconds that the first call of a kind has alone: parameters are refused sooner than that, and
then once instead of by every call in flight"""
LOOK_AGAIN = 1.0
"""seconds at most between two looks at the rates, which each answer corrects"""


class Line:
    """Calls of one batch to one server.

    Args:
        settings: the server and how to call it.
        key: the API key, if the server needs one.
        first_wait: see :data:`FIRST_WAIT`.
        answered: kinds of calls that the server has answered before; further ones are added.
        rates: what the server allows in a minute, and what of it earlier batches have taken.
        learned: what the server refuses of parameters; without it, a refused one ends the batch.
        adapts: whether fewer calls are in flight while the server is busy.
    """

    def __init__(
        self,
        settings: EndpointSettings,
        key: str | None,
        first_wait: float = FIRST_WAIT,
        answered: set[str] | None = None,
        *,
        rates: Rates | None = None,
        learned: Learned | None = None,
        adapts: bool = True,
    ) -> None:
        self._settings = settings
        self._key = key
        self._first_wait = first_wait
        self._rates = Rates(None, None) if rates is None else rates
        self._learned = learned
        self._throttle = Throttle(settings.concurrency, adapts)
        self._tally = Tally(settings.max_failures, f"{settings.base_url}, model {settings.model}")
        self._open_from = 0.0
        self._given_up_in_row = 0
        self._answered = set() if answered is None else answered
        self._answers = 0
        self._first: dict[str, asyncio.Event] = {}
        self._busy = 0
        self._judged = asyncio.Event()

    async def call(self, requests: Iterable[Request], deliver: Deliver) -> None:
        """Call for all requests, ``settings.concurrency`` at a time at most, without a barrier.

        Each request is taken from ``requests`` when a call for it can begin.

        Raises:
            TeacherError: the server cannot be reached, refuses every call alike, or fails too
                many of them.
        """
        todo = iter(enumerate(requests))
        self._busy = self._settings.concurrency
        async with Connection(self._settings, self._key) as connection:
            try:
                async with asyncio.TaskGroup() as group:
                    for _ in range(self._settings.concurrency):
                        group.create_task(self._work(connection, todo, deliver))
            except BaseExceptionGroup as errors:
                # Several calls in flight fail alike; one error says it.
                raise errors.exceptions[0] from None

    async def _work(
        self, connection: Connection, todo: Iterator[tuple[int, Request]], deliver: Deliver
    ) -> None:
        for index, request in todo:
            outcome = await self._until_answered(connection, request)
            deliver(index, outcome)
            self._tally.add(outcome)
        self._one_less()

    def _one_less(self) -> None:
        self._busy -= 1
        if not self._busy:
            self._judged.set()

    async def _until_answered(self, connection: Connection, request: Request) -> Outcome:
        tries = free = 0
        answers = self._answers
        while True:
            try:
                outcome = await self._try(connection, request)
            except TryAgain as problem:
                if problem.status in BUSY and answers < self._answers and free < FREE_TRIES:
                    free += 1
                else:
                    tries += 1
                answers = self._answers
                self._keep_back(problem)
                most = UNCONNECTED_TRIES if problem.unconnected else self._settings.retries + 1
                if tries >= min(most, self._settings.retries + 1):
                    return self._give_up(problem)
                await asyncio.sleep(self._pause(tries + min(free, 2), problem))
            else:
                self._given_up_in_row = 0
                return outcome

    async def _try(self, connection: Connection, request: Request) -> Outcome:
        """One try, made anew where the server turns out to want other parameters."""
        while True:
            sent = self._sent(request)
            kind = _kind(sent)
            await self._behind_first(kind)
            if sent != self._sent(request):
                continue
            try:
                outcome = await self._once(connection, request, sent, kind)
            finally:
                self._first[kind].set()
            if not isinstance(outcome, Refusal):
                return outcome
            if outcome.failure is not None:
                return outcome.failure
            if not self._may_do_without(outcome, request, sent, kind):
                return await self._refused(outcome, sent, kind)

    def _sent(self, request: Request) -> dict[str, Any]:
        if self._learned is None:
            return dict(request.parameters)
        return self._learned.sent(request.parameters)

    async def _behind_first(self, kind: str) -> None:
        """Give the first call of a kind a moment alone, unless the server has answered its like."""
        first = self._first.get(kind)
        if first is None:
            self._first[kind] = asyncio.Event()
        elif kind not in self._answered:
            with suppress(TimeoutError):
                await asyncio.wait_for(first.wait(), FIRST_ALONE)

    async def _once(
        self, connection: Connection, request: Request, sent: Mapping[str, Any], kind: str
    ) -> Outcome | Refusal:
        async with self._throttle.slot():
            spent = await self._wait_until_open(self._rates.estimate(request, sent))
            halvings, started = self._throttle.halvings, time.monotonic()
            try:
                outcome = await connection.send(request, sent)
            except TryAgain as problem:
                if problem.status in BUSY:
                    self._throttle.was_busy(halvings)
                elif problem.timed_out:
                    self._throttle.timed_out(halvings)
                raise
            if not isinstance(outcome, Refusal):
                seconds = time.monotonic() - started
                self._throttle.went_well(halvings, seconds, _answer_tokens(outcome))
                self._count_answer(spent, outcome, kind)
        return outcome

    def _count_answer(self, spent: Spent, outcome: Outcome, kind: str) -> None:
        self._rates.told(spent, outcome.prompt_tokens, outcome.completion_tokens)
        self._answered.add(kind)
        self._answers += 1
        self._judged.set()

    def _may_do_without(
        self, refusal: Refusal, request: Request, sent: Mapping[str, Any], kind: str
    ) -> bool:
        """Whether the server refuses a parameter, which is not sent so from now on."""
        if refusal.status not in replies.UNPROCESSABLE or self._learned is None:
            return False
        # Another call may have learned it while this one was under way.
        if self._sent(request) != sent:
            return True
        # Where the server has answered a call with these parameters, it means something else.
        return kind not in self._answered and self._learned.learn(refusal.body, sent)

    async def _refused(self, refusal: Refusal, sent: Mapping[str, Any], kind: str) -> Failure:
        """The failure of this call, where a call of its kind was answered; else the end of all.

        A refusal comes sooner than an answer: the calls in flight are waited for.
        """
        status, body, named = refusal.status, refusal.body, None
        if status in replies.UNPROCESSABLE:
            if kind not in self._answered:
                self._one_less()
                await self._judged.wait()
                self._busy += 1
            if kind in self._answered:
                return Failure("bad_request", f"status {status}: {replies.server_message(body)}")
            named = refusals.named(body, sent)
        raise replies.stop(status, body, self._settings.base_url, self._settings.model, named)

    def _pause(self, tries: int, problem: TryAgain) -> float:
        """Exponential back-off with jitter, so that calls that failed together part."""
        limited = problem.failure.cause == "rate_limited" and problem.wait is None
        first = self._first_wait * (LIMITED_WAITS if limited else 1.0)
        return random.uniform(0.5, 1.0) * min(LONGEST_WAIT, first * 2.0 ** min(tries - 1, 16))

    def _keep_back(self, problem: TryAgain) -> None:
        """Wait with all calls for as long as the server asks, not with the one alone."""
        wait = problem.wait or 0.0
        if wait > LONGEST_ASKED_WAIT:
            raise TeacherError(
                f"the teacher's server asks to wait {wait:.0f} seconds",
                where=self._settings.base_url,
                found=problem.failure.detail,
                fix="run again after that; answers received so far are kept",
            )
        self._open_from = max(self._open_from, time.monotonic() + wait)

    async def _wait_until_open(self, tokens: int) -> Spent:
        """Wait until the server's word and its limits allow a call, and count it."""
        while True:
            while (left := self._open_from - time.monotonic()) > 0:
                # Not all at the same instant, or the limit is hit again.
                await asyncio.sleep(left + random.uniform(0.0, self._first_wait))
            wait = self._rates.wait(tokens)
            if wait <= 0:
                return self._rates.start(tokens)
            await asyncio.sleep(min(wait, LOOK_AGAIN))

    def _give_up(self, last: TryAgain) -> Failure:
        if last.unconnected:
            self._end("the teacher's server cannot be reached", last.failure)
        self._given_up_in_row += 1
        if self._given_up_in_row >= HOPELESS * self._settings.concurrency:
            self._end(
                f"the teacher's last {self._given_up_in_row} calls all failed, each tried"
                f" {self._settings.retries + 1} times",
                last.failure,
            )
        return last.failure

    def _end(self, what: str, failure: Failure) -> NoReturn:
        raise TeacherError(
            what,
            where=self._settings.base_url,
            found=f"{failure.cause}: {failure.detail}",
            fix="start the server or correct the teacher's base_url, then run again;"
            " answers received so far are kept",
        )


def _kind(sent: Mapping[str, Any]) -> str:
    """What a server accepts or refuses in all prompts alike: the parameters; a seed is a seed."""
    return json.dumps({**sent, **({"seed": 0} if "seed" in sent else {})}, sort_keys=True)


def _answer_tokens(outcome: Outcome) -> int:
    text = outcome.text if isinstance(outcome, Answer) else outcome.detail
    return outcome.completion_tokens or len(text) // 4

"""Calls over HTTP: many at once, tried again where that can help."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from preceptor.errors import TeacherError
from preceptor.llm import replies
from preceptor.llm.cached import Deliver, Outcome
from preceptor.llm.chat import Failure, Request
from preceptor.llm.settings import EndpointSettings

if TYPE_CHECKING:
    import openai

FIRST_WAIT = 1.0
"""seconds before the second try; doubled for each further one"""
LONGEST_WAIT = 60.0
"""seconds between two tries at most"""
LONGEST_ASKED_WAIT = 300.0
"""seconds that a server may ask us to wait; beyond that a person should decide"""
CONNECT_TIMEOUT = 10.0
"""seconds until an address that does not answer counts as unreachable"""
REFUSED_TRIES = 3
"""tries of a server that takes no connection, before the batch ends"""
HOPELESS = 3
"""calls given up in a row, as a multiple of the concurrency, before the batch ends"""


class _TryAgain(Exception):  # noqa: N818 - a signal within this file, never an error seen outside
    def __init__(self, failure: Failure, wait: float | None = None, refused: bool = False) -> None:
        self.failure = failure
        self.wait = wait
        self.refused = refused
        super().__init__(failure.cause)


class Line:
    """Calls of one batch to one server.

    Args:
        settings: the server and how to call it.
        key: the API key, if the server needs one.
        first_wait: see :data:`FIRST_WAIT`.
        answered: kinds of calls that the server has answered before; further ones are added.
    """

    def __init__(
        self,
        settings: EndpointSettings,
        key: str | None,
        first_wait: float = FIRST_WAIT,
        answered: set[str] | None = None,
    ) -> None:
        self._settings = settings
        self._key = key
        self._first_wait = first_wait
        self._open_from = 0.0
        self._given_up_in_row = 0
        self._answered = set() if answered is None else answered
        self._busy = 0
        self._judged = asyncio.Event()

    async def call(self, requests: Sequence[Request], deliver: Deliver) -> None:
        """Call for all requests, ``settings.concurrency`` at a time, without a barrier.

        Raises:
            TeacherError: the server cannot be reached or refuses every call alike.
        """
        todo = iter(enumerate(requests))
        self._busy = workers = min(self._settings.concurrency, len(requests))
        async with self._client() as client:
            try:
                async with asyncio.TaskGroup() as group:
                    for _ in range(workers):
                        group.create_task(self._work(client, todo, deliver))
            except BaseExceptionGroup as errors:
                # Several calls in flight fail alike; one error says it.
                raise errors.exceptions[0] from None

    def _client(self) -> openai.AsyncOpenAI:
        import openai

        timeout = openai.Timeout(self._settings.timeout, connect=CONNECT_TIMEOUT)
        # A proxy is for other machines; a redirect would take examples to where the study
        # does not say.
        http = openai.DefaultAsyncHttpxClient(
            trust_env=not self._settings.on_this_machine, follow_redirects=False, timeout=timeout
        )
        return openai.AsyncOpenAI(
            api_key=self._key or "none",
            base_url=self._settings.base_url,
            http_client=http,
            timeout=timeout,
            max_retries=0,
        )

    async def _work(
        self, client: openai.AsyncOpenAI, todo: Iterator[tuple[int, Request]], deliver: Deliver
    ) -> None:
        for index, request in todo:
            deliver(index, await self._until_answered(client, request))
        self._one_less()

    def _one_less(self) -> None:
        self._busy -= 1
        if not self._busy:
            self._judged.set()

    async def _until_answered(self, client: openai.AsyncOpenAI, request: Request) -> Outcome:
        for tries in range(1, self._settings.retries + 2):
            await self._wait_until_open()
            try:
                outcome = await self._once(client, request)
            except _TryAgain as problem:
                last = problem
                self._keep_back(problem)
                if problem.refused and tries >= REFUSED_TRIES:
                    break
                if tries <= self._settings.retries:
                    await asyncio.sleep(self._pause(tries))
            else:
                self._given_up_in_row = 0
                return outcome
        return self._give_up(last)

    async def _once(self, client: openai.AsyncOpenAI, request: Request) -> Outcome:
        import openai

        messages: Any = [
            {"role": message.role, "content": message.content} for message in request.messages
        ]
        create = client.chat.completions.with_raw_response.create
        started = time.monotonic()
        try:
            # The SDK's own timeout counts from byte to byte; this one counts the whole call.
            async with asyncio.timeout(self._settings.timeout):
                reply = await create(
                    model=self._settings.model,
                    messages=messages,
                    # All names go this way: servers have names that the SDK does not know.
                    extra_body=dict(request.parameters),
                )
        except (openai.APITimeoutError, TimeoutError) as error:
            raise self._slow(error) from None
        except openai.APIConnectionError as error:
            raise _broken(error) from None
        except openai.APIStatusError as error:
            return await self._status(error, request)
        outcome = replies.read_completion(reply.text, time.monotonic() - started)
        if isinstance(outcome, Failure) and outcome.cause == "malformed":
            raise _TryAgain(outcome)
        self._answered.add(_kind(request))
        self._judged.set()
        return outcome

    def _slow(self, error: Exception) -> _TryAgain:
        if type(error.__cause__).__name__ == "ConnectTimeout":
            detail = f"no answer to a connection for {CONNECT_TIMEOUT:.0f} s"
            return _TryAgain(Failure("unreachable", detail), refused=True)
        return _TryAgain(Failure("timeout", f"no whole answer in {self._settings.timeout:g} s"))

    async def _status(self, error: openai.APIStatusError, request: Request) -> Failure:
        status, body = error.status_code, self._without_key(error.body or error.response.text)
        failure = replies.failure_of_one(status, body)
        if failure is not None:
            return failure
        if replies.is_final(status, body):
            return await self._refused(status, body, request)
        wait = replies.retry_after(error.response.headers)
        raise _TryAgain(replies.exhausted(status, body), wait) from None

    async def _refused(self, status: int, body: object, request: Request) -> Failure:
        """The failure of this call, where a call of its kind was answered; else the end of all.

        A refusal comes sooner than an answer: the calls in flight are waited for.
        """
        if status in replies.UNPROCESSABLE:
            if _kind(request) not in self._answered:
                self._one_less()
                await self._judged.wait()
                self._busy += 1
            if _kind(request) in self._answered:
                detail = f"status {status}: {replies.server_message(body)}"
                return Failure("bad_request", detail)
        settings = self._settings
        raise replies.stop(
            status, body, settings.base_url, settings.model, request.parameters
        ) from None

    def _without_key(self, body: object) -> object:
        """The body with the key struck out: some servers repeat it in their refusal."""
        # A shorter one ("none", "EMPTY") is a placeholder, and may stand in any sentence.
        if not self._key or len(self._key) < 8:
            return body
        if isinstance(body, str):
            return body.replace(self._key, "***")
        if isinstance(body, dict):
            return {name: self._without_key(value) for name, value in body.items()}
        if isinstance(body, list):
            return [self._without_key(value) for value in body]
        return body

    def _pause(self, tries: int) -> float:
        """Exponential back-off with jitter, so that calls that failed together part."""
        longest = min(LONGEST_WAIT, self._first_wait * 2.0 ** (tries - 1))
        return random.uniform(0.5, 1.0) * longest

    def _keep_back(self, problem: _TryAgain) -> None:
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

    async def _wait_until_open(self) -> None:
        while (left := self._open_from - time.monotonic()) > 0:
            # Not all at the same instant, or the limit is hit again.
            await asyncio.sleep(left + random.uniform(0.0, self._first_wait))

    def _give_up(self, last: _TryAgain) -> Failure:
        if last.refused:
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


def _kind(request: Request) -> str:
    """What a server accepts or refuses in all prompts alike: the parameters, but for a seed."""
    parameters = {name: value for name, value in request.parameters.items() if name != "seed"}
    return json.dumps(parameters, sort_keys=True)


def _broken(error: openai.APIConnectionError) -> _TryAgain:
    import httpx2

    cause = error.__cause__
    detail = f"{type(cause).__name__}: {cause}" if cause else str(error)
    return _TryAgain(Failure("unreachable", detail), refused=isinstance(cause, httpx2.ConnectError))

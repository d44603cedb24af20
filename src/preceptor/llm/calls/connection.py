"""One try of one call over HTTP, and what came of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self, TypeVar

from preceptor.llm.calls import replies
from preceptor.llm.chat import Answer, Failure, Request
from preceptor.llm.settings import EndpointSettings

if TYPE_CHECKING:
    import openai

T = TypeVar("T")
CONNECT_TIMEOUT = 10.0
"""seconds until an address that does not answer counts as unreachable"""


class TryAgain(Exception):  # noqa: N818 - a signal within this package, never an error seen outside
    """A call that may yet be answered.

    Args:
        failure: what it comes to if it is not.
        status: HTTP status of the reply, if there was one.
        wait: seconds that the server asks to wait.
        unconnected: whether there was no connection at all.
    """

    def __init__(
        self,
        failure: Failure,
        status: int | None = None,
        wait: float | None = None,
        unconnected: bool = False,
    ) -> None:
        self.failure = failure
        self.status = status
        self.wait = wait
        self.unconnected = unconnected
        super().__init__(failure.cause)

    @property
    def timed_out(self) -> bool:
        """Whether the server was given up while it worked."""
        return self.failure.cause == "timeout" and self.status is None


@dataclass(frozen=True, slots=True)
class Refusal:
    """A reply by which the server says that asking again cannot help.

    Attributes:
        status: of the reply.
        body: parsed where it was JSON; without the API key.
        failure: what the call comes to, where the reply speaks of this one prompt and no other.
    """

    status: int
    body: object
    failure: Failure | None = None


class Connection:
    """Connections to one server, kept open between calls.

    Args:
        settings: the server and how to call it.
        key: the API key, if the server needs one.
    """

    def __init__(self, settings: EndpointSettings, key: str | None) -> None:
        import openai

        self._settings = settings
        self._key = key
        self._client = open_client(
            settings, key, openai.AsyncOpenAI, openai.DefaultAsyncHttpxClient
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._client.close()

    async def send(
        self, request: Request, parameters: Mapping[str, Any]
    ) -> Answer | Failure | Refusal:
        """Make a call once.

        Args:
            request: its messages are sent.
            parameters: sent in the place of the request's own.

        Raises:
            TryAgain: another try may be answered.
        """
        import openai

        started = time.monotonic()
        try:
            # The SDK's own timeout counts from byte to byte; this one counts the whole call.
            async with asyncio.timeout(self._settings.timeout):
                body = await self._body(request, parameters)
        except (openai.APITimeoutError, TimeoutError) as error:
            raise self._slow(error) from None
        except openai.APIConnectionError as error:
            raise _broken(error) from None
        except openai.APIStatusError as error:
            return self._status(error)
        return self._read(body, time.monotonic() - started)

    async def _body(self, request: Request, parameters: Mapping[str, Any]) -> str:
        import httpx2

        messages = [
            {"role": message.role, "content": message.content} for message in request.messages
        ]
        # Not chat.completions.create: servers have parameters that the SDK does not know, and a
        # fifth of a call's time goes into the types of those that it does.
        body = {"model": self._settings.model, "messages": messages, **parameters}
        reply = await self._client.post("/chat/completions", cast_to=httpx2.Response, body=body)
        return reply.text

    def _read(self, body: str, seconds: float) -> Answer | Failure:
        outcome = replies.read_completion(body, seconds)
        if isinstance(outcome, Failure) and outcome.cause == "malformed":
            detail = replies.shown(str(replies.without(self._key, body)))
            raise TryAgain(replace(outcome, detail=detail))
        return outcome

    def _slow(self, error: Exception) -> TryAgain:
        if type(error.__cause__).__name__ == "ConnectTimeout":
            detail = f"no answer to a connection for {CONNECT_TIMEOUT:.0f} s"
            return TryAgain(Failure("unreachable", detail), unconnected=True)
        return TryAgain(Failure("timeout", f"no whole answer in {self._settings.timeout:g} s"))

    def _status(self, error: openai.APIStatusError) -> Refusal:
        status = error.status_code
        body = replies.without(self._key, error.body or error.response.text)
        failure = replies.failure_of_one(status, body)
        if failure is not None or replies.is_final(status, body):
            return Refusal(status, body, failure)
        wait = replies.retry_after(error.response.headers)
        raise TryAgain(replies.exhausted(status, body), status, wait) from None


def open_client(
    settings: EndpointSettings, key: str | None, kind: Callable[..., T], http: Callable[..., Any]
) -> T:
    """A client of the SDK that goes nowhere else than the study says, and tries nothing again.

    Args:
        settings: the server and how to call it.
        key: the API key, if the server needs one.
        kind: the SDK's client, for asyncio or not.
        http: the SDK's HTTP client that goes with it.
    """
    import openai

    timeout = openai.Timeout(settings.timeout, connect=CONNECT_TIMEOUT)
    return kind(
        api_key=key or "none",
        base_url=settings.base_url,
        # A proxy is for other machines; a redirect would take examples elsewhere.
        http_client=http(
            trust_env=not settings.on_this_machine, follow_redirects=False, timeout=timeout
        ),
        timeout=timeout,
        max_retries=0,
    )


def _broken(error: openai.APIConnectionError) -> TryAgain:
    import httpx2

    cause = error.__cause__
    detail = f"{type(cause).__name__}: {cause}" if cause else str(error)
    unconnected = isinstance(cause, httpx2.ConnectError)
    return TryAgain(Failure("unreachable", detail), unconnected=unconnected)

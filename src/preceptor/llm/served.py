"""What teachers on this machine have in common: a server of their own, spoken to like any."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

from preceptor.errors import TeacherError
from preceptor.llm.cache import AnswerCache
from preceptor.llm.cached import CachedTeacher, Deliver
from preceptor.llm.calls.line import Line
from preceptor.llm.chat import Request
from preceptor.llm.settings import EndpointSettings
from preceptor.store.fingerprint import fingerprint

TIMEOUT = 3600.0
"""seconds of one call at most: nothing is paid by the minute here, and a large model is slow"""
_SEED_RANGE = 2**31


class Server(Protocol):
    """A process that serves a model on loopback, ready for calls."""

    address: str
    key: str
    model: str

    def death(self) -> TeacherError | None:
        """Why the server has ended, if it has."""
        ...

    def stop(self) -> None:
        """End it."""
        ...


class ServedTeacher(CachedTeacher):
    """A teacher whose server starts with the first call that is not cached.

    Sampling is seeded by the request itself, so that it repeats as well as the engine allows.

    Args:
        name: what the report calls it.
        model: all that tells the answering model from others, as JSON values.
        parameters: sampling parameters of every call; a request's own win.
        cache: where whole answers are kept.
        concurrency: calls in flight at once.
        salt: what else than the request seeds it.
    """

    def __init__(
        self,
        name: str,
        model: Mapping[str, Any],
        parameters: Mapping[str, Any],
        cache: AnswerCache,
        *,
        concurrency: int,
        salt: Sequence[int] = (),
    ) -> None:
        super().__init__(name, model, parameters, cache)
        self._concurrency = concurrency
        self._salt = salt
        self._server: Server | None = None
        self._answered: set[str] = set()

    @property
    def running(self) -> bool:
        """Whether the server has been started."""
        return self._server is not None

    def close(self) -> None:
        """Stop the server; a later call starts it again."""
        self._stop()
        super().close()

    @abstractmethod
    def _start(self) -> Server:
        """Start the server, and wait until it answers.

        Raises:
            TeacherError: it does not start.
        """

    def _stop(self) -> None:
        if self._server is not None:
            self._server.stop()
            self._server = None

    def _call(self, requests: Sequence[Request], deliver: Deliver) -> None:
        if self._server is None:
            self._server = self._start()
        server = self._server
        # Nobody else calls this server, and it has a place for each of our calls.
        line = Line(self._spoken_to(server), server.key, answered=self._answered, adapts=False)
        try:
            asyncio.run(line.call(map(self._seeded, requests), deliver))
        except TeacherError as error:
            died = server.death()
            if died is None:
                raise
            self._stop()
            raise died from error

    def _spoken_to(self, server: Server) -> EndpointSettings:
        return EndpointSettings(
            engine="endpoint",
            model=server.model,
            base_url=f"{server.address}/v1",
            key_env=None,
            concurrency=self._concurrency,
            timeout=TIMEOUT,
            retries=1,
        )

    def _seeded(self, request: Request) -> Request:
        if "seed" in request.parameters:
            return request
        seed = seed_of(request, self._salt)
        return replace(request, parameters={**request.parameters, "seed": seed})


def seed_of(request: Request, salt: Sequence[int] = ()) -> int:
    """A request's own seed: another for another text, sample or salt, and always the same."""
    told = [[message.role, message.content] for message in request.messages]
    return int(fingerprint([told, request.sample, *salt])[:8], 16) % _SEED_RANGE

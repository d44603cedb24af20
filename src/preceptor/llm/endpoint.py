"""A teacher behind any server that speaks OpenAI's chat completions."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from preceptor.errors import TeacherError
from preceptor.llm.cache import AnswerCache
from preceptor.llm.cached import CachedTeacher, Deliver
from preceptor.llm.calls.learned import FILE, Learned, form
from preceptor.llm.calls.line import FIRST_WAIT, Line
from preceptor.llm.calls.rates import Rates
from preceptor.llm.chat import Request
from preceptor.llm.settings import ANSWER_LIMITS, EndpointSettings


def check_key(settings: EndpointSettings) -> str | None:
    """The API key, which is contacted nowhere; None for a server that needs none.

    Raises:
        TeacherError: the environment variable is not set, or holds no usable key.
    """
    if settings.key_env is None:
        return None
    key = os.environ.get(settings.key_env, "").strip()
    if key and key.isascii() and key.isprintable():
        return key
    raise TeacherError(
        f"the environment variable {settings.key_env} holds no usable API key"
        if key
        else f"the environment variable {settings.key_env} is not set",
        where=f"the teacher {settings.model} at {settings.base_url}",
        expected="the API key",
        fix=f"export {settings.key_env}=..., or name another variable in key_env"
        " (null for a server that needs no key)",
    )


def model_of(settings: EndpointSettings) -> dict[str, Any]:
    """What tells the model behind an endpoint from others."""
    return {"engine": "endpoint", "base_url": settings.base_url, "model": settings.model}


class EndpointTeacher(CachedTeacher):
    """Any server that speaks OpenAI's chat completions.

    Args:
        settings: the server and how to call it.
        cache: where whole answers are kept.
        identity: what tells the model from others, where address and name do not (a server
            on this machine, known by the hash of its weights).
        first_wait: seconds before a failed call's second try.

    Raises:
        TeacherError: the key's environment variable is not set.
    """

    def __init__(
        self,
        settings: EndpointSettings,
        cache: AnswerCache,
        identity: Mapping[str, Any] | None = None,
        first_wait: float = FIRST_WAIT,
    ) -> None:
        model = model_of(settings) if identity is None else identity
        super().__init__(settings.model, model, settings.parameters, cache, settings.price)
        self._settings = settings
        self._key = check_key(settings)
        self._first_wait = first_wait
        self._answered: set[str] = set()
        self._rates = Rates(settings.requests_per_minute, settings.tokens_per_minute)
        path = cache.path.with_name(FILE)
        limit = settings.limit
        # Without a bound to each answer, a limit of tokens or cost cannot be held.
        needed = ANSWER_LIMITS if limit and (limit.tokens or limit.cost) else ()
        self._learned = Learned(path, settings.base_url, settings.model, needed)
        self._asked = dict.fromkeys(form(*one) for one in settings.parameters.items())

    @property
    def notes(self) -> tuple[str, ...]:
        """What the result must say of the calls: parameters that were not sent as asked for.

        Those of requests that the cache answered are among them.

        Raises:
            PreceptorError: the file of refused parameters is damaged.
        """
        self._learned.load()
        return self._learned.notes(self._asked)

    def each(self, requests: Iterable[Request], count: int, label: str, take: Deliver) -> None:
        """See :meth:`CachedTeacher.each`; :attr:`notes` then covers these requests too."""
        super().each(map(self._noted, requests), count, label, take)

    def _noted(self, request: Request) -> Request:
        for one in request.parameters.items():
            self._asked[form(*one)] = None
        return request

    def _call(self, requests: Sequence[Request], deliver: Deliver) -> None:
        self._learned.load()
        line = Line(
            self._settings,
            self._key,
            self._first_wait,
            self._answered,
            rates=self._rates,
            learned=self._learned,
        )
        asyncio.run(line.call(requests, deliver))

"""A teacher behind any server that speaks OpenAI's chat completions."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from typing import Any

from preceptor.errors import TeacherError
from preceptor.llm.cache import AnswerCache
from preceptor.llm.cached import CachedTeacher, Deliver
from preceptor.llm.chat import Request
from preceptor.llm.line import FIRST_WAIT, Line
from preceptor.llm.settings import EndpointSettings


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

    def _call(self, requests: Sequence[Request], deliver: Deliver) -> None:
        line = Line(self._settings, self._key, self._first_wait, self._answered)
        asyncio.run(line.call(requests, deliver))

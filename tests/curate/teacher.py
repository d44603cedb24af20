"""A real teacher at a real server on loopback, for filters that ask one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from llm.faulty import FaultyServer, faulty_server
from preceptor.llm.cache import AnswerCache
from preceptor.llm.endpoint import EndpointTeacher
from preceptor.llm.settings import EndpointSettings


@contextmanager
def teacher_who(
    answers: Callable[[str], str], folder: Path
) -> Iterator[tuple[EndpointTeacher, FaultyServer]]:
    """Answers the last message of every call as ``answers`` says."""
    with faulty_server() as server:
        server.compose = lambda body: answers(str(body["messages"][-1]["content"]))
        told: dict[str, Any] = {"engine": "endpoint", "model": "tutor", "key_env": None}
        settings = EndpointSettings(**told, base_url=server.url)
        with EndpointTeacher(settings, AnswerCache(folder / "answers.sqlite")) as teacher:
            yield teacher, server

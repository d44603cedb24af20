from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from preceptor.llm.cache import AnswerCache
from preceptor.llm.chat import Message, Request
from preceptor.llm.endpoint import EndpointTeacher
from preceptor.llm.settings import EndpointSettings
from preceptor.models.weights import find_gguf

from .faulty import FaultyServer, faulty_server

KEY = "sk-do-not-tell-anybody-1234567890"
MakeTeacher = Callable[..., EndpointTeacher]


def ask_for(text: str, sample: int = 0, **parameters: Any) -> Request:
    return Request((Message("user", text),), parameters, sample)


@pytest.fixture
def server() -> Iterator[FaultyServer]:
    with faulty_server() as running:
        yield running


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[AnswerCache]:
    kept = AnswerCache(tmp_path / "answers.sqlite")
    yield kept
    kept.close()


@pytest.fixture
def make_teacher(
    server: FaultyServer, cache: AnswerCache, monkeypatch: pytest.MonkeyPatch
) -> MakeTeacher:
    """A teacher at the faulty server; keywords change its settings."""
    monkeypatch.setenv("TEACHER_KEY", KEY)

    def make(**changes: Any) -> EndpointTeacher:
        told: dict[str, Any] = {
            "engine": "endpoint",
            "model": "tutor",
            "base_url": server.url,
            "key_env": "TEACHER_KEY",
            "retries": 2,
            "timeout": 5.0,
            **changes,
        }
        return EndpointTeacher(EndpointSettings(**told), cache, first_wait=0.02)

    return make


@pytest.fixture(scope="session")
def gguf() -> Path:
    return find_gguf("smollm2")


@pytest.fixture(scope="session")
def shared_cache_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def _own_cache(shared_cache_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user's cache of the tests' own, so that none meets answers of an earlier run."""
    monkeypatch.setenv("PRECEPTOR_CACHE", str(shared_cache_folder))

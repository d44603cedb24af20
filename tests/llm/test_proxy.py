"""The real llama.cpp behind a proxy that fails in every way: no row is lost, none is double."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from preceptor.llm.cache import KEPT_FAILURES, AnswerCache
from preceptor.llm.chat import Answer, Failure, Message, Request
from preceptor.llm.embedded import _Server
from preceptor.llm.endpoint import EndpointTeacher
from preceptor.llm.requantise import fast_weights
from preceptor.llm.settings import EmbeddedSettings, EndpointSettings
from preceptor.store.fingerprint import file_hash

from .faulty import FaultyServer
from .proxy import FAULTS, PASS, STORM, Proxy, proxy

ROWS = 40


def requests() -> list[Request]:
    return [
        Request((Message("user", f"Write the number {number} and one word."),))
        for number in range(ROWS)
    ]


@dataclass(frozen=True)
class Behind:
    """Asks all rows of a server through a proxy in front of it.

    Attributes:
        upstream: the server's address, without /v1.
        timeout: seconds of a call.
        cache: where answers are kept.
    """

    upstream: str
    timeout: float
    cache: AnswerCache

    def ask(self, share: float, seed: int, retries: int) -> tuple[list[Answer | Failure], Proxy]:
        with (
            proxy(self.upstream, share, seed, stall=self.timeout + 1) as faulty,
            EndpointTeacher(self.settings(faulty, retries), self.cache, first_wait=0.05) as teacher,
        ):
            outcomes = teacher.ask(requests(), "asking")
            assert teacher.usage.calls == ROWS
        return outcomes, faulty

    def settings(self, faulty: Proxy, retries: int) -> EndpointSettings:
        return EndpointSettings(
            engine="endpoint",
            model="smollm2",
            base_url=f"{faulty.url}/v1",
            key_env="PROXY_KEY",
            concurrency=8,
            timeout=self.timeout,
            retries=retries,
            max_failures=1.0,
            parameters={"max_tokens": 24, "temperature": 0.3, "seed": 1},
        )


def check(outcomes: list[Answer | Failure], faulty: Proxy, retries: int) -> None:
    """No row lost, none double, each with its own answer or a failure that has a reason."""
    assert len(outcomes) == len(faulty.calls) == ROWS
    for request, outcome in zip(requests(), outcomes, strict=True):
        seen = faulty.calls[request.messages[-1].content]
        if isinstance(outcome, Answer) or outcome.cause in KEPT_FAILURES:
            text = outcome.text if isinstance(outcome, Answer) else outcome.detail
            assert text == seen.texts[-1], "the row's own answer, of the last try"
            assert seen.fates[-1] == PASS
            assert seen.fates.count(PASS) == 1, "an answer that came is not asked for again"
        else:
            assert outcome.detail
            assert PASS not in seen.fates
            assert len(seen.fates) > retries
    failed = Counter(one.cause for one in outcomes if isinstance(one, Failure))
    lasting = set(failed) - KEPT_FAILURES
    assert not lasting if retries else len(lasting) >= 3, failed


def check_kept(cache: AnswerCache, outcomes: list[Answer | Failure]) -> None:
    kept = [one for one in outcomes if isinstance(one, Answer) or one.cause in KEPT_FAILURES]
    assert len(kept) >= ROWS // 3
    with sqlite3.connect(cache.path) as file:
        assert file.execute("SELECT count(*) FROM answers").fetchone() == (len(kept),)


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("retries", [0, 9])
def test_every_row_of_a_quick_server_ends_as_an_answer_or_a_typed_failure(
    server: FaultyServer,
    cache: AnswerCache,
    monkeypatch: pytest.MonkeyPatch,
    seed: int,
    retries: int,
) -> None:
    monkeypatch.setenv("PROXY_KEY", "sk-of-the-proxy")
    behind = Behind(server.url.removesuffix("/v1"), 1.0, cache)
    outcomes, faulty = behind.ask(0.4, seed, retries)
    met = Counter(fate for seen in faulty.calls.values() for fate in seen.fates)
    assert set(met) >= {*FAULTS, PASS} - {STORM}, f"the plan of seed {seed} is too tame: {met}"
    check(outcomes, faulty, retries)
    check_kept(cache, outcomes)


@pytest.fixture(scope="module")
def upstream(gguf: Path, shared_cache_folder: Path) -> Iterator[_Server]:
    settings = EmbeddedSettings(engine="embedded", slots=4, context=256, threads=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PRECEPTOR_CACHE", str(shared_cache_folder))
        running = _Server(settings, fast_weights(gguf, file_hash(gguf)))
    yield running
    running.stop()


@pytest.mark.slow
@pytest.mark.parametrize("retries", [0, 9])
def test_every_row_of_llama_cpp_ends_as_an_answer_or_a_typed_failure(
    upstream: _Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, retries: int
) -> None:
    monkeypatch.setenv("PROXY_KEY", upstream.key)
    calm = Behind(upstream.address, 600.0, AnswerCache(tmp_path / "calm.sqlite"))
    answers, _ = calm.ask(share=0.0, seed=0, retries=0)
    slowest = max(one.seconds for one in answers if isinstance(one, Answer))
    cache = AnswerCache(tmp_path / "answers.sqlite")
    # A stall is what takes far longer than this machine, busy as it may be, needs for a call.
    outcomes, faulty = Behind(upstream.address, 3 * slowest + 2, cache).ask(0.3, 1, retries)
    check(outcomes, faulty, retries)
    check_kept(cache, outcomes)

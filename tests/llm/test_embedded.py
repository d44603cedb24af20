"""SmolLM2 served by the real llama.cpp."""

from __future__ import annotations

import importlib.metadata
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from preceptor.errors import PreceptorError, TeacherError
from preceptor.llm import identity_of, open_teacher
from preceptor.llm.cache import AnswerCache
from preceptor.llm.chat import Answer, Failure, Message, Request
from preceptor.llm.embedded import EmbeddedTeacher
from preceptor.llm.requantise import fast_weights
from preceptor.llm.settings import EmbeddedSettings
from preceptor.store.fingerprint import file_hash

from .conftest import ask_for

SETTINGS = EmbeddedSettings(
    engine="embedded", slots=2, context=256, threads=1, parameters={"max_tokens": 8}
)
CAPITAL = "The capital of France is"


@pytest.fixture(scope="session")
def fast(gguf: Path, shared_cache_folder: Path) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PRECEPTOR_CACHE", str(shared_cache_folder))
        return fast_weights(gguf, file_hash(gguf))


@pytest.fixture(scope="module")
def teacher(
    gguf: Path, fast: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[EmbeddedTeacher]:
    cache = AnswerCache(tmp_path_factory.mktemp("embedded") / "answers.sqlite")
    with EmbeddedTeacher(SETTINGS, gguf, cache) as running:
        yield running
        assert running.running
        children = psutil.Process().children()
    assert not any(child.is_running() for child in children), "the server must end with it"


def test_it_answers_from_what_it_knows(teacher: EmbeddedTeacher) -> None:
    messages = (Message("system", "Answer with one word."), Message("user", CAPITAL))
    (answer,) = teacher.ask([Request(messages, {"temperature": 0, "max_tokens": 40})], "asking")
    assert isinstance(answer, Answer)
    assert "Paris" in answer.text
    assert answer.prompt_tokens > 10
    assert answer.completion_tokens > 0


def test_its_size_and_memory_are_those_of_its_server(teacher: EmbeddedTeacher, fast: Path) -> None:
    assert EmbeddedTeacher(SETTINGS, teacher._gguf, teacher._cache).footprint == {}
    teacher.ask([ask_for(CAPITAL)], "asking")
    (server,) = psutil.Process().children()
    found = teacher.footprint
    assert found["weights_bytes"] == fast.stat().st_size
    assert found["memory_bytes"] >= server.memory_info().rss > 0


def test_its_failures_are_typed(teacher: EmbeddedTeacher) -> None:
    requests = [ask_for("word " * 400), ask_for("Count from one to one hundred.", max_tokens=3)]
    too_long, truncated = teacher.ask(requests, "asking")
    assert isinstance(too_long, Failure)
    assert (too_long.cause, truncated) != ("", None)
    assert too_long.cause == "too_long"
    assert "256" in too_long.detail
    assert isinstance(truncated, Failure)
    assert truncated.cause == "truncated"
    assert truncated.completion_tokens == 3


def test_prompt_and_answer_that_outgrow_the_context_are_truncated(teacher: EmbeddedTeacher) -> None:
    text = "word " * 200 + "Write a long story about these words."
    (failure,) = teacher.ask([ask_for(text, max_tokens=500, ignore_eos=True)], "asking")
    assert isinstance(failure, Failure)
    assert failure.cause == "truncated"


def test_sampling_is_seeded_by_the_request(teacher: EmbeddedTeacher) -> None:
    def draw(sample: int) -> str:
        request = ask_for("Invent a name.", sample=sample, temperature=1.5, max_tokens=12)
        (outcome,) = teacher.ask([request], "asking")
        return outcome.text if isinstance(outcome, Answer) else outcome.detail

    first = draw(0)
    teacher._cache.close()
    for path in teacher._cache.path.parent.iterdir():
        path.unlink()
    assert draw(0) == first
    assert len({draw(sample) for sample in range(1, 5)} | {first}) > 2


def test_a_fully_cached_run_starts_no_server(teacher: EmbeddedTeacher, gguf: Path) -> None:
    request = ask_for("Say hello.", max_tokens=30)
    (answer,) = teacher.ask([request], "asking")
    assert isinstance(answer, Answer)
    with EmbeddedTeacher(SETTINGS, gguf, AnswerCache(teacher._cache.path)) as other:
        (again,) = other.ask([request], "asking")
        assert isinstance(again, Answer)
        assert again.cached
        assert again.text == answer.text
        assert not other.running


def test_its_identity_is_known_without_it(teacher: EmbeddedTeacher, gguf: Path) -> None:
    identity = identity_of(SETTINGS)
    assert identity == teacher.identity
    assert identity["weights"] == file_hash(gguf)
    assert identity["engine_version"] == importlib.metadata.version("xllamacpp")
    assert "127.0.0.1" not in str(identity)
    assert identity_of(SETTINGS.model_copy(update={"slots": 3})) != identity
    assert identity_of(SETTINGS.model_copy(update={"threads": 2})) == identity


def test_it_writes_nothing_to_the_terminal(
    teacher: EmbeddedTeacher, capfd: pytest.CaptureFixture[str]
) -> None:
    teacher.ask([ask_for("Say hi.", max_tokens=20)], "asking")
    out, err = capfd.readouterr()
    assert (out + err).strip() == ""


def test_weights_that_cannot_be_served_are_told_with_the_log(
    tmp_path: Path, fast: Path, gguf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PRECEPTOR_CACHE", str(tmp_path))
    cut = tmp_path / "gguf" / f"{file_hash(gguf)}-q8_0.gguf"
    cut.parent.mkdir()
    cut.write_bytes(fast.read_bytes()[: 20 << 20])
    cache = AnswerCache(tmp_path / "answers.sqlite")
    with (
        EmbeddedTeacher(SETTINGS, gguf, cache) as broken,
        pytest.raises(TeacherError, match="cannot serve these weights") as caught,
    ):
        broken.ask([ask_for("a")], "asking")
    assert "bounds" in str(caught.value)


def test_a_server_that_dies_is_told(gguf: Path, fast: Path, tmp_path: Path) -> None:
    with EmbeddedTeacher(SETTINGS, gguf, AnswerCache(tmp_path / "answers.sqlite")) as dying:
        dying.ask([ask_for("a", max_tokens=1)], "asking")
        assert dying._server is not None
        dying._server._process.kill()
        with pytest.raises(TeacherError, match="stopped in the middle"):
            dying.ask([ask_for("b", max_tokens=1)], "asking")


ASKER = """
import os, sys, time
from pathlib import Path
from preceptor.llm import open_teacher
from preceptor.llm.chat import Message, Request
from preceptor.llm.settings import EmbeddedSettings
settings = EmbeddedSettings(
    engine="embedded", slots=1, context=256, threads=1, parameters={"max_tokens": 2}
)
teacher = open_teacher(settings, Path(sys.argv[1]))
teacher.ask([Request((Message("user", "a"),))], "asking")
print(teacher._server._process.pid, flush=True)
time.sleep(60)
"""


def test_no_server_outlives_a_killed_run(fast: Path, tmp_path: Path) -> None:
    asker = subprocess.Popen(
        [sys.executable, "-c", ASKER, str(tmp_path / "answers.sqlite")],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert asker.stdout is not None
    pid = int(asker.stdout.readline())
    served = psutil.Process(pid)
    os.kill(asker.pid, signal.SIGKILL)
    asker.wait()
    until = time.monotonic() + 5
    while served.is_running() and served.status() != "zombie" and time.monotonic() < until:
        time.sleep(0.02)
    assert not served.is_running() or served.status() == "zombie"


def test_without_xllamacpp_the_fix_is_named(
    gguf: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def missing(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr("preceptor.llm.embedded.version", missing)
    for action in (identity_of, lambda s: open_teacher(s, tmp_path / "a.sqlite")):
        with pytest.raises(TeacherError, match=r"pip install 'preceptor\[embedded\]'"):
            action(SETTINGS)


def test_weights_that_are_not_there_are_told(tmp_path: Path) -> None:
    settings = SETTINGS.model_copy(update={"weights": "nowhere/model.gguf"})
    with pytest.raises(PreceptorError, match=r"nowhere/model\.gguf"):
        open_teacher(settings, tmp_path / "a.sqlite", base_dir=tmp_path)


def test_imports_stay_light() -> None:
    code = (
        "import sys, preceptor.llm, preceptor.llm.endpoint, preceptor.llm.embedded;"
        "heavy = {'torch', 'transformers', 'openai', 'httpx2', 'gguf', 'xllamacpp', 'numpy'};"
        "sys.exit(', '.join(heavy & set(sys.modules)) or 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)

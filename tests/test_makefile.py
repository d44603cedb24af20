"""The Makefile installs the CPU build of torch where its index answers, and waits for no other."""

from __future__ import annotations

import socket
import subprocess
import threading
import time
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def torch_line(index: str) -> str:
    """The command that would install torch; nothing is installed."""
    command = ["make", "-n", "-B", ".venv/installed", f"TORCH_INDEX={index}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    (line,) = [line for line in done.stdout.splitlines() if "torch==" in line]
    return line


def test_the_cpu_build_comes_from_its_index(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *args: object) -> None:
            pass

    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cpu" / "torch").mkdir(parents=True)
    with ThreadingHTTPServer(("127.0.0.1", 0), Quiet) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        try:
            assert f"--extra-index-url {url}/cpu torch==" in torch_line(f"{url}/cpu")
            assert "index" not in torch_line(f"{url}/nothing-there")
        finally:
            server.shutdown()


def test_an_index_that_never_answers_is_left_out_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        started = time.monotonic()
        assert "index" not in torch_line(f"http://127.0.0.1:{silent.getsockname()[1]}")
        assert time.monotonic() - started < 10


def test_without_an_index_pip_goes_where_it_goes() -> None:
    assert "index" not in torch_line("")

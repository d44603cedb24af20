"""A chat-completions server on loopback that fails as it is told to."""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal


@dataclass(frozen=True)
class Reply:
    """What the server does with one call."""

    status: int = 200
    body: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = "application/json"
    wait: float = 0.0
    reset: bool = False
    cut: Literal["", "reset", "close", "stall"] = ""
    """what happens when half of the body is sent; a stall lasts a second"""


def completion(text: str | None, finish: str = "stop", **message: Any) -> str:
    message = {"role": "assistant", "content": text, **message}
    usage = {"prompt_tokens": 7, "completion_tokens": 3}
    choice = {"index": 0, "message": message, "finish_reason": finish}
    return json.dumps({"object": "chat.completion", "choices": [choice], "usage": usage})


def error(status: int, message: str, **told: Any) -> Reply:
    return Reply(status, json.dumps({"error": {"message": message, **told}}))


RESET = Reply(reset=True)
BUSY = error(429, "too many requests")


def _echo(body: dict[str, Any]) -> str:
    return "echo: " + str(body["messages"][-1]["content"])


class _Http(ThreadingHTTPServer):
    # With Python's own 5, connections that come at once are reset on a busy machine.
    request_queue_size = 256


class FaultyServer:
    """Answers "echo: <last message>" unless told otherwise; counts what it is asked.

    ``replies`` are given first, one each; ``compose`` writes an answer to a call's body.
    """

    def __init__(self) -> None:
        self.replies: deque[Reply] = deque()
        self.always: Reply | None = None
        self.compose: Callable[[dict[str, Any]], str] = _echo
        self.bodies: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.times: list[float] = []
        self.running = self.most_running = 0
        self.lock = threading.Lock()
        self.http = _Http(("127.0.0.1", 0), _handler(self))
        self.http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}/v1"

    @property
    def calls(self) -> int:
        return len(self.bodies)

    def next_reply(self, body: dict[str, Any], headers: dict[str, str]) -> Reply:
        with self.lock:
            self.bodies.append(body)
            self.headers.append(headers)
            self.times.append(time.monotonic())
            self.running += 1
            self.most_running = max(self.most_running, self.running)
            if self.replies:
                return self.replies.popleft()
        return self.always or Reply()


def takes_at_most(server: FaultyServer, calls: Callable[[], int], wait: float) -> list[int]:
    """Have the server turn away, as slowly as it answers, what is more than so many calls at once.

    Returns:
        How many calls were running when each came, itself among them.
    """
    give = server.next_reply
    lock = threading.Lock()
    running = 0
    seen: list[int] = []

    def reply(body: dict[str, Any], headers: dict[str, str]) -> Reply:
        nonlocal running
        given = give(body, headers)
        with lock:
            running += 1
            seen.append(running)
            taken = running <= calls()
        time.sleep(wait)
        # Before the reply: a caller that has it must not be counted any more.
        with lock:
            running -= 1
        return given if taken else BUSY

    server.next_reply = reply  # type: ignore[method-assign]
    return seen


def refuses(server: FaultyServer, refusal: Callable[[dict[str, Any]], Reply | None]) -> None:
    """Have the server answer a call with ``refusal`` of its body, where that is not None."""
    give = server.next_reply

    def reply(body: dict[str, Any], headers: dict[str, str]) -> Reply:
        given = give(body, headers)
        return refusal(body) or given

    server.next_reply = reply  # type: ignore[method-assign]


@contextmanager
def faulty_server() -> Iterator[FaultyServer]:
    server = FaultyServer()
    thread = threading.Thread(target=server.http.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.http.shutdown()
        server.http.server_close()
        thread.join()


def _handler(server: FaultyServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            reply = server.next_reply(
                body, {name.lower(): value for name, value in self.headers.items()}
            )
            try:
                time.sleep(reply.wait)
                if reply.reset:
                    self._reset()
                else:
                    self._send(reply, body)
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True
            finally:
                with server.lock:
                    server.running -= 1

        def _send(self, reply: Reply, body: dict[str, Any]) -> None:
            text = reply.body
            if text is None:
                text = completion(server.compose(body))
            data = text.encode()
            self.send_response(reply.status)
            self.send_header("Content-Type", reply.content_type)
            self.send_header("Content-Length", str(len(data)))
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data[: len(data) // 2] if reply.cut else data)
            if reply.cut:
                self._cut(reply)

        def _cut(self, reply: Reply) -> None:
            self.wfile.flush()
            self.close_connection = True
            if reply.cut == "stall":
                time.sleep(1.0)
            elif reply.cut == "reset":
                self._reset()

        def _reset(self) -> None:
            # Linger 0: the peer sees RST, not an orderly end.
            linger = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.connection.close()
            self.close_connection = True

        def log_message(self, *args: object) -> None:
            pass

    return Handler


if __name__ == "__main__":
    with faulty_server() as alone:
        alone.always = Reply(wait=0.05)
        print(alone.url, flush=True)
        threading.Event().wait()

"""A proxy in front of a real server that injects faults by a plan drawn from a seed."""

from __future__ import annotations

import asyncio
import json
import random
import socket
import struct
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

STORM = "429 for a while"
FAULTS = ("429", STORM, "500", "reset", "stall", "half JSON", "wrong content type")
PASS = "pass"


@dataclass
class Seen:
    """What happened to the calls with one and the same last message, in order.

    Attributes:
        fates: a fault's name, or :data:`PASS`.
        texts: what the real server wrote, whether or not it was passed on whole.
    """

    fates: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)


class Proxy:
    """Forwards chat completions to ``upstream`` unless its plan says otherwise.

    Args:
        upstream: the real server's address (``http://127.0.0.1:8080``).
        share: of the calls that meet a fault.
        seed: draws which, and what kind.
        stall: seconds that a stalled reply is held.
    """

    def __init__(self, upstream: str, share: float, seed: int, stall: float) -> None:
        parts = urlsplit(upstream)
        self._upstream = (parts.hostname, parts.port)
        self._share = share
        self._chance = random.Random(seed)
        self._stall = stall
        self._storm = 0
        self._deck: list[str] = []
        self.calls: dict[str, Seen] = defaultdict(Seen)
        self.url = ""

    def fate(self) -> str:
        """What the plan has for the next call."""
        if self._storm:
            self._storm -= 1
            return "429"
        if self._chance.random() >= self._share:
            return PASS
        if not self._deck:
            self._deck = self._chance.sample(FAULTS, len(FAULTS))
        drawn = self._deck.pop()
        if drawn == STORM:
            self._storm = 4
            return "429"
        return drawn

    async def serve(self, started: asyncio.Event) -> None:
        server = await asyncio.start_server(self._talk, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        started.set()
        async with server:
            await server.serve_forever()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # A client that went away is part of the game.
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            while not writer.is_closing():
                head = await reader.readuntil(b"\r\n\r\n")
                body = await reader.readexactly(_length(head))
                await self._answer(head, body, writer)
        writer.close()

    async def _answer(self, head: bytes, body: bytes, writer: asyncio.StreamWriter) -> None:
        seen = self.calls[json.loads(body)["messages"][-1]["content"]]
        fate = self.fate()
        seen.fates.append(fate)
        if fate == "429":
            writer.write(_reply(b'{"error": {"message": "slow down"}}', 429, b"Retry-After: 0.2"))
        elif fate == "500":
            writer.write(_reply(b'{"error": {"message": "oops"}}', 500))
        elif fate == "wrong content type":
            writer.write(_reply(b"<html>Sign in to the network</html>", kind=b"text/html"))
        else:
            status, told = await self._forward(head, body)
            if status == 200:
                seen.texts.append(json.loads(told)["choices"][0]["message"]["content"])
            await self._pass_on(fate, status, told, writer)
        await writer.drain()

    async def _pass_on(
        self, fate: str, status: int, told: bytes, writer: asyncio.StreamWriter
    ) -> None:
        whole = _reply(told, status)
        if fate == PASS:
            writer.write(whole)
        elif fate == "half JSON":
            writer.write(_reply(told[: len(told) // 2]))
        else:
            writer.write(whole[: len(whole) - len(told) // 2])
            await writer.drain()
            await asyncio.sleep(self._stall if fate == "stall" else 0.01)
            _reset(writer)

    async def _forward(self, head: bytes, body: bytes) -> tuple[int, bytes]:
        reader, writer = await asyncio.open_connection(*self._upstream)
        try:
            first, *lines = head.rstrip(b"\r\n").split(b"\r\n")
            kept = [line for line in lines if not line.lower().startswith(b"connection:")]
            writer.write(b"\r\n".join([first, *kept, b"Connection: close", b"", body]))
            await writer.drain()
            head = await reader.readuntil(b"\r\n\r\n")
            return int(head.split()[1]), await reader.readexactly(_length(head))
        finally:
            writer.close()


def _length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.split(b":")[1])
    raise ValueError(f"no length: {head!r}")


def _reply(
    body: bytes, status: int = 200, more: bytes = b"X: y", kind: bytes = b"application/json"
) -> bytes:
    lines = [b"HTTP/1.1 %d X" % status, b"Content-Type: " + kind, more]
    return b"\r\n".join([*lines, b"Content-Length: %d" % len(body), b"", body])


def _reset(writer: asyncio.StreamWriter) -> None:
    """Linger 0: the peer sees RST, not an orderly end."""
    told: Any = writer.get_extra_info("socket")
    told.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


@contextmanager
def proxy(upstream: str, share: float, seed: int, stall: float) -> Iterator[Proxy]:
    """A running proxy, in a thread of its own."""
    running = Proxy(upstream, share, seed, stall)
    loop = asyncio.new_event_loop()
    started = asyncio.Event()
    task = loop.create_task(running.serve(started))
    loop.run_until_complete(started.wait())
    thread = threading.Thread(target=lambda: _run(loop, task), daemon=True)
    thread.start()
    try:
        yield running
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join(timeout=10)


def _run(loop: asyncio.AbstractEventLoop, task: asyncio.Task[None]) -> None:
    with suppress(asyncio.CancelledError):
        loop.run_until_complete(task)
    loop.run_until_complete(_hang_up())
    loop.close()


async def _hang_up() -> None:
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for one in left:
        one.cancel()
    await asyncio.gather(*left, return_exceptions=True)

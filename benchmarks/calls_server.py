"""A chat-completions server on loopback that answers each call after a fixed time.

    python -m benchmarks.calls_server LATENCY_MS

Prints its address; then, for every line on stdin, how many calls it has had, how many were in
flight at most, and after how many milliseconds from the first call on that was so; ends with
stdin. Plain asyncio, no framework: it must not be what is measured.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

ANSWER = "An answer of some two hundred characters, as a rewritten question would be. " * 3
BODY = json.dumps(
    {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "bench",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": ANSWER},
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": 150, "completion_tokens": 50, "total_tokens": 200},
    }
).encode()
REPLY = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: "
    + str(len(BODY)).encode()
    + b"\r\n\r\n"
    + BODY
)


class Server:
    """Counts what it is asked.

    Args:
        latency: seconds from a whole request to its reply.
    """

    def __init__(self, latency: float) -> None:
        self._latency = latency
        self.calls = self.running = self.most = 0
        self.first = self.most_at = 0.0

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                await reader.readexactly(_length(head))
                await self._answer(writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def _answer(self, writer: asyncio.StreamWriter) -> None:
        now = time.monotonic()
        self.first = self.first or now
        self.calls += 1
        self.running += 1
        if self.running > self.most:
            self.most, self.most_at = self.running, now
        if self._latency:
            await asyncio.sleep(self._latency)
        self.running -= 1
        writer.write(REPLY)

    def told(self) -> str:
        """What was counted since the last time, as a JSON line."""
        after = 1000 * (self.most_at - self.first)
        found = {"calls": self.calls, "most": self.most, "most_after_ms": round(after, 1)}
        self.calls = self.most = 0
        self.first = self.most_at = 0.0
        return json.dumps(found)


def _length(head: bytes) -> int:
    place = head.lower().index(b"content-length:")
    return int(head[place + 15 : head.index(b"\r\n", place)])


async def main(latency: float) -> None:
    """Serve until stdin ends."""
    counting = Server(latency)
    server = await asyncio.start_server(counting.talk, "127.0.0.1", 0, backlog=512)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", flush=True)
    loop = asyncio.get_running_loop()
    while await loop.run_in_executor(None, sys.stdin.readline):
        print(counting.told(), flush=True)
    server.close()


if __name__ == "__main__":
    asyncio.run(main(float(sys.argv[1]) / 1000))

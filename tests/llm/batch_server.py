"""OpenAI's files and batches on loopback, failing as it is told to."""

from __future__ import annotations

import json
import re
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from .faulty import Reply, completion

Line = dict[str, Any]


@dataclass(frozen=True)
class Fault:
    """What happens to one call of a route.

    ``acts``: the server does its work all the same; ``cut``: it sends half of what came of it.
    """

    reply: Reply = field(default_factory=Reply)
    acts: bool = False
    cut: bool = False


@dataclass
class Fate:
    """How a batch ends: ``row`` makes each output or error line, None leaves the row out."""

    status: str = "completed"
    row: Callable[[Line], Line | str | None] | None = None
    errors: list[dict[str, Any]] = field(default_factory=list)


def answered(line: Line, text: str | None = None, **more: Any) -> Line:
    said = text if text is not None else f"echo: {line['body']['messages'][-1]['content']}"
    return replied(line, 200, json.loads(completion(said, **more)))


def replied(line: Line, status: int, body: Any) -> Line:
    response = {"status_code": status, "request_id": "r", "body": body}
    return {"id": "x", "custom_id": line["custom_id"], "response": response, "error": None}


def failed(line: Line, code: str, message: str = "sorry") -> Line:
    error = {"code": code, "message": message}
    return {"id": "x", "custom_id": line["custom_id"], "response": None, "error": error}


class BatchServer:
    """Ends every batch at the second look at it, with "echo: ..." in each row, unless told.

    ``fates`` are those of the next batches; ``hold`` keeps all in progress. ``faults`` by
    route, such as "POST /batches", are used up one a call.
    """

    def __init__(self) -> None:
        self.fates: deque[Fate] = deque()
        self.faults: defaultdict[str, deque[Fault]] = defaultdict(deque)
        self.hold = False
        self.files: dict[str, bytes] = {}
        self.batches: dict[str, dict[str, Any]] = {}
        self.routes: list[str] = []
        self.plain: list[Line] = []
        self.paid: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.lock = threading.Lock()
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}/v1"

    def lines(self, batch: dict[str, Any]) -> list[Line]:
        return [json.loads(line) for line in self.files[batch["input_file_id"]].splitlines()]

    def asked(self) -> list[list[str]]:
        """The last messages of each batch's requests."""
        return [
            [line["body"]["messages"][-1]["content"] for line in self.lines(batch)]
            for batch in self.batches.values()
        ]

    def upload(self, body: bytes, content_type: str) -> dict[str, Any]:
        boundary = re.search(r"boundary=([^;]+)", content_type)
        assert boundary is not None
        parts = body.split(b"--" + boundary[1].strip('"').encode())
        named = {_name(part): part.split(b"\r\n\r\n", 1)[1][:-2] for part in parts[1:-1]}
        assert named["purpose"] == b"batch"
        return self.keep(named["file"])

    def keep(self, content: bytes) -> dict[str, Any]:
        id = f"file-{len(self.files)}"
        self.files[id] = content
        return {"id": id, "object": "file", "purpose": "batch", "bytes": len(content)}

    def create(self, told: dict[str, Any]) -> dict[str, Any]:
        assert told["endpoint"] == "/v1/chat/completions"
        assert told["completion_window"] == "24h"
        id = f"batch_{len(self.batches)}"
        made = {**told, "id": id, "object": "batch", "status": "validating"}
        made |= {"created_at": int(time.time()), "looks": 0}
        total = len(self.lines(made))
        made["request_counts"] = {"total": total, "completed": 0, "failed": 0}
        made["fate"] = self.fates.popleft() if self.fates else Fate()
        self.batches[id] = made
        return made

    def look(self, id: str) -> dict[str, Any]:
        batch = self.batches[id]
        counts = batch["request_counts"]
        if batch["status"] in ("validating", "in_progress"):
            batch["looks"] += 1
            batch["status"] = "in_progress"
            counts["completed"] = counts["total"] // 2
            if batch["looks"] > 1 and not self.hold:
                self.end(batch)
        return batch

    def end(self, batch: dict[str, Any]) -> None:
        fate: Fate = batch["fate"]
        batch["status"] = fate.status
        if fate.status == "failed":
            batch["errors"] = {"object": "list", "data": fate.errors}
            return
        good, bad = [], []
        # The order of a batch's output is not that of its input.
        for line in reversed(self.lines(batch)):
            row = (fate.row or answered)(line)
            if row is None:
                continue
            text = row if isinstance(row, str) else json.dumps(row, ensure_ascii=False)
            well = isinstance(row, str) or (row["response"] or {}).get("status_code") == 200
            (good if well else bad).append(text)
            if well:
                self.paid.append(line["body"]["messages"][-1]["content"])
        for name, texts in (("output_file_id", good), ("error_file_id", bad)):
            if texts:
                batch[name] = self.keep(("\n".join(texts) + "\n").encode())["id"]

    def list(self, after: str | None) -> dict[str, Any]:
        newest = list(reversed(self.batches.values()))
        ids = [batch["id"] for batch in newest]
        start = ids.index(after) + 1 if after else 0
        # Pages of two, so that paging is seen to.
        return {"data": newest[start : start + 2], "has_more": start + 2 < len(newest)}


@contextmanager
def batch_server() -> Iterator[BatchServer]:
    server = BatchServer()
    thread = threading.Thread(target=server.http.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.http.shutdown()
        server.http.server_close()
        thread.join()


def _name(part: bytes) -> str:
    found = re.search(rb'name="([^"]+)"', part)
    assert found is not None
    return found[1].decode()


def _handler(server: BatchServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._serve("GET")

        def do_POST(self) -> None:
            self._serve("POST")

        def _serve(self, method: str) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            path, _, query = self.path.removeprefix("/v1").partition("?")
            route = f"{method} {re.sub(r'/(file-|batch_)[0-9]+', '/ID', path)}"
            with server.lock:
                server.routes.append(route)
                server.headers.append({name.lower(): one for name, one in self.headers.items()})
                fault = server.faults[route].popleft() if server.faults[route] else None
                done = b"" if fault and not fault.acts else self._act(route, path, query, body)
            try:
                if fault is None or fault.cut:
                    self._send(Reply(), done, cut=fault is not None)
                else:
                    time.sleep(fault.reply.wait)
                    self._send(fault.reply, (fault.reply.body or "").encode())
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True

        def _act(self, route: str, path: str, query: str, body: bytes) -> bytes:
            id = path.split("/")[2] if path.count("/") > 1 else ""
            if route == "POST /files":
                return _json(server.upload(body, self.headers["Content-Type"]))
            if route == "POST /batches":
                return _json(server.create(json.loads(body)))
            if route == "GET /batches":
                after = re.search(r"after=([^&]+)", query)
                return _json(server.list(after[1] if after else None))
            if route == "GET /batches/ID":
                return _json(server.look(id))
            if route == "GET /files/ID/content":
                return server.files[id]
            assert route == "POST /chat/completions", route
            told = json.loads(body)
            server.plain.append(told)
            return completion(f"echo: {told['messages'][-1]['content']}").encode()

        def _send(self, reply: Reply, data: bytes, cut: bool = False) -> None:
            if reply.reset:
                self.connection.close()
                self.close_connection = True
                return
            self.send_response(reply.status)
            self.send_header("Content-Type", reply.content_type)
            self.send_header("Content-Length", str(len(data)))
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data[: len(data) // 2] if cut else data)
            self.close_connection = self.close_connection or cut

        def log_message(self, *args: object) -> None:
            pass

    return Handler


def _json(value: dict[str, Any]) -> bytes:
    return json.dumps(value, default=lambda fate: None).encode()

"""What is known on disk of the batches that a server works on, so that nothing is paid twice."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from filelock import FileLock

from preceptor.errors import PreceptorError
from preceptor.llm.chat import Request
from preceptor.store.atomic import new_file, write_json
from preceptor.store.fingerprint import fingerprint

KEPT_FOR = 31 * 86400.0
"""seconds until a record is forgotten: OpenAI deletes a batch's files after 30 days"""


@dataclass(frozen=True, slots=True)
class Pending:
    """A batch from the moment it is meant to be until its answers are in the cache.

    Attributes:
        tag: our own name for it, in its metadata at the server too.
        created: when it was meant to be, in Unix seconds.
        samples: its requests' cache keys, each with the request's sample index.
        file_id: the server's name of its file; written before the batch is made.
        batch_id: the server's name of the batch, once it has told it.
    """

    tag: str
    created: float
    samples: Mapping[str, int]
    file_id: str | None = None
    batch_id: str | None = None


class BatchFolder:
    """The batches of one model at one address, for all processes that ask it.

    Two files a batch: ``TAG.jsonl`` holds its requests as they are sent, ``TAG.json`` the
    rest. They hold the user's examples, as the cache of answers does.

    Args:
        root: the folder of all batches.
        base_url: the server's address.
        model: the model's name there.
    """

    def __init__(self, root: Path, base_url: str, model: str) -> None:
        self.path = root / fingerprint([base_url, model])[:32]

    def lock(self) -> FileLock:
        """Hold it to decide which requests go into new batches."""
        self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        return FileLock(self.path / "plan.lock")

    def lock_of(self, tag: str) -> FileLock:
        """Hold it to bring a batch to the server."""
        return FileLock(self.path / f"{tag}.lock")

    def pending(self) -> list[Pending]:
        """All batches, in the order of their making, less those that no server still keeps."""
        found = [self.read(path.stem) for path in sorted(self.path.glob("*.json"))]
        known = sorted((one for one in found if one is not None), key=lambda one: one.created)
        for one in known:
            if one.created < time.time() - KEPT_FOR:
                self.forget(one.tag)
        return [one for one in known if one.created >= time.time() - KEPT_FOR]

    def read(self, tag: str) -> Pending | None:
        """A batch as it stands; None once it is forgotten.

        Raises:
            PreceptorError: the file is damaged.
        """
        path = self.record(tag)
        try:
            return Pending(**json.loads(path.read_text("utf-8")))
        except FileNotFoundError:
            return None
        except (ValueError, TypeError) as error:
            raise PreceptorError(
                "the record of a batch is damaged",
                where=str(path),
                found=error,
                fix="delete it; the batch's answers will then be asked, and paid, again",
            ) from error

    def add(self, rows: Iterable[tuple[str, Request, bytes]]) -> Pending:
        """Write down a new batch, before anything of it is sent.

        Args:
            rows: cache key, request and line of each.
        """
        tag, samples = uuid4().hex, {}
        with new_file(self.requests(tag)) as draft, draft.open("wb") as file:
            for key, request, line in rows:
                samples[key] = request.sample
                file.write(line)
        return self.write(Pending(tag, time.time(), samples))

    def write(self, pending: Pending) -> Pending:
        """Write down how a batch stands now."""
        write_json(self.record(pending.tag), asdict(pending))
        return pending

    def forget(self, tag: str) -> None:
        """Remove a batch that is done with."""
        # The record goes first: without it the others mean nothing.
        for path in (self.record(tag), self.requests(tag), self.path / f"{tag}.lock"):
            path.unlink(missing_ok=True)

    def sent(self, pending: Pending, keys: Collection[str]) -> Iterator[tuple[str, dict[str, Any]]]:
        """Some of a batch's requests: their messages, parameters as sent, and sample indexes."""
        try:
            lines = self.requests(pending.tag).read_bytes().splitlines()
        except FileNotFoundError:
            return  # another process is done with this batch, and has kept its answers
        for line in lines:
            told = json.loads(line)
            if (key := told["custom_id"]) in keys:
                yield key, _as_asked(told["body"], pending.samples[key])

    def record(self, tag: str) -> Path:
        """The file that says how a batch stands."""
        return self.path / f"{tag}.json"

    def requests(self, tag: str) -> Path:
        """The file of a batch's requests."""
        return self.path / f"{tag}.jsonl"

    def answers(self, tag: str) -> Path:
        """A file for a batch's answers on their way to the cache, each process its own."""
        return self.path / f"{tag}.{os.getpid()}.answers"


def split(
    rows: Iterable[tuple[str, Request, bytes]], most_rows: int, most_bytes: int
) -> Iterator[list[tuple[str, Request, bytes]]]:
    """Cut rows into lots that a server takes as one file; none is larger by itself.

    Args:
        rows: cache key, request and line of each.
        most_rows: rows of a lot at most.
        most_bytes: bytes of a lot's lines at most.
    """
    lot: list[tuple[str, Request, bytes]] = []
    size = 0
    for row in rows:
        if lot and (len(lot) == most_rows or size + len(row[2]) > most_bytes):
            yield lot
            lot, size = [], 0
        lot.append(row)
        size += len(row[2])
    if lot:
        yield lot


def _as_asked(body: Mapping[str, Any], sample: int) -> dict[str, Any]:
    parameters = {name: body[name] for name in body if name not in ("model", "messages")}
    return {"messages": body["messages"], "parameters": parameters, "sample": sample}

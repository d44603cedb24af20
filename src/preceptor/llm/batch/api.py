"""OpenAI's files and batches over HTTP, as many servers have them."""

from __future__ import annotations

import itertools
import json
import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

from preceptor.errors import TeacherError
from preceptor.llm.batch.rows import PATH
from preceptor.llm.calls import replies
from preceptor.llm.calls.connection import open_client
from preceptor.llm.calls.line import FIRST_WAIT, LONGEST_ASKED_WAIT, LONGEST_WAIT
from preceptor.llm.settings import EndpointSettings

if TYPE_CHECKING:
    import openai

T = TypeVar("T")
PATIENCE = 3600.0
"""seconds in which a server may be out of reach while it works on a batch: nothing is lost"""
_TAG = "preceptor"
_SKEW = 86400.0
"""seconds by which a server's clock may be wrong"""
_ENDED = ("completed", "failed", "expired", "cancelled")


class RefusalError(TeacherError):
    """The server said no, and would say no again: nothing came of the call."""


class _TryAgain(Exception):  # noqa: N818 - a signal within this file, never an error seen outside
    def __init__(self, detail: str, wait: float | None = None) -> None:
        self.detail = detail
        self.wait = wait or 0.0
        super().__init__(detail)


@dataclass(frozen=True, slots=True)
class Job:
    """A batch as the server tells of it.

    Attributes:
        id: its name there.
        status: validating, in_progress, finalizing, completed, failed, expired, cancelling or
            cancelled.
        tag: our name of it, if it is one of ours.
        created: Unix seconds; none told counts as now.
        done: requests that are through, well or not.
        files: those of its answers and of its errors, as far as there are any.
        errors: code and words of each, where the server would not take the batch.
    """

    id: str
    status: str
    tag: str | None
    created: float
    done: int
    files: tuple[str, ...]
    errors: tuple[tuple[str, str], ...]

    @property
    def ended(self) -> bool:
        """Whether nothing more will come of it."""
        return self.status in _ENDED


class BatchApi:
    """One server's files and batches; a call is tried again where that can help.

    Args:
        settings: the server and how to call it.
        key: the API key, if the server needs one.
        first_wait: seconds before a failed call's second try.
    """

    def __init__(
        self, settings: EndpointSettings, key: str | None, first_wait: float = FIRST_WAIT
    ) -> None:
        import openai

        self._settings = settings
        self._key = key
        self._first_wait = first_wait
        self._client = open_client(settings, key, openai.OpenAI, openai.DefaultHttpxClient)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._client.close()

    def upload(self, path: Path) -> str:
        """Send a file of requests; the server's name of it.

        Raises:
            RefusalError: the server does not take it.
            TeacherError: the server cannot be reached.
        """

        def once() -> str:
            with path.open("rb") as file:
                sent = (path.name, file, "application/jsonl")
                reply = self._client.files.with_raw_response.create(file=sent, purpose="batch")
            return _read(reply.text, lambda told: str(told["id"]))

        return self._tried(once)

    def create(self, file_id: str, tag: str, window: str) -> Job:
        """Have the server work on a file.

        Raises:
            RefusalError: the server does not.
            TeacherError: the server cannot be reached; whether it made the batch is not known.
        """
        tries, since = itertools.count(), time.time()

        def once() -> Job:
            # A try that seemed to fail may have made the batch.
            found = self._found(tag, since) if next(tries) else None
            return found or self._created(file_id, tag, window)

        return self._tried(once)

    def find(self, tag: str, since: float) -> Job | None:
        """The batch of a tag, made after ``since`` (Unix seconds), if there is one.

        Raises:
            TeacherError: the server does not tell.
        """
        return self._tried(lambda: self._found(tag, since))

    def look(self, batch_id: str) -> Job:
        """How a batch stands. A server that is out of reach is waited for.

        Raises:
            RefusalError: the server does not tell.
            TeacherError: it was out of reach for an hour.
        """

        def once() -> Job:
            return _read(self._client.batches.with_raw_response.retrieve(batch_id).text, _job)

        return self._tried(once, PATIENCE)

    def download(self, file_id: str, path: Path) -> None:
        """Bring a file here.

        Raises:
            RefusalError: the server does not give it.
            TeacherError: it was out of reach for an hour.
        """

        def once() -> None:
            content = self._client.files.with_streaming_response.content
            with content(file_id) as reply, path.open("wb") as file:
                for part in reply.iter_bytes():
                    file.write(part)

        self._tried(once, PATIENCE)

    def without_key(self, line: bytes) -> bytes:
        """A line of a file, with the API key struck out as everywhere."""
        struck = replies.without(self._key, line.decode("latin-1"))
        return str(struck).encode("latin-1")

    def _created(self, file_id: str, tag: str, window: str) -> Job:
        told: dict[str, Any] = {
            "input_file_id": file_id,
            "endpoint": PATH,
            "completion_window": window,
            "metadata": {_TAG: tag},
        }
        return _read(self._client.batches.with_raw_response.create(**told).text, _job)

    def _found(self, tag: str, since: float) -> Job | None:
        more: dict[str, Any] = {}
        while True:
            reply = self._client.batches.with_raw_response.list(limit=100, **more)
            jobs, goes_on = _read(reply.text, _page)
            if found := next((job for job in jobs if job.tag == tag), None):
                return found
            # The newest come first.
            if not goes_on or not jobs or jobs[-1].created < since - _SKEW:
                return None
            more = {"after": jobs[-1].id}

    def _tried(self, call: Callable[[], T], patience: float = 0.0) -> T:
        started = time.monotonic()
        for tries in itertools.count(1):
            try:
                with self._told():
                    return call()
            except _TryAgain as problem:
                last = problem
            if tries > self._settings.retries and time.monotonic() - started >= patience:
                break
            time.sleep(self._pause(tries, last, patience))
        raise TeacherError(
            f"the teacher's server does not answer, after {tries} tries",
            where=self._settings.base_url,
            found=last.detail,
            fix="run again later: batches that the server has go on there and are collected then",
        )

    def _pause(self, tries: int, problem: _TryAgain, patience: float) -> float:
        if problem.wait > max(LONGEST_ASKED_WAIT, patience):
            raise TeacherError(
                f"the teacher's server asks to wait {problem.wait:.0f} seconds",
                where=self._settings.base_url,
                found=problem.detail,
                fix="run again after that; batches that the server has go on there",
            )
        longest = min(LONGEST_WAIT, self._first_wait * 2.0 ** min(tries - 1, 30))
        return max(problem.wait, random.uniform(0.5, 1.0) * longest)

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Tell what can be tried again from what cannot."""
        import httpx2
        import openai

        try:
            yield
        except openai.APIStatusError as error:
            raise self._status(error) from None
        except (openai.APIConnectionError, httpx2.HTTPError) as error:
            cause = error.__cause__ or error
            raise _TryAgain(f"{type(cause).__name__}: {cause}") from None

    def _status(self, error: openai.APIStatusError) -> Exception:
        status = error.status_code
        body = replies.without(self._key, error.body or error.response.text)
        if not replies.is_final(status, body):
            wait = replies.retry_after(error.response.headers)
            return _TryAgain(f"status {status}: {replies.server_message(body)}", wait)
        told = replies.stop(status, body, self._settings.base_url, self._settings.model, None)
        return RefusalError(
            f"the teacher's server refuses batches (status {status})",
            where=f"{told.where}: {error.request.method} {error.request.url.path}",
            found=told.found,
            fix=f"{told.fix}; or leave out the teacher's batch, if the server has none",
        )


def _read(text: str, read: Callable[[Any], T]) -> T:
    try:
        return read(json.loads(text))
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        raise _TryAgain(f"not what the batch API tells: {text[:300]}") from None


def _page(told: Mapping[str, Any]) -> tuple[list[Job], bool]:
    return [_job(one) for one in told["data"]], bool(told.get("has_more"))


def _job(told: Mapping[str, Any]) -> Job:
    counts = told.get("request_counts") or {}
    files = (told.get("output_file_id"), told.get("error_file_id"))
    errors = (told.get("errors") or {}).get("data") or []
    return Job(
        id=str(told["id"]),
        status=str(told["status"]).lower(),
        tag=(told.get("metadata") or {}).get(_TAG),
        created=float(told.get("created_at") or time.time()),
        done=int(counts.get("completed") or 0) + int(counts.get("failed") or 0),
        files=tuple(str(one) for one in files if one),
        errors=tuple((str(one.get("code")), str(one.get("message"))) for one in errors),
    )

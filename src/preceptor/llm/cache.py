"""Answers that were paid for once, kept for every later run."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock

from preceptor.errors import PreceptorError
from preceptor.llm.chat import Answer, Failure, FailureCause, Request
from preceptor.store.cache import VARIABLE, cache_folder
from preceptor.store.fingerprint import fingerprint

_VERSION = 2
_TABLE = """CREATE TABLE IF NOT EXISTS answers (
    key TEXT PRIMARY KEY,
    request TEXT NOT NULL,
    text TEXT NOT NULL,
    prompt_tokens INTEGER NOT NULL,
    completion_tokens INTEGER NOT NULL,
    seconds REAL NOT NULL,
    failure TEXT NOT NULL
)"""
KEPT_FAILURES: frozenset[FailureCause] = frozenset(["truncated", "refused", "empty"])
"""what a model itself answered and was paid for; another try takes another sample"""


def default_path() -> Path:
    """The file in the user's cache that all studies share."""
    return cache_folder() / "answers.sqlite"


class AnswerCache:
    """What models answered, by request, in one SQLite file that several processes may use at once.

    Every answer is one short transaction, so that it is there for the next run as soon as
    :meth:`put` returns, even if the process is killed then.

    Args:
        path: the file; made with its folder at first use.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._open: sqlite3.Connection | None = None

    @staticmethod
    def key(identity: Mapping[str, Any], request: Request, parameters: Mapping[str, Any]) -> str:
        """The fingerprint of everything that can change an answer.

        Args:
            identity: which model answers, as JSON values; never a key or a port.
            request: its messages and its sample index count.
            parameters: all sampling parameters as they are sent.
        """
        return fingerprint(
            {
                "identity": dict(identity),
                "messages": [[message.role, message.content] for message in request.messages],
                "parameters": dict(parameters),
                "sample": request.sample,
            }
        )

    def get(self, key: str) -> Answer | Failure | None:
        """What is kept under ``key``, an answer marked as cached; None if there is nothing.

        Raises:
            PreceptorError: the file is damaged, locked or cannot be opened.
        """
        query = (
            "SELECT text, prompt_tokens, completion_tokens, seconds, failure"
            " FROM answers WHERE key = ?"
        )
        with self._told() as connection:
            row = connection.execute(query, (key,)).fetchone()
        if row is None:
            return None
        text, prompt_tokens, completion_tokens, seconds, failure = row
        if failure:
            return Failure(failure, text, prompt_tokens, completion_tokens)
        return Answer(text, prompt_tokens, completion_tokens, seconds, cached=True)

    def put(self, key: str, request_json: str, outcome: Answer | Failure) -> None:
        """Keep what a model answered. Where another process was faster, its answer stays.

        Args:
            key: from :meth:`key`.
            request_json: what was asked, for a person who looks into the file.
            outcome: a whole answer, or a failure of :data:`KEPT_FAILURES`.

        Raises:
            PreceptorError: the disk is full, or the file is damaged or locked.
        """
        if isinstance(outcome, Answer):
            text, seconds, failure = outcome.text, outcome.seconds, ""
        else:
            text, seconds, failure = outcome.detail, 0.0, outcome.cause
        tokens = (outcome.prompt_tokens, outcome.completion_tokens)
        row = (key, request_json, text, *tokens, seconds, failure)
        with self._told() as connection:
            connection.execute("INSERT OR IGNORE INTO answers VALUES (?,?,?,?,?,?,?)", row)

    def close(self) -> None:
        """Let go of the file; it is opened again when needed."""
        if self._open is not None:
            self._open.close()
            self._open = None

    @contextmanager
    def _told(self) -> Iterator[sqlite3.Connection]:
        try:
            if self._open is None:
                self._open = _connect(self.path)
            yield self._open
        except (sqlite3.Error, OSError) as error:
            self.close()
            raise _in_words(error, self.path) from error


def _connect(path: Path) -> sqlite3.Connection:
    # Requests hold the user's examples: the folder is for the user alone.
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    # SQLite does not wait its timeout where two processes turn a new file to WAL at once.
    with FileLock(path.with_name(f"{path.name}.lock")):
        return _opened(path)


def _opened(path: Path) -> sqlite3.Connection:
    # Autocommit: one statement, one transaction.
    connection = sqlite3.connect(path, timeout=30, isolation_level=None)
    try:
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version not in (0, _VERSION):
            raise sqlite3.DatabaseError(f"the file has version {version}, not {_VERSION}")
        if version == 0:
            # WAL lets readers and one writer work side by side; the mode stays in the file.
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute(_TABLE)
            connection.execute(f"PRAGMA user_version = {_VERSION}")
        # In WAL mode NORMAL loses nothing when a process is killed, and spares an fsync.
        connection.execute("PRAGMA synchronous = NORMAL")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


_FULL, _LOCKED, _UNUSABLE, _DAMAGED = "full", "locked", "unusable", "damaged"
_ERRNO = {errno.ENOSPC: _FULL, errno.EDQUOT: _FULL}
_SQLITE = {
    sqlite3.SQLITE_FULL: _FULL,
    sqlite3.SQLITE_BUSY: _LOCKED,
    sqlite3.SQLITE_LOCKED: _LOCKED,
    sqlite3.SQLITE_CORRUPT: _DAMAGED,
    sqlite3.SQLITE_NOTADB: _DAMAGED,
}


def _cause(error: Exception) -> str:
    """By the error's number: its words hold the path, and so may say anything."""
    if isinstance(error, OSError):
        return _ERRNO.get(error.errno or 0, _UNUSABLE)
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:
        return _DAMAGED
    # The low byte is the primary code, the others tell its kind (https://sqlite.org/rescode.html).
    other = _UNUSABLE if isinstance(error, sqlite3.OperationalError) else _DAMAGED
    return _SQLITE.get(code & 0xFF, other)


def _in_words(error: Exception, path: Path) -> PreceptorError:
    what, fix = {
        _FULL: (
            "the disk is full: an answer could not be kept",
            f"free some space, or name another folder in {VARIABLE}; then run again",
        ),
        _LOCKED: (
            "the file of kept answers has been locked for 30 seconds",
            f"end the process that holds it, or name a folder on a local disk in {VARIABLE}",
        ),
        _UNUSABLE: (
            "the file of kept answers cannot be opened or written",
            f"make its folder writable, or name another folder in {VARIABLE}",
        ),
        _DAMAGED: (
            "the file of kept answers is damaged or not such a file",
            f"move it away (its answers must then be asked for again): mv {path} {path}.damaged",
        ),
    }[_cause(error)]
    return PreceptorError(what, where=str(path), found=str(error), fix=fix)

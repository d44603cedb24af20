"""Answers that were paid for once, kept for every later run."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from preceptor.llm import cachefile, inventory
from preceptor.llm.chat import Answer, Failure, FailureCause, Request
from preceptor.store.cache import cache_folder
from preceptor.store.fingerprint import fingerprint

KEPT_FAILURES: frozenset[FailureCause] = frozenset(["truncated", "refused", "empty"])
"""what a model itself answered and was paid for; another try takes another sample"""
_USED = "UPDATE about SET used = ?, model = coalesce(nullif(?, 0), model) WHERE key = ?"
_UNWRITTEN_USES = 10_000
"""answers whose time of use waits to be written at most; a killed process loses these times"""


def default_path() -> Path:
    """The file in the user's cache that all studies share."""
    return cache_folder() / "answers.sqlite"


class AnswerCache:
    """What models answered, by request, in one SQLite file that several processes may use at once.

    Every answer is one short transaction, so that it is there for the next run as soon as
    :meth:`put` returns, even if the process is killed then. The file is held under a limit of
    size (:func:`preceptor.llm.inventory.limit`) whenever its last user closes it.

    Args:
        path: the file; made with its folder at first use.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._open: sqlite3.Connection | None = None
        self._user = 0
        self._models: dict[str, int] = {}
        self._used: dict[str, int] = {}

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
        return self.get_many([key]).get(key)

    def get_many(self, keys: Sequence[str], model: str = "") -> dict[str, Answer | Failure]:
        """What is kept under each of the keys; those under which there is nothing are left out.

        Args:
            keys: from :meth:`key`.
            model: who was asked, in words a person knows it by; for the inventory.

        Raises:
            PreceptorError: the file is damaged, locked or cannot be opened.
        """
        query = (
            "SELECT key, text, prompt_tokens, completion_tokens, seconds, failure"
            " FROM answers WHERE key IN (SELECT value FROM json_each(?))"
        )
        with self._told() as connection:
            rows = connection.execute(query, (json.dumps(list(keys)),)).fetchall()
            found = {row[0]: _outcome(*row[1:]) for row in rows}
            self._used.update(dict.fromkeys(found, self._model(connection, model)))
            if len(self._used) >= _UNWRITTEN_USES:
                self._write_uses(connection)
        return found

    def put(self, key: str, request_json: str, outcome: Answer | Failure, model: str = "") -> None:
        """Keep what a model answered. Where another process was faster, its answer stays.

        Args:
            key: from :meth:`key`.
            request_json: what was asked, for a person who looks into the file.
            outcome: a whole answer, or a failure of :data:`KEPT_FAILURES`.
            model: who answered, as for :meth:`get_many`.

        Raises:
            PreceptorError: the disk is full, or the file is damaged or locked.
        """
        if isinstance(outcome, Answer):
            text, failure = outcome.text, ""
        else:
            text, failure = outcome.detail, outcome.cause
        seconds, tokens = outcome.seconds, (outcome.prompt_tokens, outcome.completion_tokens)
        row = (key, request_json, text, *tokens, seconds, failure)
        size = len(request_json.encode()) + len(text.encode()) + 2 * len(key)
        with self._told() as connection:
            about = (key, self._model(connection, model), int(time.time()), sum(tokens), size)
            with _transaction(connection):
                connection.execute("INSERT OR IGNORE INTO answers VALUES (?,?,?,?,?,?,?)", row)
                connection.execute("INSERT OR IGNORE INTO about VALUES (?,?,?,?,?)", about)

    def close(self) -> None:
        """Let go of the file, its last user with an eye to its size; opened again when needed."""
        if self._open is None:
            return
        # Nothing here is worth an error: times of use and the size are put right by the next
        # user, and whatever is wrong with the file was told by a read or a write, or will be.
        with suppress(sqlite3.Error):
            self._write_uses(self._open)
            inventory.leave(self._open, self._user)
        self._drop()

    @contextmanager
    def _told(self) -> Iterator[sqlite3.Connection]:
        try:
            if self._open is None:
                self._connect()
            assert self._open is not None
            yield self._open
        except (sqlite3.Error, OSError) as error:
            self._drop()
            raise cachefile.in_words(error, self.path) from error

    def _connect(self) -> None:
        # Told now: a limit that cannot be read must not be found out when the run has ended.
        inventory.limit()
        self._open = cachefile.connect(self.path)
        self._user = inventory.enter(self._open)

    def _drop(self) -> None:
        if self._open is not None:
            self._open.close()
        self._open = None
        self._models.clear()
        self._used.clear()

    def _model(self, connection: sqlite3.Connection, title: str) -> int:
        if not title:
            return cachefile.UNKNOWN_MODEL
        if title not in self._models:
            connection.execute("INSERT OR IGNORE INTO models (title) VALUES (?)", (title,))
            row = connection.execute("SELECT id FROM models WHERE title = ?", (title,)).fetchone()
            self._models[title] = int(row[0])
        return self._models[title]

    def _write_uses(self, connection: sqlite3.Connection) -> None:
        now = int(time.time())
        rows = [(now, model, key) for key, model in self._used.items()]
        with _transaction(connection):
            connection.executemany(_USED, rows)
        self._used.clear()


def _outcome(
    text: str, prompt_tokens: int, completion_tokens: int, seconds: float, failure: FailureCause
) -> Answer | Failure:
    if failure:
        return Failure(failure, text, prompt_tokens, completion_tokens, seconds=seconds)
    return Answer(text, prompt_tokens, completion_tokens, seconds, cached=True)


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")

"""What the cache of answers holds, and how it is kept under its limit."""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from preceptor.errors import PreceptorError
from preceptor.llm import cachefile

LIMIT_VARIABLE = "PRECEPTOR_CACHE_LIMIT"
LIMIT = 10.0
"""gigabytes (10^9 bytes) that the file may fill where the variable does not say otherwise"""
_ROOM = 0.9
"""of the limit is left filled, so that not every run's end has to remove something"""
_DAY = 86_400
_LISTED = 10


def limit() -> float:
    """The bytes that the file may fill, from ``PRECEPTOR_CACHE_LIMIT`` in gigabytes.

    Raises:
        PreceptorError: the variable holds no number above 0.
    """
    told = os.environ.get(LIMIT_VARIABLE, "").strip()
    try:
        gigabytes = float(told or LIMIT)
    except ValueError:
        gigabytes = 0.0
    if gigabytes > 0:
        return gigabytes * 1e9
    raise PreceptorError(
        "the limit of the cache cannot be read",
        where=f"the environment variable {LIMIT_VARIABLE}",
        found=told,
        expected="gigabytes: 10, 0.5, or inf for no limit",
    )


def enter(connection: sqlite3.Connection) -> int:
    """Register this process as a user of the file; what :func:`leave` needs to end that."""
    import psutil

    born = psutil.Process().create_time()
    row = "INSERT INTO users (pid, born) VALUES (?, ?)"
    return int(connection.execute(row, (os.getpid(), born)).lastrowid or 0)


def leave(connection: sqlite3.Connection, user: int) -> None:
    """End a use; if it was the last, remove what was used longest ago until the limit holds.

    Nothing is removed while a run is going, and nothing that this process has used.

    Args:
        connection: to the file.
        user: from :func:`enter`.
    """
    import psutil

    connection.execute("DELETE FROM users WHERE id = ?", (user,))
    most = limit()
    if filled(connection) > most and not _in_use(connection):
        begun = int(psutil.Process().create_time())
        _remove_oldest(connection, 1.0 - _ROOM * most / filled(connection), begun)


def filled(connection: sqlite3.Connection) -> int:
    """Bytes of the file that hold something."""
    pages, free, size = (
        connection.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("page_count", "freelist_count", "page_size")
    )
    return int((pages - free) * size)


def _in_use(connection: sqlite3.Connection) -> bool:
    """Whether another use is going; those of processes that were killed are forgotten."""
    import psutil

    for user, pid, born in connection.execute("SELECT id, pid, born FROM users").fetchall():
        with suppress(psutil.Error):
            # The number alone may belong to another process by now.
            if abs(psutil.Process(pid).create_time() - born) < 1.0:
                return True
        connection.execute("DELETE FROM users WHERE id = ?", (user,))
    return False


def _remove_oldest(connection: sqlite3.Connection, share: float, before: int) -> None:
    # Of the texts' bytes: those of the file hold them in pages that are not all full.
    too_much = share * connection.execute("SELECT total(bytes) FROM about").fetchone()[0]
    old = connection.execute(
        "SELECT key, bytes FROM about WHERE used < ? ORDER BY used", (before,)
    ).fetchall()
    keys, freed = [], 0
    for key, size in old:
        if freed >= too_much:
            break
        keys.append(key)
        freed += size
    _remove(connection, keys, freed)


def _remove(connection: sqlite3.Connection, keys: list[str], size: int) -> None:
    if not keys:
        return
    chosen = "WHERE key IN (SELECT value FROM json_each(?))"
    told = json.dumps(keys)
    connection.execute("BEGIN IMMEDIATE")
    connection.execute(f"DELETE FROM answers {chosen}", (told,))
    connection.execute(f"DELETE FROM about {chosen}", (told,))
    row = (int(time.time()), len(keys), size)
    connection.execute("INSERT INTO removals VALUES (?, ?, ?)", row)
    connection.execute("COMMIT")
    # As a script: execute() takes one step of it, and that gives one page back.
    connection.executescript("PRAGMA incremental_vacuum")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


@dataclass(frozen=True, slots=True)
class Holding:
    """What is kept of one model.

    Attributes:
        model: who answered.
        answers: how many, those cut off or refused among them.
        tokens: of prompts and answers, as servers counted them.
        bytes: of requests and answers.
        used: when the last of them was used, in seconds since the epoch.
    """

    model: str
    answers: int
    tokens: int
    bytes: int
    used: int


@dataclass(frozen=True, slots=True)
class Inventory:
    """What the file holds.

    Attributes:
        path: the file.
        bytes: its size on disk.
        limit: bytes that it may fill.
        models: by model, the largest first.
        removed: answers that were ever removed, by hand or to stay under the limit.
    """

    path: str
    bytes: int
    limit: float
    models: tuple[Holding, ...]
    removed: int

    def as_dict(self) -> dict[str, Any]:
        """The fields as JSON values; no limit is null."""
        return {**asdict(self), "limit": None if self.limit == float("inf") else self.limit}


@dataclass(frozen=True, slots=True)
class Kept:
    """One kept answer, as :func:`find` shows it."""

    key: str
    model: str
    used: int
    request: dict[str, Any]
    text: str
    prompt_tokens: int
    completion_tokens: int
    failure: str


_TITLE = "coalesce(models.title, 'kept before models were noted')"
_ABOUT = "about LEFT JOIN models ON models.id = about.model"


def holdings(path: Path, model: str = "") -> Inventory:
    """What the file holds, by model; nothing where there is no file.

    Args:
        path: the file.
        model: part of a model's title, in any case; all models if empty.

    Raises:
        PreceptorError: the file is damaged, locked or cannot be opened.
    """
    if not path.exists():
        return Inventory(str(path), 0, limit(), (), 0)
    query = (
        f"SELECT {_TITLE}, count(*), sum(tokens), sum(bytes), max(used) FROM {_ABOUT}"
        f" WHERE instr(lower({_TITLE}), lower(?)) GROUP BY 1 ORDER BY 4 DESC"
    )
    with _reading(path) as connection:
        models = tuple(Holding(*row) for row in connection.execute(query, (model,)))
        removed = connection.execute("SELECT total(answers) FROM removals").fetchone()[0]
    return Inventory(str(path), path.stat().st_size, limit(), models, int(removed))


def chosen(path: Path, model: str = "", older_than: float = 0.0) -> tuple[list[str], int]:
    """Keys and bytes of the answers of some models that were not used for some days.

    Args:
        path: the file.
        model: part of the model's title, in any case; all models if empty.
        older_than: days since the last use at least.
    """
    if not path.exists():
        return [], 0
    query = f"SELECT key, bytes FROM {_ABOUT} WHERE instr(lower({_TITLE}), lower(?)) AND used <= ?"
    before = time.time() - older_than * _DAY
    with _reading(path) as connection:
        rows = connection.execute(query, (model, before)).fetchall()
    return [row[0] for row in rows], sum(row[1] for row in rows)


def clear(path: Path, keys: list[str], size: int) -> None:
    """Remove answers and give their room back to the disk.

    Args:
        path: the file.
        keys: from :func:`chosen`.
        size: likewise.

    Raises:
        PreceptorError: a run uses the file, or it cannot be written.
    """
    with _reading(path) as connection:
        if _in_use(connection):
            raise PreceptorError(
                "a run is using the kept answers",
                where=str(path),
                fix="wait for it to end, then clear the cache",
            )
        _remove(connection, keys, size)
        connection.execute("VACUUM")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def find(path: Path, prefix: str) -> Kept:
    """The one answer whose key begins so.

    Raises:
        PreceptorError: there is none, or more than one; these are listed.
    """
    rows = _begun_so(path, prefix) if path.exists() else []
    if len(rows) == 1:
        key, model, used, request, *rest = rows[0]
        return Kept(key, model, used, json.loads(request), *rest)
    more = " and more" if len(rows) > _LISTED else ""
    raise PreceptorError(
        "more than one answer has such a key" if rows else "no answer has such a key",
        where=str(path),
        found=", ".join(row[0][:16] for row in rows[:_LISTED]) + more if rows else prefix,
        expected="the first characters of one key; RUN/spent/*.jsonl names those that a run used",
    )


def _begun_so(path: Path, prefix: str) -> list[tuple[Any, ...]]:
    query = (
        f"SELECT about.key, {_TITLE}, used, request, text, prompt_tokens, completion_tokens,"
        f" failure FROM {_ABOUT} JOIN answers ON answers.key = about.key"
        " WHERE substr(about.key, 1, ?) = ? LIMIT ?"
    )
    with _reading(path) as connection:
        told = (len(prefix), prefix.lower(), _LISTED + 1)
        return connection.execute(query, told).fetchall()


@contextmanager
def _reading(path: Path) -> Iterator[sqlite3.Connection]:
    connection = None
    try:
        connection = cachefile.connect(path)
        yield connection
    except (sqlite3.Error, OSError) as error:
        raise cachefile.in_words(error, path) from error
    finally:
        if connection is not None:
            connection.close()

"""The SQLite file behind the cache: its tables, its versions, and what can go wrong with it."""

from __future__ import annotations

import errno
import sqlite3
import time
from pathlib import Path

from filelock import FileLock

from preceptor.errors import PreceptorError
from preceptor.store.cache import VARIABLE

VERSION = 3
UNKNOWN_MODEL = 0
"""of answers that a version of this file before 3 kept; known again once one is used"""
_ANSWERS = """CREATE TABLE IF NOT EXISTS answers (
    key TEXT PRIMARY KEY,
    request TEXT NOT NULL,
    text TEXT NOT NULL,
    prompt_tokens INTEGER NOT NULL,
    completion_tokens INTEGER NOT NULL,
    seconds REAL NOT NULL,
    failure TEXT NOT NULL DEFAULT ''
)"""
# Apart from the texts, so that the time of use is a few bytes to write and sums need not read
# all that was ever answered.
_REST = """
CREATE TABLE IF NOT EXISTS models (id INTEGER PRIMARY KEY, title TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS about (
    key TEXT PRIMARY KEY,
    model INTEGER NOT NULL,
    used INTEGER NOT NULL,
    tokens INTEGER NOT NULL,
    bytes INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS users (id INTEGER PRIMARY KEY, pid INTEGER, born REAL);
CREATE TABLE IF NOT EXISTS removals (time INTEGER NOT NULL, answers INTEGER, bytes INTEGER);
"""
_FILL = """INSERT OR IGNORE INTO about
    SELECT key, ?, ?, prompt_tokens + completion_tokens,
           length(CAST(request AS BLOB)) + length(CAST(text AS BLOB)) + 2 * length(key)
    FROM answers"""


class NewerFileError(sqlite3.Error):
    """The file was written by a later version of Preceptor."""


def connect(path: Path) -> sqlite3.Connection:
    """Open the file in autocommit mode; made with its folder, or brought up to this version.

    Raises:
        sqlite3.Error: it cannot be used.
        OSError: its folder cannot be made.
    """
    # Requests hold the user's examples: the folder is for the user alone.
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    # SQLite does not wait its timeout where two processes turn a new file to WAL at once.
    with FileLock(path.with_name(f"{path.name}.lock")):
        return _opened(path)


def _opened(path: Path) -> sqlite3.Connection:
    # Autocommit: one statement, one transaction, unless one is begun.
    connection = sqlite3.connect(path, timeout=30, isolation_level=None)
    try:
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version > VERSION:
            raise NewerFileError(f"the file has version {version}, this Preceptor knows {VERSION}")
        if version < VERSION:
            _bring_up(connection, version)
        # In WAL mode NORMAL loses nothing when a process is killed, and spares an fsync.
        connection.execute("PRAGMA synchronous = NORMAL")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _bring_up(connection: sqlite3.Connection, version: int) -> None:
    """Make a new file's tables, or add to an older file what it lacks; every answer stays."""
    if version == 0:
        # Lets the file shrink when answers are removed; only possible before the first table.
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    # WAL lets readers and one writer work side by side; the mode stays in the file.
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("BEGIN IMMEDIATE")
    if version == 1:
        connection.execute("ALTER TABLE answers ADD COLUMN failure TEXT NOT NULL DEFAULT ''")
    connection.execute(_ANSWERS)
    for statement in filter(str.strip, _REST.split(";")):
        connection.execute(statement)
    connection.execute(_FILL, (UNKNOWN_MODEL, int(time.time())))
    connection.execute(f"PRAGMA user_version = {VERSION}")
    connection.execute("COMMIT")


_FULL, _LOCKED, _UNUSABLE, _DAMAGED, _NEWER = "full", "locked", "unusable", "damaged", "newer"
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
    if isinstance(error, NewerFileError):
        return _NEWER
    if isinstance(error, OSError):
        return _ERRNO.get(error.errno or 0, _UNUSABLE)
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:
        return _DAMAGED
    # The low byte is the primary code, the others tell its kind (https://sqlite.org/rescode.html).
    other = _UNUSABLE if isinstance(error, sqlite3.OperationalError) else _DAMAGED
    return _SQLITE.get(code & 0xFF, other)


def in_words(error: Exception, path: Path) -> PreceptorError:
    """The error as a user is told it."""
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
        _NEWER: (
            "the file of kept answers was written by a later version of Preceptor",
            f"use that version, or name another folder in {VARIABLE}; nothing was changed",
        ),
    }[_cause(error)]
    return PreceptorError(what, where=str(path), found=str(error), fix=fix)

"""Writes that are either whole or not there."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

UNFINISHED = ".unfinished-"
_FULL = (errno.ENOSPC, errno.EDQUOT)


def _beside(path: Path) -> Path:
    """A name in the same folder (so that a rename is atomic) that no reader takes for a part."""
    return path.parent / f"{UNFINISHED}{path.name}-{uuid4().hex[:8]}"


@contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """Yield a path to write to; it becomes ``path`` when the block ends without an error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = _beside(path)
    try:
        with _told_of(path):
            yield draft
            os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Yield a folder to fill; it replaces ``path`` when the block ends without an error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = _beside(path)
    draft.mkdir()
    try:
        with _told_of(path):
            yield draft
            remove(path)
            os.replace(draft, path)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


@contextmanager
def _told_of(path: Path) -> Iterator[None]:
    """Say where a disk is full: ``write()`` leaves the name out.

    safetensors and tokenizers do not even raise OSError, but an error of their own that ends in
    "(os error 28)".
    """
    try:
        yield
    except OSError as error:
        if error.errno is not None and (error.filename is None or error.errno in _FULL):
            error.filename = str(path)
        raise
    except Exception as error:
        code = re.search(r"\(os error (\d+)\)", str(error))
        if code is None:
            raise
        raise OSError(int(code[1]), os.strerror(int(code[1])), str(path)) from error


def remove(folder: Path) -> None:
    """Remove a folder, if it is there, so that no reader ever finds a part of it."""
    if folder.exists():
        gone = _beside(folder)
        os.replace(folder, gone)
        shutil.rmtree(gone, ignore_errors=True)


def write_text(path: Path, text: str) -> None:
    """Write ``text`` as UTF-8, atomically."""
    with new_file(path) as draft:
        draft.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` as indented JSON, atomically; keys keep their order."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def sweep(folder: Path) -> None:
    """Remove what a killed run left half-written below ``folder``."""
    _remove_all(list(folder.rglob(f"{UNFINISHED}*")))


def sweep_beside(path: Path) -> None:
    """Remove what killed writers of ``path`` left beside it; only while nobody else writes it."""
    _remove_all(list(path.parent.glob(f"{UNFINISHED}{path.name}-*")))


def _remove_all(leftovers: Iterable[Path]) -> None:
    for leftover in leftovers:
        if leftover.is_dir():
            shutil.rmtree(leftover, ignore_errors=True)
        else:
            leftover.unlink(missing_ok=True)

"""How a text file seems to be written: its encoding, and what stands between its columns."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path

from preceptor.data.files import read_bytes, read_text
from preceptor.data.rows import Reading, format_of

_DELIMITERS = (",", ";", "\t", "|")
_LOOKED_AT = 50
_TEXT = re.compile(r"\.(csv|tsv|jsonl)(\.gz)?$", re.IGNORECASE)


def dialect_of(path: Path, parts: Sequence[Path] = ()) -> Reading:
    """How to read a file.

    Args:
        path: the file that is looked at.
        parts: further files that will be read in the same way.

    Raises:
        DataError: a file is empty, or is not whole gzip data.
    """
    if not _TEXT.search(path.name):
        return Reading()
    texts = [path, *(part for part in parts if part != path and _TEXT.search(part.name))]
    named = [name for name in map(_encoding, texts) if name != "ascii"]
    encoding = named[0] if named else "utf-8"
    if format_of(path) != "csv":
        return Reading(encoding)
    delimiter = _delimiter(read_text(path, encoding))
    return Reading(encoding, None if delimiter == "," else delimiter)


def _encoding(path: Path) -> str:
    """ascii, utf-8, utf-16 by its byte order mark, else cp1252, in which Excel saves.

    A file that is mostly UTF-8 stays so: reading then says which byte is wrong.
    """
    data = read_bytes(path)
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "utf-16"
    if data.isascii():
        return "ascii"
    for encoding in ("utf-8", "cp1252"):
        with suppress(UnicodeDecodeError):
            data.decode(encoding)
            return "utf-8" if _is_mostly_utf8(data) else encoding
    return "utf-8"


def _is_mostly_utf8(data: bytes) -> bool:
    text = data.decode("utf-8", "replace")
    return 2 * text.count("\ufffd") <= len(re.findall(r"[^\x00-\x7f]", text))


def _delimiter(text: str) -> str:
    """The delimiter by which most rows are as wide as the header, then the widest."""
    return max(_DELIMITERS, key=lambda delimiter: _fit(text, delimiter))


def _fit(text: str, delimiter: str) -> tuple[float, int]:
    """Share of the first rows that are as wide as the header, and its width; 0, 0 for one cell."""
    rows: list[list[str]] = []
    with suppress(csv.Error):
        rows.extend(islice(csv.reader(io.StringIO(text), delimiter=delimiter), _LOOKED_AT))
    widths = [len(row) for row in rows if row]
    if not widths or widths[0] == 1:
        return 0.0, 0
    alike = sum(width == widths[0] for width in widths[1:])
    return alike / max(1, len(widths) - 1), widths[0]

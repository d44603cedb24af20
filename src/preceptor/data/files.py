"""From a path in a study to text: where the file is, gunzipped and decoded."""

from __future__ import annotations

import gzip
import json
import os
import re
import sys
import zlib
from collections import Counter
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

from preceptor.data.problems import listed, nearest, short
from preceptor.errors import DataError

DEMO = "demo:"
"""the prefix of data that is shipped in the package"""


def locate(reference: str, base_dir: Path) -> Path:
    """The file that a study means.

    Args:
        reference: a path relative to ``base_dir``, an absolute path, or ``demo:NAME`` for a
            file shipped in the package.
        base_dir: the study file's folder.

    Raises:
        DataError: there is no such file; names the most similar one of its folder.
    """
    shipped = reference.startswith(DEMO)
    if shipped:
        path = Path(str(files("preceptor"))) / "demo" / reference.removeprefix(DEMO)
    else:
        path = Path(os.path.normpath(base_dir / Path(reference).expanduser()))
    if path.is_file():
        return path
    raise DataError(
        "a data file is not a file" if path.exists() else "a data file is missing",
        where=str(path),
        found="a folder" if path.is_dir() else f"no {path.name} in {path.parent}",
        expected="a file",
        fix=_instead(path, DEMO if shipped else ""),
    )


def locate_any(reference: str, base_dir: Path) -> Path:
    """The folder or file that a study means; as :func:`locate`, whose errors it raises."""
    folder = Path(os.path.normpath(base_dir / Path(reference).expanduser()))
    return folder if folder.is_dir() else locate(reference, base_dir)


def _instead(path: Path, prefix: str) -> str:
    folder = path if path.is_dir() else path.parent
    if not folder.is_dir():
        return f"there is no folder {folder}; paths are relative to the study file"
    names = sorted(entry.name for entry in folder.iterdir() if entry.is_file())
    close = nearest(path.name, names)
    if close is not None:
        return f"did you mean {prefix}{close}?"
    return f"the folder has: {', '.join(names[:10]) or 'no files'}"


def read_bytes(path: Path) -> bytes:
    """The bytes of a file, gunzipped where the name ends in ``.gz``.

    Raises:
        DataError: the file is empty, or is not whole gzip data.
    """
    data = path.read_bytes()
    if path.suffix == ".gz" and data:
        try:
            data = gzip.decompress(data)
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise DataError(
                f"a .gz file cannot be unpacked: {error}",
                where=str(path),
                fix="fetch the file again, or drop .gz from its name if it is not compressed",
            ) from error
    if not data.strip():
        raise DataError("a data file is empty", where=str(path), found=f"{len(data)} bytes")
    return data


def read_text(path: Path, encoding: str = "utf-8", fix: str | None = None) -> str:
    """The text of a file; a byte order mark is dropped.

    Args:
        path: the file, perhaps gzipped.
        encoding: utf-8, or what the study names.
        fix: what to do about another encoding, where the caller knows better.

    Raises:
        DataError: empty, broken gzip, or not in this encoding (with line and byte).
    """
    return decode(read_bytes(path), str(path), encoding, fix)


def decode(data: bytes, where: str, encoding: str = "utf-8", fix: str | None = None) -> str:
    """The text of a file's bytes; as :func:`read_text`, whose errors it raises.

    Args:
        data: the bytes.
        where: the file, for errors.
        encoding: utf-8, or what the study names.
        fix: what to do about another encoding, where the caller knows better.
    """
    try:
        return data.decode("utf-8-sig" if encoding.lower() in ("utf-8", "utf8") else encoding)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"a data file is not in {encoding}",
            where=f"{where}:{line} (line {line}, byte {error.start} of the file)",
            found=f"the bytes {data[error.start : error.start + 4]!r}",
            expected=encoding,
            fix=fix or _another_encoding(data),
        ) from error
    except LookupError as error:
        raise DataError(
            "an encoding that does not exist",
            where=where,
            found=encoding,
            expected="one of Python's, such as utf-8, latin-1, cp1252, utf-16",
        ) from error


def _another_encoding(data: bytes) -> str:
    utf16 = data[:2] in (b"\xff\xfe", b"\xfe\xff")
    name = "utf-16" if utf16 else "latin-1"
    return f"set `encoding: {name}` if that is what it is in, or save the file as UTF-8"


def read_json(path: Path) -> Any:
    """The JSON value of a whole file.

    Raises:
        DataError: it is not JSON (with line and column), or as :func:`parse_json` says.
    """
    return json_of(read_bytes(path), str(path))


def json_of(data: bytes, where: str) -> Any:
    """The JSON value of a file's bytes; as :func:`read_json`, whose errors it raises."""
    text = decode(data, where, fix="save the file as UTF-8")
    try:
        return parse_json(text, where)
    except json.JSONDecodeError as error:
        raise DataError(
            f"a file is not JSON: {error.msg}",
            where=f"{where}:{error.lineno} (line {error.lineno}, column {error.colno})",
            found=text[max(0, error.pos - 20) : error.pos + 20],
            expected="one JSON value",
        ) from error


def parse_json(text: str, where: str) -> Any:
    """The value of a JSON text, where Python's parser would lose something, fail or go wrong.

    Args:
        text: the JSON text.
        where: the place of it, for errors.

    Raises:
        json.JSONDecodeError: it is not JSON.
        DataError: an object names a key twice, a number or the nesting is beyond Python's
            limits, or a text holds half a character (a lone surrogate), as exports that cut
            texts by UTF-16 units leave them.
    """
    try:
        value = json.loads(text, object_pairs_hook=_no_key_twice)
    except json.JSONDecodeError:
        raise
    except _TwiceError as error:
        raise DataError(
            "a key stands twice in a JSON object", where=where, found=f"{error} more than once"
        ) from error
    except RecursionError as error:
        raise DataError(
            "JSON is nested too deeply",
            where=where,
            found=short(text),
            fix="leave out the value that is nested so, or put it in quotes, as text",
        ) from error
    except ValueError as error:
        raise DataError(
            "a number has too many digits",
            where=where,
            expected=f"at most {sys.get_int_max_str_digits()}",
            fix="put it in quotes, as text",
        ) from error
    if _HALF_WRITTEN.search(text):
        _refuse_halves(value, where)
    return value


_HALF_WRITTEN = re.compile(r"\\u[dD][89a-fA-F]")
_HALF = re.compile("[\ud800-\udfff]")


def _refuse_halves(value: Any, where: str) -> None:
    """Refuse lone surrogates; the two halves of a whole character were joined before."""
    halves = list(_halves(value))
    if halves:
        fields = listed(dict.fromkeys(field for field, _ in halves if field))
        raise DataError(
            "half a character",
            where=f"{where}, {fields}" if fields else where,
            found=halves[0][1],
            expected="whole characters: an emoji is two \\u escapes in JSON, one after the other",
            fix="export the texts again without cutting them, or delete the half",
        )


def _halves(value: Any) -> Iterator[tuple[str, str]]:
    """Field and surroundings of every lone surrogate; no recursion, which depth could end."""
    open_: list[tuple[str, Any]] = [("", value)]
    while open_:
        name, value = open_.pop()
        if isinstance(value, dict):
            inner = [(f"{name}/{key}" if name else key, one) for key, one in value.items()]
            open_ += [*reversed(inner), *((key, key) for key in reversed(value))]
        elif isinstance(value, list):
            open_ += [(name, one) for one in reversed(value)]
        elif isinstance(value, str) and (half := _HALF.search(value)):
            near = value[max(0, half.start() - 20) : half.end() + 20]
            yield name.encode("utf-8", "backslashreplace").decode(), short(near)


class _TwiceError(Exception):
    """A key that an object has more than once."""


def _no_key_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        counts = Counter(key for key, _ in pairs)
        raise _TwiceError(counts.most_common(1)[0][0])
    return value

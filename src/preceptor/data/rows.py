"""Rows of CSV, TSV, JSONL and Parquet files, each also gzipped."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from preceptor.data.files import parse_json, read_bytes, read_text
from preceptor.data.problems import Problems, listed, short
from preceptor.errors import DataError


@dataclass(frozen=True, slots=True)
class Row:
    """One row as it stands in a file.

    Attributes:
        number: 1 for the first row of data; a JSONL file's rows are its lines.
        place: ``file:number``, with the line where that differs.
        values: what stands in each column.
    """

    number: int
    place: str
    values: Mapping[str, Any]


@dataclass(frozen=True)
class Reading:
    """How a text file is to be read.

    Attributes:
        encoding: of CSV, TSV and JSONL.
        delimiter: between the columns of a CSV; None for what the name says.
        quotes: whether double quotes enclose CSV values.
    """

    encoding: str = "utf-8"
    delimiter: str | None = None
    quotes: bool = True


Reader = Callable[[Path, Reading, Problems], Iterator[Row]]


def read_rows(path: Path, reading: Reading, problems: Problems) -> list[Row]:
    """Read all rows; rows that cannot be read are added to ``problems``.

    Raises:
        DataError: an unknown format, an empty or undecodable file, no rows at all.
    """
    rows = list(_FORMATS[format_of(path)](path, reading, problems))
    if not rows and not problems.found:
        raise DataError(
            "a data file has no rows", where=str(path), found="a header or nothing", expected="rows"
        )
    return rows


def format_of(path: Path) -> str:
    """The format that a file's name says: csv, tsv, jsonl or parquet.

    Raises:
        DataError: the name says something else.
    """
    name = path.name.removesuffix(".gz")
    ending = name.rpartition(".")[2].lower()
    if ending not in _FORMATS:
        raise DataError(
            "a table of an unknown format",
            where=str(path),
            found=path.name,
            expected=f"a name that ends in {', '.join(f'.{key}' for key in _FORMATS)} (or .gz)",
            fix="the publisher's PubMedQA JSON is read by `reader: pubmedqa`"
            if ending == "json"
            else "rename or convert the file",
        )
    return ending


def stem_of(path: Path) -> str:
    """The file's name without folder and endings."""
    return path.name.removesuffix(".gz").rpartition(".")[0]


def _csv_rows(path: Path, reading: Reading, problems: Problems) -> Iterator[Row]:
    text = read_text(path, reading.encoding)
    csv.field_size_limit(max(csv.field_size_limit(), len(text)))
    lines = csv.reader(
        io.StringIO(text, newline=""),
        delimiter=reading.delimiter or ("\t" if format_of(path) == "tsv" else ","),
        quoting=csv.QUOTE_MINIMAL if reading.quotes else csv.QUOTE_NONE,
        strict=True,
    )
    numbered = list(_numbered(lines, path, problems))
    header = [name.strip() for name in numbered[0][2]] if numbered else []
    columns = _used(header, [cells for *_, cells in numbered[1:]])
    names = [header[column] for column in columns]
    if len(columns) < len(header):
        count = len(header) - len(columns)
        problems.notes.append(
            f"{path.name}: columns with neither a name nor a value, ignored: {count}."
        )
    if len(set(names)) == len(names):
        yield from _under_header(header, columns, numbered[1:], problems)
        return
    problems.add(
        "columns of the same name",
        where=f"{path}:0 (line 1)",
        found=listed(sorted({repr(name) for name in names if names.count(name) > 1})),
        fix="give every column a name of its own",
    )


def _used(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[int]:
    """The columns that have a name or a value; spreadsheets leave some behind that have none."""
    return [
        column
        for column, name in enumerate(header)
        if name or any(row[column].strip() for row in rows if len(row) > column)
    ]


def _numbered(lines: Any, path: Path, problems: Problems) -> Iterator[tuple[str, int, list[str]]]:
    number = 0
    while True:
        place = f"{path}:{number} (line {lines.line_num + 1})"
        try:
            cells = next(lines, None)
        except csv.Error as error:
            problems.add(
                f"a row that begins here cannot be read: {error}",
                where=place,
                fix="close the quotes (a quote inside a quoted value is doubled), or set"
                " `quotes: false` where quotes are plain characters",
            )
            return
        if cells is None:
            return
        if cells:
            yield place, number, cells
            number += 1


def _under_header(
    header: Sequence[str],
    columns: Sequence[int],
    numbered: Sequence[tuple[str, int, list[str]]],
    problems: Problems,
) -> Iterator[Row]:
    for place, number, cells in numbered:
        if len(cells) == len(header):
            yield Row(number, place, {header[column]: cells[column] for column in columns})
        else:
            problems.add(
                "a row has another number of values than the header",
                where=place,
                found=f"{len(cells)} values",
                expected=f"{len(header)}: {listed(header)}",
                fix="quote values that contain the delimiter",
            )


def _jsonl_rows(path: Path, reading: Reading, problems: Problems) -> Iterator[Row]:
    for number, line in enumerate(read_text(path, reading.encoding).split("\n"), 1):
        if not line.strip():
            continue
        place = f"{path}:{number}"
        with problems.gather():
            yield Row(number, place, _object(line, place))


def _object(line: str, place: str) -> dict[str, Any]:
    try:
        value = parse_json(line, place)
    except json.JSONDecodeError as error:
        raise DataError(
            f"a line is not JSON: {error.msg} at column {error.colno}",
            where=place,
            found=short(line),
            expected="one JSON object a line",
        ) from error
    if isinstance(value, dict):
        return value
    raise DataError("a line is not an object", where=place, found=short(line), expected="{...}")


def _parquet_rows(path: Path, reading: Reading, problems: Problems) -> Iterator[Row]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    data = pa.BufferReader(read_bytes(path))
    try:
        values = pq.read_table(data).to_pylist()
    except pa.ArrowException as error:
        raise DataError(f"a file is not Parquet: {error}", where=str(path)) from error
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"a Parquet file is damaged: {error}", where=str(path), fix="fetch the file again"
        ) from error
    for number, row in enumerate(values, 1):
        yield Row(number, f"{path}:{number}", row)


_FORMATS: dict[str, Reader] = {
    "csv": _csv_rows,
    "tsv": _csv_rows,
    "jsonl": _jsonl_rows,
    "parquet": _parquet_rows,
}

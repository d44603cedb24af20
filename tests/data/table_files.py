"""Small tables for the tests of readers."""

import gzip
import json
from pathlib import Path
from typing import Any

from preceptor.data.readers.table import TableSettings, read
from preceptor.data.splits import Splits

ROWS = [
    {"key": f"k{n}", "message": f"message number {n}", "kind": ("bill", "visit")[n % 2]}
    for n in range(20)
]
COLUMNS: dict[str, Any] = {"id": "key", "target": "kind", "inputs": ["message"]}
DRAW: dict[str, Any] = {"by": "draw", "test": 6, "validation": 4}


def write(path: Path, rows: list[dict[str, Any]] = ROWS) -> Path:
    """Write rows in the format that the name says."""
    name = path.name.removesuffix(".gz")
    if name.endswith(".parquet"):
        _parquet(path.with_name(name), rows)
        data = path.with_name(name).read_bytes()
    elif name.endswith(".jsonl"):
        data = "".join(json.dumps(row) + "\n" for row in rows).encode()
    else:
        mark = "\t" if name.endswith(".tsv") else ","
        lines = [list(rows[0]), *([str(row[key]) for key in rows[0]] for row in rows)]
        data = "".join(mark.join(line) + "\n" for line in lines).encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def _parquet(path: Path, rows: list[dict[str, Any]]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.Table.from_pylist(rows), path)


def table(folder: Path, **settings: Any) -> Splits:
    """Read a table under settings, with ``COLUMNS`` and ``DRAW`` where nothing else is said."""
    given = {"columns": COLUMNS, **settings}
    if "path" in given:
        given.setdefault("split", DRAW)
    return read(TableSettings(reader="table", **given), folder)


def ids(examples: list[Any]) -> list[str]:
    """The ids of examples."""
    return [example.id for example in examples]

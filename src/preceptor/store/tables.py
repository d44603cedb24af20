"""Rows as Parquet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from preceptor.store.atomic import new_file


def write_rows(path: Path, rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> None:
    """Write rows as Parquet, atomically; ``columns`` stand there even if there are no rows."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    data = {name: [row.get(name) for row in rows] for name in columns}
    with new_file(path) as draft:
        pq.write_table(pa.table(data), draft)


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Read the rows of a Parquet file."""
    import pyarrow.parquet as pq

    rows: list[dict[str, Any]] = pq.read_table(path).to_pylist()
    return rows

"""The predictions of a cell, as the run folder has them: some columns of a Parquet file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from preceptor.report.read.cell import Cell

if TYPE_CHECKING:
    from pyarrow import Table


def cell_folder(run: Path, cell: Cell) -> Path:
    """Where a cell lies."""
    return run / (cell.path or f"cells/{cell.id}")


def read_predictions(run: Path, cell: Cell, columns: Sequence[str]) -> Table | None:
    """Those of the columns that a cell's predictions have; None where there is no file.

    Raises:
        OSError: it cannot be read.
        pyarrow.ArrowException: it is no Parquet, or damaged.
    """
    import pyarrow.parquet as pq

    path = cell_folder(run, cell) / "predictions.parquet"
    if not path.is_file():
        return None
    with pq.ParquetFile(path) as file:
        names = set(file.schema_arrow.names)
        return file.read(columns=[name for name in columns if name in names])

"""The condition of a run folder: what of it is missing, damaged, or does not fit its results.

A report is made from ``results.json``; what that tells is held here against what else the folder
holds, and against the data that the run read, as far as it can still be found.
"""

from __future__ import annotations

import json
import shlex
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from preceptor.report.read.cell import Cell
from preceptor.report.read.numbers import count, listed
from preceptor.report.read.predictions import cell_folder, read_predictions
from preceptor.report.read.results import Results
from preceptor.store.fingerprint import file_hash, fingerprint

_NAMED = 3
"""how many of several are named"""


@dataclass(frozen=True, slots=True)
class DataFile:
    """A file that a run read: its name, and the hash of its bytes then."""

    name: str
    sha256: str


def problems(run: Path, results: Results) -> list[str]:
    """What of the run folder does not fit its results, in words; nothing where all does."""
    found = {cell.id: list(_of_cell(run, cell)) for cell in results.cells}
    return [*_changed_data(run, results), *_broken_chain(run, results), *_together(found)]


def data_files(run: Path, results: Results) -> list[DataFile]:
    """The files that the run read, by the record of its data."""
    files = _record(run / "data").get("files")
    if not isinstance(files, dict):
        return []
    return [DataFile(str(name), str(sha)) for name, sha in files.items()]


def _record(folder: Path) -> dict[str, Any]:
    """What a part of the run was made from; empty where that is not known."""
    try:
        found = json.loads((folder / "part.json").read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _changed_data(run: Path, results: Results) -> Iterator[str]:
    """Data files that are still there, but hold something else."""
    settings = _record(run / "data").get("data", {})
    for file in data_files(run, results):
        for path in _places(file.name, settings, results.command):
            if path.is_file() and (now := file_hash(path)) not in file.sha256.split():
                yield (
                    f"The data has changed since: {path} is not the file that this run read "
                    f"(SHA-256 {now[:12]}… now, {file.sha256[:12]}… then). The page shows what "
                    "the run found in the old file."
                )


def _places(name: str, settings: object, command: str | None) -> list[Path]:
    """Where a file may lie: as the study names it, seen from the study's folder."""
    base = _study_folder(command)
    named = [Path(text) for text in _strings(settings) if Path(text).name == Path(name).name]
    paths = [path if base is None else base / path for path in named or [Path(name)]]
    return list(dict.fromkeys(path.resolve() for path in paths if path.is_absolute()))


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str) and value:
        yield value
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from _strings(part)


def _study_folder(command: str | None) -> Path | None:
    """The folder of the study file that the command names, if it is still there."""
    try:
        words = shlex.split(command or "")
    except ValueError:
        return None
    named = [Path(word) for word in words if word.endswith((".yaml", ".yml"))]
    return next((path.parent.resolve() for path in named if path.is_file()), None)


def _broken_chain(run: Path, results: Results) -> Iterator[str]:
    """Parts that were made from others than the folder now holds: ids of what they came from."""
    data = _record(run / "data")
    arms: list[str] = []
    cells: list[str] = []
    for name, arm in results.arms.items():
        for one in arm.seeds:
            record = _record(run / (one.path or f"arms/{name}/seed-{one.seed}"))
            if data and record.get("data", fingerprint(data)) != fingerprint(data):
                arms.append(f"{name}, seed {one.seed}")
    for cell in results.cells:
        own, of = _record(cell_folder(run, cell)), _arm_record(run, results, cell)
        if own and of and own.get("arm") != fingerprint(of):
            cells.append(cell.id)
    if arms:
        yield f"Made from other examples than the folder data now holds: {_some(arms)}."
    if cells:
        yield f"Trained on another training set than the folder arms now holds: {_some(cells)}."


def _arm_record(run: Path, results: Results, cell: Cell) -> dict[str, Any]:
    """What the cell's training set was made from, if it has one of its own seed."""
    seeds = results.arms[cell.arm].seeds if cell.arm in results.arms else []
    paths = [
        one.path or f"arms/{cell.arm}/seed-{one.seed}" for one in seeds if one.seed == cell.seed
    ]
    return _record(run / paths[0]) if paths else {}


def _of_cell(run: Path, cell: Cell) -> Iterator[str]:
    """What is wrong with a cell's predictions, in words that several cells may share."""
    import pyarrow as pa

    try:
        table = read_predictions(run, cell, ("split", "reading", "prediction", "target"))
    except (OSError, pa.ArrowException):
        yield "predictions.parquet cannot be read"
        return
    if table is None:
        yield "No predictions.parquet in the run folder"
        return
    rows = table.to_pylist()
    for split, readings in cell.splits.items():
        for reading, metrics in readings.items():
            own = [r for r in rows if (r.get("split"), r.get("reading")) == (split, reading)]
            if metrics.n and len(own) != metrics.n:
                yield f"Scored on another number of {split} items than predictions.parquet holds"
            elif metrics.accuracy is not None and not _same(own, metrics.accuracy):
                yield f"Another accuracy on {split} than predictions.parquet gives"


def _same(rows: Sequence[Mapping[str, Any]], accuracy: float) -> bool:
    right = sum(row.get("prediction") == row.get("target") for row in rows)
    return not rows or abs(right / len(rows) - accuracy) < 1e-9


def _together(found: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """One line a kind of problem, with the cells that have it."""
    kinds = Counter(problem for told in found.values() for problem in set(told))
    for problem, times in kinds.items():
        cells = [cell for cell, told in found.items() if problem in told]
        who = "all cells" if times == len(found) > 1 else _some(cells)
        yield f"{problem}: {who}."


def _some(names: Sequence[str]) -> str:
    rest = len(names) - _NAMED
    few = list(names[:_NAMED])
    return listed(few) if rest <= 0 else f"{', '.join(few)} and {count(rest)} more"

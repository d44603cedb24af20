"""Labelling new rows, or writing their answers, with a trained student of a run."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from preceptor.data.example import Example
from preceptor.data.problems import Problems, did_you_mean, listed
from preceptor.data.rows import Reading, Row, format_of, read_rows
from preceptor.data.values import text_of
from preceptor.errors import PreceptorError
from preceptor.store.atomic import new_file
from preceptor.study.predictor import Predictions, Predictor, load_predictor

if TYPE_CHECKING:
    import pyarrow as pa


def predict_file(run: Path, input_file: Path, cell: str | None, out: Path | None) -> None:
    """Label the rows of a table: their own columns, then ``prediction`` and what it rests on.

    Args:
        run: the run folder.
        input_file: CSV, TSV, JSONL or Parquet; columns are named as the study names its input
            fields, or as its data did.
        cell: a cell's id; the best by validation if not given.
        out: CSV, TSV, JSONL or Parquet by its name; JSONL on standard output if not given.

    Raises:
        PreceptorError: the run has no such student, or a column is missing.
        DataError: the file cannot be read.
    """
    if out is not None:
        _check_out(out)
    folder, data = find_student(run, cell)
    problems = Problems(str(input_file))
    rows = read_rows(input_file, Reading(**data.get("text_format", {})), problems)
    problems.raise_if_any()
    predictor = load_predictor(folder)
    examples = _examples(rows, predictor, data["columns"], input_file)
    found = predictor.predict([predictor.inputs.shown(one) for one in examples], "predict")
    if cut := predictor.inputs.cut:
        sys.stderr.write(f"{cut} of {len(rows)} inputs were cut to fit the student\n")
    _write([dict(row.values) for row in rows], found, out)


def _check_out(out: Path) -> None:
    format_of(out)
    if out.suffix == ".gz":
        raise PreceptorError(
            "predictions are not written gzipped", where=str(out), fix="leave out .gz"
        )


def find_student(run: Path, cell: str | None) -> tuple[Path, dict[str, Any]]:
    """The folder of a cell's model, and what the run says of its data.

    Args:
        run: the run folder.
        cell: a cell's id; the best by validation if not given.

    Raises:
        PreceptorError: the run has no such student.
    """
    file = run / "results.json"
    if not file.is_file():
        raise PreceptorError(
            "no finished run in this folder", where=str(run), fix="preceptor run STUDY --out RUN"
        )
    results = json.loads(file.read_text("utf-8"))
    cells = [one["id"] for one in results["cells"]]
    chosen = cell or results["best"]
    if not cells:
        raise PreceptorError(
            "the run has no trained student yet", where=str(run), fix="give its command again"
        )
    if chosen is None:
        raise PreceptorError(
            "the run has no validation split to choose a student by",
            where=str(run),
            fix=f"--cell with one of: {listed(cells)}",
        )
    if chosen not in cells:
        raise PreceptorError(
            "no such cell in this run",
            where=str(run),
            found=chosen,
            expected=f"one of: {listed(cells)}",
            fix=did_you_mean(chosen, cells),
        )
    data: dict[str, Any] = results["data"]
    return run / "cells" / chosen / "model", data


def _examples(
    rows: Sequence[Row], predictor: Predictor, columns: Mapping[str, str], file: Path
) -> list[Example]:
    """Rows as examples without target; a field's column may have the study's name or the data's."""
    there = list(dict.fromkeys(name for row in rows for name in row.values))
    names: dict[str, str] = {}
    for field in predictor.task.input_fields:
        options = [name for name in (columns.get(field, field), field) if name in there]
        if not options:
            wanted = columns.get(field, field)
            raise PreceptorError(
                "a column is missing",
                where=str(file),
                found=f"columns {listed(there)}",
                expected=f"a column {wanted!r}",
                fix=did_you_mean(wanted, there),
            )
        names[field] = options[0]
    return [_example(row, names) for row in rows]


def _example(row: Row, names: Mapping[str, str]) -> Example:
    inputs = {field: text_of(row.values.get(name)) for field, name in names.items()}
    empty = [names[field] for field, text in inputs.items() if not text.strip()]
    if empty:
        raise PreceptorError(
            "a row has nothing to read",
            where=f"{row.place}, {', '.join(empty)}",
            found="an empty field",
            fix="fill it, or take the row out",
        )
    return Example(row.place, inputs)


def _write(rows: list[dict[str, Any]], found: Mapping[str, Predictions], out: Path | None) -> None:
    """The first reading is the prediction; a second one stands beside it under its name.

    A column of the user's own keeps its name, and ours takes another.
    """
    taken = {name for row in rows for name in row}
    for number, row in enumerate(rows):
        for order, (name, reading) in enumerate(found.items()):
            suffix = "" if order == 0 else f"_{name}"
            for key, value in _said(reading, number).items():
                column = f"{key}{suffix}"
                row[f"preceptor_{column}" if column in taken else column] = value
    if out is None:
        for row in rows:
            sys.stdout.write(json.dumps(row, ensure_ascii=False, default=str) + "\n")
        return
    with new_file(out) as draft:
        _WRITERS[format_of(out)](rows, draft)


def _said(reading: Predictions, number: int) -> dict[str, Any]:
    said: dict[str, Any] = {"prediction": reading.labels[number]}
    if reading.probabilities is not None:
        said["probability"] = round(float(reading.probabilities[number].max()), 6)
    if reading.texts is not None:
        said["text"] = reading.texts[number]
    return said


def _jsonl(rows: list[dict[str, Any]], path: Path) -> None:
    lines = (json.dumps(row, ensure_ascii=False, default=str) for row in rows)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def _csv(rows: list[dict[str, Any]], path: Path, delimiter: str = ",") -> None:
    import csv

    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, _columns(rows), delimiter=delimiter)
        writer.writeheader()
        writer.writerows(rows)


def _columns(rows: list[dict[str, Any]]) -> list[str]:
    """The columns of all rows; a JSONL row may have some that the first has not."""
    return list(dict.fromkeys(name for row in rows for name in row))


def _parquet(rows: list[dict[str, Any]], path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = {name: _typed([row.get(name) for row in rows]) for name in _columns(rows)}
    pq.write_table(pa.table(table), path)


def _typed(values: list[Any]) -> pa.Array:
    """A column in its own type; as text where it has several, or one that Parquet cannot hold."""
    import pyarrow as pa

    try:
        found = pa.array(values)
    except (pa.ArrowException, OverflowError):
        return pa.array([_text(value) for value in values])
    empty = pa.types.is_struct(found.type) and found.type.num_fields == 0
    return pa.array([_text(value) for value in values]) if empty else found


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, default=str)


_WRITERS = {
    "jsonl": _jsonl,
    "csv": _csv,
    "tsv": lambda rows, path: _csv(rows, path, "\t"),
    "parquet": _parquet,
}

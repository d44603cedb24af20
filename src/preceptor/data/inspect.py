"""A first look at a file of examples, and a study to start from."""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.resources import files
from pathlib import Path
from string import Template

from preceptor.data.dividing import USUAL, Part
from preceptor.data.files import locate, read_json
from preceptor.data.problems import Problems, listed
from preceptor.data.roles import ColumnGuess, Role, columns_of, text_of, with_roles
from preceptor.data.rows import Reading, Row, format_of, read_rows, stem_of
from preceptor.errors import DataError


@dataclass(frozen=True)
class Guess:
    """What a file seems to hold.

    Attributes:
        path: the file that was looked at.
        format: pubmedqa, or the table's format.
        rows: how many rows it has.
        columns: every column.
        labels: how often each value of the guessed target occurs, most frequent first.
        files: the parts that files beside this one seem to be; empty for a single file.
        base_dir: the folder that the study will lie in.
    """

    path: Path
    format: str
    rows: int
    columns: Sequence[ColumnGuess]
    labels: Mapping[str, int]
    files: Mapping[Part, Path] = field(default_factory=dict)
    base_dir: Path = Path()

    def of_role(self, role: Role) -> list[str]:
        """The columns with this role."""
        return [column.name for column in self.columns if column.role == role]


def guess(path: Path, base_dir: Path | None = None) -> Guess:
    """Look at a file, or at a folder of train, validation and test files.

    Args:
        path: the file or folder.
        base_dir: the folder that the study will lie in, which its paths are relative to; the
            working directory if not given.

    Raises:
        DataError: the file is missing, of an unknown format, or cannot be read.
    """
    parts = _parts_in(path)
    looked_at = parts.get("train") or locate(path.name, path.parent)
    base_dir = base_dir or Path()
    if looked_at.name.endswith(".json"):
        return replace(_pubmedqa(looked_at), base_dir=base_dir)
    problems = Problems(looked_at.name)
    rows = read_rows(looked_at, Reading(), problems)
    problems.raise_if_any()
    columns = with_roles(columns_of(rows))
    target = next((column.name for column in columns if column.role == "target"), None)
    labels = Counter(text_of(row.values.get(target)) for row in rows) if target else Counter()
    counts = {label: count for label, count in labels.most_common() if label}
    return Guess(looked_at, format_of(looked_at), len(rows), columns, counts, parts, base_dir)


def _parts_in(path: Path) -> dict[Part, Path]:
    """The parts in a folder, or beside a file that is called train; empty if there are none."""
    folder = path if path.is_dir() else path.parent
    if not path.is_dir() and not (path.is_file() and stem_of(path).lower() in USUAL["train"]):
        return {}
    parts: dict[Part, Path] = {}
    for entry in sorted(folder.iterdir()):
        for part, names in USUAL.items():
            if stem_of(entry).lower() in names and entry.is_file():
                parts.setdefault(part, entry)
    if path.is_dir() and "train" not in parts:
        raise DataError(
            "a folder without a file of training examples",
            where=str(path),
            expected="a file called train.csv, train.jsonl or the like",
            fix="name the file itself",
        )
    parts = {part: parts[part] for part in USUAL if part in parts}
    return parts if "test" in parts or "validation" in parts else {}


def _pubmedqa(path: Path) -> Guess:
    items = read_json(path)
    first = next(iter(items.values()), None) if isinstance(items, dict) else None
    if not isinstance(first, dict) or not {"QUESTION", "CONTEXTS", "final_decision"} <= set(first):
        raise DataError(
            "a JSON file that is not PubMedQA",
            where=str(path),
            expected="the publisher's ori_pqal.json, or a CSV, TSV, JSONL or Parquet file",
            fix="write other JSON as JSONL: one object a line",
        )
    rows = [Row(number, "", item) for number, item in enumerate(items.values(), 1)]
    labels = Counter(text_of(row.values.get("final_decision")) for row in rows)
    return Guess(path, "pubmedqa", len(rows), columns_of(rows), dict(labels.most_common()))


def starter_study(guessed: Guess) -> str:
    """A commented study file for what :func:`guess` found."""
    fields = _fields(guessed)
    called = guessed.path.parent.name if guessed.files else stem_of(guessed.path)
    name = re.sub(r"[^a-z0-9]+", "-", called.lower()).strip("-") or "my"
    counts = [f"{' '.join(label.split())} {count}" for label, count in guessed.labels.items()]
    template = files("preceptor.data").joinpath("starter.yaml").read_text("utf-8")
    return Template(template).substitute(
        path=guessed.path,
        rows=guessed.rows,
        name=_quoted(f"{name}-study"),
        counts=listed(counts) or "none found: no column has few distinct values; name it below",
        labels=", ".join(map(_quoted, guessed.labels)) or "CHANGE, ME",
        input=_shown(list(fields)),
        data="\n".join(f"  {line}" for line in _data(guessed, fields)),
        **_operations(guessed, fields),
    )


def _quoted(text: str) -> str:
    """A JSON string, which YAML reads as text whatever it says (no, 1, 2020-01-01)."""
    return json.dumps(text, ensure_ascii=False)


def _fields(guessed: Guess) -> dict[str, str]:
    """Field name to column for the inputs; names that a template can use."""
    if guessed.format == "pubmedqa":
        return {"question": "QUESTION", "context": "CONTEXTS"}
    columns = guessed.of_role("input") or ["CHANGE_ME"]
    return {re.sub(r"\W|^(?=\d)", "_", column): column for column in columns}


def _shown(fields: Sequence[str]) -> str:
    if len(fields) == 1:
        return f'"{{{{ {fields[0]} }}}}"'
    lines = [f"    {name.replace('_', ' ').capitalize()}: {{{{ {name} }}}}" for name in fields]
    return "\n".join(["|-", *lines])


def _operations(guessed: Guess, fields: Mapping[str, str]) -> dict[str, str]:
    """With several fields the shortest is reworded, and new ones are made on the longest."""
    if len(fields) == 1:
        return {"rewritten": "", "kept": ""}
    words = {column.name: column.words for column in guessed.columns}
    ordered = sorted(fields, key=lambda name: words[fields[name]])
    return {"rewritten": f", fields: [{ordered[0]}]", "kept": f", keep: [{ordered[-1]}]"}


def _data(guessed: Guess, fields: Mapping[str, str]) -> list[str]:
    if guessed.format == "pubmedqa":
        protocol = "protocol: official  # or drllama: rows in file order; never compare the two"
        return ["reader: pubmedqa", f"path: {_relative(guessed.path, guessed)}", protocol]
    id_ = guessed.of_role("id")
    target = guessed.of_role("target") or ["CHANGE_ME"]
    inputs = ", ".join(f"{name}: {_quoted(column)}" for name, column in fields.items())
    held = ", ".join(map(_quoted, guessed.of_role("held")))
    others = listed(guessed.of_role("other")) or "no other columns"
    return [
        "reader: table",
        *_files(guessed),
        "columns:",
        f"  id: {_quoted(id_[0])}" if id_ else "  id: null  # ids are made from the row",
        f"  target: {_quoted(target[0])}",
        f"  inputs: {{{inputs}}}",
        f"  extra: [{held}]  # kept with an example, never shown in a test prompt: {others}",
        *_split(guessed),
        *_empty(guessed, [*target, *fields.values()]),
    ]


def _relative(path: Path, guessed: Guess) -> str:
    return _quoted(os.path.relpath(path, guessed.base_dir))


def _files(guessed: Guess) -> list[str]:
    if not guessed.files:
        return [f"path: {_relative(guessed.path, guessed)}"]
    parts = [f"  {part}: {_relative(path, guessed)}" for part, path in guessed.files.items()]
    return ["files:", *parts]


def _split(guessed: Guess) -> list[str]:
    shares = {"test": 0.5, "validation": 0.1}
    drawn = ", ".join(
        f"{key}: {value}" for key, value in shares.items() if key not in guessed.files
    )
    column, group = guessed.of_role("split"), guessed.of_role("group")
    if not drawn:
        return []
    if column and not guessed.files:
        return [f"split: {{by: column, column: {_quoted(column[0])}}}"]
    if group:
        by = f"by: group, column: {_quoted(group[0])}"
        return [f"split: {{{by}, {drawn}}}  # no group stands on two sides"]
    return [
        f"split: {{by: draw, {drawn}}}",
        "# rows that belong together (one patient's) on one side: {by: group, column: ..., ...}",
    ]


def _empty(guessed: Guess, used: Sequence[str]) -> list[str]:
    lacking = [
        f"{guessed.rows - column.filled} lack {column.name}"
        for column in guessed.columns
        if column.name in used and column.filled < guessed.rows
    ]
    return [f"empty_rows: refuse  # or drop; rows: {listed(lacking)}"] if lacking else []

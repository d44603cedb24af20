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

from preceptor.data.dialect import dialect_of
from preceptor.data.dividing import USUAL, Part
from preceptor.data.example import Targets
from preceptor.data.files import locate, read_json
from preceptor.data.problems import Problems, listed
from preceptor.data.roles import ColumnGuess, Role, columns_of, is_free_text, with_roles
from preceptor.data.rows import Reading, Row, format_of, read_rows, stem_of
from preceptor.data.values import text_of
from preceptor.errors import DataError


@dataclass(frozen=True)
class Guess:
    """What a file seems to hold.

    Attributes:
        path: the file that was looked at.
        format: pubmedqa, or the table's format.
        rows: how many rows it has.
        columns: every column.
        labels: how often each value of the guessed target occurs, most frequent first; empty
            for free text.
        files: the parts that files beside this one seem to be; empty for a single file.
        base_dir: the folder that the study will lie in.
        reading: how the file is to be read.
        notes: what was passed over in it.
        targets: whether the guessed target holds labels or free text.
    """

    path: Path
    format: str
    rows: int
    columns: Sequence[ColumnGuess]
    labels: Mapping[str, int]
    files: Mapping[Part, Path] = field(default_factory=dict)
    base_dir: Path = Path()
    reading: Reading = field(default_factory=Reading)
    notes: Sequence[str] = ()
    targets: Targets = "label"

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
    is_json = looked_at.name.endswith(".json")
    found = _pubmedqa(looked_at) if is_json else _table(looked_at, list(parts.values()))
    return replace(found, files={} if is_json else parts, base_dir=base_dir or Path())


def _table(path: Path, parts: Sequence[Path]) -> Guess:
    problems, reading = Problems(path.name), dialect_of(path, parts)
    rows = read_rows(path, reading, problems)
    problems.raise_if_any()
    columns = with_roles(columns_of(rows))
    target = next((column for column in columns if column.role == "target"), None)
    guessed = Guess(
        path, format_of(path), len(rows), columns, {}, reading=reading, notes=problems.notes
    )
    if target is not None and is_free_text(target):
        return replace(guessed, targets="text")
    return replace(guessed, labels=_counted(rows, target.name)) if target else guessed


def _counted(rows: Sequence[Row], column: str) -> dict[str, int]:
    labels = Counter(text_of(row.values.get(column)).strip() for row in rows)
    return {label: count for label, count in labels.most_common() if label}


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
    found = list(items.values()) if isinstance(items, dict) else []
    keys = [set(item) if isinstance(item, dict) else set() for item in found]
    if not keys or not keys[0] >= {"QUESTION", "CONTEXTS", "final_decision"} or not all(keys):
        raise DataError(
            "a JSON file that is not PubMedQA",
            where=str(path),
            expected="the publisher's ori_pqal.json, or a CSV, TSV, JSONL or Parquet file",
            fix="write other JSON as JSONL: one object a line",
        )
    rows = [Row(number, "", item) for number, item in enumerate(found, 1)]
    counts = _counted(rows, "final_decision")
    return Guess(path, "pubmedqa", len(rows), columns_of(rows), counts)


def starter_study(guessed: Guess) -> str:
    """A commented study file for what :func:`guess` found."""
    fields = _fields(guessed)
    called = guessed.path.parent.name if guessed.files else stem_of(guessed.path)
    name = re.sub(r"[^a-z0-9]+", "-", called.lower()).strip("-") or "my"
    file = "starter_text.yaml" if guessed.targets == "text" else "starter.yaml"
    template = files("preceptor.data").joinpath(file).read_text("utf-8")
    return Template(template).substitute(
        path=_line(str(guessed.path)),
        rows=guessed.rows,
        name=_quoted(f"{name}-study"),
        counts=_counts(guessed),
        labels=", ".join(map(_quoted, guessed.labels)) or "CHANGE, ME",
        input=_shown(list(fields)),
        data="\n".join(f"  {line}" for line in _data(guessed, fields)),
        **_operations(guessed, fields),
    )


def _counts(guessed: Guess) -> str:
    """What stands in the target, for a comment."""
    if guessed.targets == "text":
        target = next(column for column in guessed.columns if column.role == "target")
        return f"{target.distinct} different texts of {target.words:.0f} words on average"
    counts = [f"{_line(label)} {count}" for label, count in guessed.labels.items()]
    return listed(counts) or "none found: no column has few distinct values; name it below"


_UNSEEN = re.compile("[\x00-\x1f\x7f-\xa0\u2028\u2029\ufeff\ufffe\uffff]")


def _quoted(text: str) -> str:
    """A JSON string, which YAML reads as text whatever it says (no, 1, 2020-01-01).

    What YAML takes for a line break or refuses is escaped, more than JSON asks for.
    """
    return _UNSEEN.sub(_escaped, json.dumps(text, ensure_ascii=False))


def _line(text: str) -> str:
    """A text on one line, for a comment; a name that is only white space quoted."""
    return _UNSEEN.sub(_escaped, " ".join(text.split())) or repr(text)


def _escaped(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"


def _fields(guessed: Guess) -> dict[str, str]:
    """Field name to column for the inputs; names that a template can use."""
    if guessed.format == "pubmedqa":
        return {"question": "QUESTION", "context": "CONTEXTS"}
    names: dict[str, str] = {}
    for column in guessed.of_role("input") or ["CHANGE_ME"]:
        name = first = _identifier(column)
        number = 1
        while name in names:
            number += 1
            name = f"{first}_{number}"
        names[name] = column
    return names


def _identifier(column: str) -> str:
    name = "".join(mark if f"_{mark}".isidentifier() else "_" for mark in column)
    return name if name.isidentifier() else f"_{name}"


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
    others = listed(map(_line, guessed.of_role("other"))) or "no other columns"
    return [
        "reader: table",
        *_files(guessed),
        *_reading(guessed),
        "columns:",
        f"  id: {_quoted(id_[0])}" if id_ else "  id: null  # ids are made from the row",
        f"  target: {_quoted(target[0])}",
        f"  inputs: {{{inputs}}}",
        *(f"  references: [{_quoted(name)}]" for name in guessed.of_role("references")),
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


def _reading(guessed: Guess) -> list[str]:
    encoding, delimiter = guessed.reading.encoding, guessed.reading.delimiter
    lines = [f"# {_line(note)}" for note in guessed.notes]
    if encoding != "utf-8":
        said = "  # not UTF-8: look whether accents come out right" if encoding == "cp1252" else ""
        lines.append(f"encoding: {encoding}{said}")
    return lines if delimiter is None else [*lines, f"delimiter: {_quoted(delimiter)}"]


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
        f"{guessed.rows - column.filled} lack {_line(column.name)}"
        for column in guessed.columns
        if column.name in used and column.filled < guessed.rows
    ]
    return [f"empty_rows: refuse  # or drop; rows: {listed(lacking)}"] if lacking else []

"""Made data of a run, chosen row by row: for the terminal, a CSV sheet or JSON."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from preceptor.curate.decisions import mark_of
from preceptor.data.problems import did_you_mean, listed
from preceptor.errors import DataError, SpecError
from preceptor.report.sections.samples import Texts, closest, fields_of, read_table
from preceptor.store.atomic import write_text

_MADE = "made.parquet"
_FORMULA = ("=", "+", "-", "@")
"""what a spreadsheet program takes for the beginning of a formula"""
_TOLD = ("verdict", "filter", "reason", "detail", "figures")


@dataclass(frozen=True, slots=True)
class Made:
    """A made row with its place: the arm, the draw seed, and the row of ``made.parquet``."""

    arm: str
    seed: int
    row: Mapping[str, Any]

    def __getitem__(self, name: str) -> str:
        """A column as text; "" where the row has none (a label that could not be read)."""
        return str(self.row.get(name) or "")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which rows to show; None lets all pass.

    Attributes:
        arm, label, verdict, filter, reason, seed: what a row must have.
        grep: a regular expression, case aside, to be found in what the teacher wrote.
        count: the first so many of them.
    """

    arm: str | None = None
    label: str | None = None
    verdict: Literal["kept", "rejected"] | None = None
    filter: str | None = None
    reason: str | None = None
    seed: int | None = None
    grep: str | None = None
    count: int | None = None


_ASKED: dict[str, Callable[[Made], str | int]] = {
    "arm": lambda one: one.arm,
    "seed": lambda one: one.seed,
    "label": lambda one: one["target"],
    "verdict": lambda one: one["verdict"],
    "filter": lambda one: one["filter"],
    "reason": lambda one: one["reason"],
}


@dataclass
class Found:
    """The rows to show, how many match and are there in all, and the human examples by id."""

    rows: list[Made]
    matching: int
    of: int
    texts: Texts = field(default_factory=Texts)


def find(run: Path, wanted: Wanted) -> Found:
    """The made rows of a run, finished or not, that have what is wanted.

    Raises:
        DataError: the folder holds no made data, or a table of it cannot be read.
        SpecError: no row has a wanted arm, label and so on, or ``grep`` is no regular expression.
    """
    problems: list[str] = []
    made = list(_made(run, problems))
    human = {row["id"]: row for row in read_table(run, "data/examples.parquet", problems)}
    if problems:
        raise DataError("\n".join(problems), where=str(run))
    if not made:
        fix = "give a run folder with an arm that a teacher writes for"
        raise DataError("this folder holds no made data", where=str(run / "arms"), fix=fix)
    for name in _ASKED:
        if not _known(name, getattr(wanted, name), made):
            raise _unknown(name, getattr(wanted, name), made)
    rows = [one for one in _grepped(made, wanted.grep) if _is_wanted(one, wanted)]
    return Found(rows[: wanted.count], len(rows), len(made), Texts(human=human))


def _made(run: Path, problems: list[str]) -> Iterator[Made]:
    folders = [path.parent for path in run.glob(f"arms/*/seed-*/{_MADE}")]
    places = sorted((one.parent.name, int(one.name.removeprefix("seed-"))) for one in folders)
    for arm, seed in places:
        for row in read_table(run, f"arms/{arm}/seed-{seed}/{_MADE}", problems):
            yield Made(arm, seed, row)


def _known(name: str, value: str | int | None, made: Sequence[Made]) -> bool:
    return value is None or any(_ASKED[name](one) == value for one in made)


def _unknown(name: str, value: str | int, made: Sequence[Made]) -> SpecError:
    there = [str(one) for one in sorted({_ASKED[name](one) for one in made}) if one != ""]
    return SpecError(
        f"no made example has this {name}",
        found=value,
        expected=listed(there) or None,
        fix=did_you_mean(str(value), there),
    )


def _is_wanted(one: Made, wanted: Wanted) -> bool:
    return all(getattr(wanted, name) in (None, of(one)) for name, of in _ASKED.items())


def _grepped(made: Iterable[Made], pattern: str | None) -> Iterable[Made]:
    if pattern is None:
        return made
    try:
        sought = re.compile(pattern, re.IGNORECASE)
    except re.error as error:
        raise SpecError("--grep takes a regular expression", found=pattern, fix=str(error)) from (
            error
        )
    return [one for one in made if any(map(sought.search, _written(one)))]


def _written(one: Made) -> list[str]:
    return [*fields_of(one.row).values(), one["raw"]]


_BIDI = "\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069"
_CONTROL = re.compile(rf"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029{_BIDI}\ud800-\udfff]")
"""what moves a cursor, colours, rings, or turns the order of what is shown"""


def plain(text: str) -> str:
    """Text of a model as a terminal may show it: control characters become visible signs.

    Line breaks and tabs stay. ``ESC`` becomes "␛"; what turns the direction of writing and half
    characters become "�".
    """
    return _CONTROL.sub(_sign, text.replace("\r\n", "\n"))


def _sign(match: re.Match[str]) -> str:
    code = ord(match[0])
    return chr(0x2400 + code) if code < 0x20 else "␡" if code == 0x7F else "�"


def write_sheet(path: Path, found: Found) -> None:
    """Write the rows as CSV, ready to be filled in as ``curation.decisions``.

    ``decision`` is empty where nobody decided yet. A text that a spreadsheet would take for a
    formula has an apostrophe before it; ``as_json`` has the texts as they are.

    Raises:
        DataError: the file is there: it may hold somebody's decisions.
    """
    if path.exists():
        raise DataError(
            "the file is there already, and may hold decisions",
            where=str(path),
            fix="give another name, or delete it",
        )
    rows = [_cells(one, found.texts) for one in found.rows]
    names = list(dict.fromkeys(name for row in rows for name in row if name not in _LAST))
    out = io.StringIO()
    writer = csv.DictWriter(out, [*names, *_LAST], restval="")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, out.getvalue())


_LAST = (*_TOLD, "arm", "seed", "parents", "answer", "raw")


def _cells(one: Made, texts: Texts) -> dict[str, str | int]:
    source = closest(texts, list(one.row["parents"]), one.row["target"])
    beside = {f"made {name}": text for name, text in fields_of(one.row).items()}
    beside |= {f"original {name}": text for name, text in fields_of(source).items()}
    beside["original label"] = str(source.get("target") or "")
    told = {name: _cell(one[name]) for name in (*_TOLD, "raw")}
    return {
        "id": one["id"],
        "decision": one["decision"],
        "label": one["target"],
        **{plain(name): _cell(text) for name, text in beside.items()},
        **told,
        "arm": one.arm,
        "seed": one.seed,
        "parents": " ".join(one.row["parents"]),
        "answer": mark_of(one["raw"]),
    }


def _cell(text: str) -> str:
    return f"'{plain(text)}" if text.startswith(_FORMULA) else plain(text)


def as_json(found: Found) -> str:
    """The rows as one JSON object, texts as they are (escaped: nothing a terminal obeys)."""
    return json.dumps(
        {
            "all": found.of,
            "matching": found.matching,
            "rows": [_value(one, found.texts) for one in found.rows],
        },
        indent=2,
    )


def _value(one: Made, texts: Texts) -> dict[str, Any]:
    source = closest(texts, list(one.row["parents"]), one.row["target"])
    return {
        "id": one["id"],
        "arm": one.arm,
        "seed": one.seed,
        "label": one.row["target"],
        **{name: one[name] for name in ("decision", *_TOLD[:-1])},
        "figures": json.loads(one["figures"] or "{}"),
        "made": fields_of(one.row),
        "original": {
            "id": source.get("id"),
            "label": source.get("target"),
            "fields": fields_of(source),
        },
        "parents": list(one.row["parents"]),
        "answer": mark_of(one["raw"]),
        "raw": one["raw"],
    }

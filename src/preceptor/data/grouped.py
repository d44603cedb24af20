"""What the readers of published generation data have in common: several files, whole groups."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError, model_validator

from preceptor.data.assembling import Layout, Source, assemble
from preceptor.data.columns import Columns, EmptyRows
from preceptor.data.dividing import ByGroup, Drawn, Part
from preceptor.data.files import locate_any, read_bytes
from preceptor.data.members import Member, is_archive, read_members
from preceptor.data.parts import Files, named_parts, wrong_with
from preceptor.data.problems import Dropped, Problems, listed, short
from preceptor.data.rows import Reading, Row, read_rows
from preceptor.data.splits import DataSettings, Splits
from preceptor.data.values import text_of
from preceptor.errors import DataError

GROUP = "group"
"""the key of a row's values that says what it hangs together with"""


class GroupedSettings(DataSettings):
    """Paths that are files, folders or archives, one for all parts or one a part."""

    path: str | None = None
    """a file, folder or archive, divided by `split`; relative to the study file"""
    files: Files | None = None
    """one file, folder or archive a part, in place of `path`"""
    split: Drawn | None = None
    """how `path` is divided, or how parts that `files` lacks are drawn from train: whole groups,
    so that none stands on two sides"""
    empty_rows: EmptyRows = "refuse"
    """a row with an empty input or no answer: refuse the data, or drop such rows, counted"""

    @model_validator(mode="after")
    def _complete(self) -> GroupedSettings:
        wrong = wrong_with(self.path, self.files, self.split)
        if wrong is not None:
            raise ValueError(wrong)
        return self


@dataclass
class Found:
    """What one part's files hold.

    Attributes:
        part: which part it is; None for one path that is to be divided.
        is_divided: whether ``split`` draws groups from it.
        problems: what is wrong with it.
        rows: its rows; their values are columns of the reader, and ``GROUP``.
        files: what was read.
        dropped: rows that are not used.
    """

    part: Part | None
    is_divided: bool
    problems: Problems
    rows: list[Row] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)
    dropped: list[Dropped] = field(default_factory=list)

    def id(self, name: str) -> str:
        """A name that holds within one part's files, as one that holds in all parts."""
        return name if self.part is None else f"{self.part}/{name}"


def read_grouped(
    settings: GroupedSettings,
    base_dir: Path,
    columns: Columns,
    collect: Callable[[Path, Found], None],
) -> Splits:
    """Read every part and make splits of them.

    Args:
        settings: the study's ``data``.
        base_dir: the study file's folder.
        columns: which value of a row is what; ``extra`` that no row of any part has is left out.
        collect: adds to ``Found`` what a path holds.

    Raises:
        DataError: all that is wrong with the files and their rows.
    """
    named = named_parts(settings.path, settings.files)
    problems = Problems(", ".join(named.values()))
    found = [
        Found(part, settings.split is not None and part in (None, "train"), problems)
        for part in named
    ]
    for each, reference in zip(found, named.values(), strict=True):
        with problems.gather():
            collect(locate_any(reference, base_dir), each)
    there = {name for each in found for row in each.rows for name in row.values}
    extra = tuple(name for name in columns.extra if name in there)
    used = columns.model_copy(update={"extra": extra})
    splits = assemble(
        [Source(each.part, named[each.part], "", _filled(each.rows, extra)) for each in found],
        Layout(used, _by_group(settings), settings.empty_rows),
        problems,
        [path for each in found for path in each.files],
        targets="text",
    )
    dropped = [one for each in found for one in each.dropped]
    notes = [f"{len(dropped)} rows without an answer were left out."] if dropped else []
    return replace(splits, dropped=[*dropped, *splits.dropped], notes=[*splits.notes, *notes])


def _filled(rows: Sequence[Row], extra: Sequence[str]) -> list[Row]:
    """Rows with "" for extra that another part alone has (whether a test category was seen)."""
    return [replace(row, values={**dict.fromkeys(extra, ""), **row.values}) for row in rows]


def _by_group(settings: GroupedSettings) -> ByGroup | None:
    if settings.split is None:
        return None
    return ByGroup(by="group", column=GROUP, **settings.split.model_dump())


def refuse_labels(reader: str) -> DataError:
    """The error of a study whose task has labels, where the data has texts."""
    return DataError(
        f"{reader}'s targets are texts, and the task is one of labels",
        where="task.kind",
        found="choice",
        expected="text",
    )


def members_at(path: Path, ending: str) -> list[Member]:
    """The files with an ending in a folder or an archive; of any other file, itself."""
    if path.is_dir() or is_archive(path):
        return read_members(path, ending)
    return [
        Member(f"{path.parent.name}/{path.name.partition('.')[0]}", str(path), read_bytes(path))
    ]


def files_of(path: Path, members: Sequence[Member]) -> list[Path]:
    """What stands for members in the fingerprint: themselves, or the archive."""
    is_packed = path.is_file() and is_archive(path)
    return [path] if is_packed else [Path(one.place) for one in members]


def is_jsonl(path: Path) -> bool:
    """Whether a path's name says JSONL, perhaps gzipped."""
    return path.is_file() and path.name.lower().removesuffix(".gz").endswith(".jsonl")


Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
"""text that is not empty"""


class Item(BaseModel):
    """A JSON object of published data: its keys are typed strictly, further keys ignored."""

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore")


_Item = TypeVar("_Item", bound=Item)


def lines_of(path: Path, kind: type[_Item], problems: Problems) -> Iterator[tuple[Row, _Item]]:
    """Every line of a JSONL file, typed; lines that are not are added to ``problems``."""
    for row in read_rows(path, Reading(), problems):
        item = typed(row.values, kind, row.place, problems)
        if item is not None:
            yield row, item


def typed(value: Any, kind: type[_Item], place: str, problems: Problems) -> _Item | None:
    """A JSON value as an item; None, and its problems, where it is none."""
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        for each in error.errors(include_url=False):
            _add(each, place, problems)
        return None


_SAID = {
    "missing": "a key is missing",
    "string_too_short": "empty text",
    "too_short": "a list is too short",
    "too_long": "a list is too long",
}


def _add(error: Mapping[str, Any], place: str, problems: Problems) -> None:
    key = ".".join(map(str, error["loc"]))
    given, kind = error["input"], error["type"]
    is_missing = kind == "missing" and isinstance(given, dict)
    problems.add(
        "an empty list" if given == [] else _SAID.get(kind, "a value of another kind"),
        where=f"{place}, {key}" if key else place,
        found=f"keys {listed(map(str, given))}" if is_missing else short(given),
        expected=f"a key {error['loc'][-1]!r}" if is_missing else _expected(error),
        fix="leave the row out, or give it at least one" if given == [] else None,
    )


def _expected(error: Mapping[str, Any]) -> str:
    """Pydantic's words, of what there should be alone."""
    message = str(error["msg"])
    for begin in ("Input should be ", "List should have ", "String should have "):
        message = message.removeprefix(begin)
    return message.partition(" after validation")[0]


def row_of(
    row: Row,
    text: str,
    references: Sequence[str],
    own: Mapping[str, Any],
    *,
    columns: Columns,
    problems: Problems,
) -> Row:
    """A line of published pairs as a table's row; what it repeats of itself is held against it.

    Args:
        row: the line as it was read.
        text: the input that follows from it.
        references: its texts, the first of which is the target; none of an unlabelled line.
        own: further values, id and group among them.
        columns: of the reader; the line's own values of their extra names are kept.
        problems: what is wrong.
    """
    target = {"target": references[0]} if references else {}
    _agree(row, {"input": text, **target}, problems)
    values = {"input": text, "target": "", "references": list(references), **target, **own}
    return Row(row.number, row.place, values | _further(row, columns.extra))


def _agree(row: Row, ours: Mapping[str, str], problems: Problems) -> None:
    """Hold what a line repeats of itself against what it says.

    Args:
        row: the line.
        ours: what follows from the rest of it, by key; a key that it lacks is no problem.
        problems: what is wrong.
    """
    for key, value in ours.items():
        given = row.values.get(key, value)
        if given != value:
            problems.add(
                "a line contradicts itself",
                where=f"{row.place}, {key}",
                found=short(given),
                expected=f"{short(value)}, which follows from the rest of the line",
                fix=f"correct the line, or leave out its {key!r}",
            )


def _further(row: Row, names: Iterable[str]) -> dict[str, str]:
    """The values of some keys as text, where the line has them."""
    return {name: text_of(row.values[name]) for name in names if name in row.values}

"""A run as its folder tells it, whatever of it is missing, damaged or from another version."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from preceptor.errors import DataError, SpecError
from preceptor.report.read.cell import Cell
from preceptor.report.read.groups import chosen, groups
from preceptor.report.read.results import Results
from preceptor.report.read.salvage import load_what_can_be
from preceptor.report.sections.samples import read_table
from preceptor.store.fingerprint import fingerprint
from preceptor.study.file import parse_study

STUDY, EXAMPLES, PREDICTIONS = "study.yaml", "data/examples.parquet", "predictions.parquet"
_ITEM = ("inputs", "target", "references")
_NEEDED = ("split", "id", "reading")
Key = tuple[str, str, str]
"""a student, a reading and an arm"""
Rows = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Written:
    """A study's settings.

    Attributes:
        raw: the keys and values of the run's ``study.yaml``.
        given: the same as this version reads them; None where it cannot.
        whole: with every default; None where this version cannot read the file.
    """

    raw: dict[str, Any]
    given: dict[str, Any] | None
    whole: dict[str, Any] | None


@dataclass
class Run:
    """A run's folder.

    Attributes:
        name: what it is called beside the others.
        folder: where it lies.
        results: its ``results.json``.
        problems: what of the folder is missing or cannot be read; more as parts are read.
    """

    name: str
    folder: Path
    results: Results
    problems: list[str] = field(default_factory=list)

    @cached_property
    def settings(self) -> Written | None:
        """The study that was run; None where its file cannot be read."""
        path = self.folder / STUDY
        try:
            text = path.read_text("utf-8")
            raw = yaml.safe_load(text)
        except FileNotFoundError:
            self._lacks(STUDY, "is not in the run folder", "its settings are not compared")
            return None
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            self._lacks(STUDY, f"cannot be read ({_line(error)})", "its settings are not compared")
            return None
        if not isinstance(raw, dict):
            self._lacks(STUDY, "holds no keys and values", "its settings are not compared")
            return None
        return self._written(text, raw)

    def _written(self, text: str, raw: dict[str, Any]) -> Written:
        try:
            study = parse_study(text, str(self.folder / STUDY))
        except SpecError as error:
            self._lacks(
                STUDY,
                f"is of another version of Preceptor ({_line(error)})",
                "settings are compared as the files have them, without defaults",
            )
            return Written(raw, None, None)
        given = study.model_dump(mode="json", exclude_unset=True)
        return Written(raw, given, study.model_dump(mode="json"))

    @cached_property
    def examples(self) -> dict[str, dict[str, str]]:
        """By split and id, a hash of what an example says; empty where the file is not there."""
        found: dict[str, dict[str, str]] = {}
        for row in self._table(EXAMPLES, ("id", "split", *_ITEM), "test items cannot be told"):
            told = fingerprint([row[name] for name in _ITEM])
            found.setdefault(row["split"], {})[row["id"]] = told
        return found

    def item(self, name: str) -> str | None:
        """The hash of a test item; under cross-validation it may stand in any split."""
        parts = [self.examples.get("test", {}), *self.examples.values()]
        return next((part[name] for part in parts if name in part), None)

    @cached_property
    def cells(self) -> dict[Key, dict[int, Cell]]:
        """The cells that validation chose and that have a test score, by their seeds."""
        found: dict[Key, dict[int, Cell]] = {}
        for group in groups(self.results):
            for cell, _ in chosen(self.results, group):
                found.setdefault((*group, cell.arm), {})[cell.seed] = cell
        return found

    def predictions(self, cell: Cell, reading: str) -> Rows:
        """A cell's test rows of one reading in the order of their ids; none where the file cannot
        be read, which is a problem then."""
        rows = [row for row in self._predictions(cell.id) if row["reading"] == reading]
        return sorted(rows, key=lambda row: str(row["id"]))

    def _predictions(self, cell: str) -> Rows:
        if cell not in self._read:
            place = f"cells/{cell}/{PREDICTIONS}"
            rows = self._table(place, _NEEDED, "the cell is not compared")
            self._read[cell] = [row for row in rows if row["split"] == "test"]
        return self._read[cell]

    @cached_property
    def _read(self) -> dict[str, Rows]:
        return {}

    def _table(self, place: str, columns: Sequence[str], so: str) -> Rows:
        problems: list[str] = []
        rows = read_table(self.folder, place, problems)
        lacking = [name for name in columns if rows and name not in rows[0]]
        if lacking:
            problems.append(f"{place} lacks the column {', '.join(lacking)}.")
        for problem in problems:
            self._lacks("", problem.rstrip("."), so)
        return [] if lacking else rows

    def _lacks(self, file: str, what: str, so: str) -> None:
        told = " ".join(part for part in (file, what) if part)
        fix = "running the study again into this folder makes it anew"
        self.problems.append(f"{self.name}: {told}: {so}; {fix}.")

    def record(self, cell: Cell) -> dict[str, Any]:
        """What a cell was made from; empty where that is not known."""
        return _json(self.folder / "cells" / cell.id / "part.json")

    @cached_property
    def ingredients(self) -> dict[str, Any]:
        """What stands behind the settings: the teachers as they answered, prompts, weights."""
        teachers = {one.name: one.identity for one in self.results.teachers}
        prompts = dict(self._recorded("arms/*/seed-*", "prompt", 1))
        weights = dict(self._recorded("cells/*/*/*/seed-*", "weights", 1))
        return {"teachers": teachers, "prompts": prompts, "weights": weights}

    def _recorded(self, pattern: str, key: str, level: int) -> Iterator[tuple[str, Any]]:
        """A value of the parts' records, by the folder that stands on a level of their path."""
        for record in sorted(self.folder.glob(f"{pattern}/part.json")):
            value = _json(record).get(key)
            if value is not None:
                yield record.relative_to(self.folder).parts[level], value


def open_runs(folders: Sequence[Path]) -> list[Run]:
    """The runs of some folders, each with a name of its own.

    Raises:
        SpecError: fewer than two folders, or one of them twice.
        DataError: a folder holds no results, or they are damaged.
        StaleRunError: results are of a format that this version does not know.
    """
    places = [folder.resolve() for folder in folders]
    if len(places) < 2:
        raise SpecError(
            "compare takes two run folders or more", found=len(places), fix="name another one"
        )
    if len(set(places)) < len(places):
        twice = next(place for place in places if places.count(place) > 1)
        raise SpecError("compare takes different run folders", found=f"{twice} twice")
    for folder in places:
        if not folder.is_dir():
            fix = "give the folder that `preceptor run` wrote"
            raise DataError("there is no such run folder", where=str(folder), fix=fix)
    return [_opened(*each) for each in zip(_names(places), places, strict=True)]


def _opened(name: str, folder: Path) -> Run:
    results, damaged = load_what_can_be(folder)
    told = [f"{name}: results.json is damaged and read without {one}" for one in damaged]
    return Run(name, folder, results, told)


def _names(places: Sequence[Path]) -> list[str]:
    """The shortest ends of the paths that tell all of them apart."""
    for parts in range(1, max(len(place.parts) for place in places)):
        names = ["/".join(place.parts[-parts:]) for place in places]
        if len(set(names)) == len(names):
            return names
    return [str(place) for place in places]


def _json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):  # a record that cannot be read explains nothing, and no score
        return {}
    return value if isinstance(value, dict) else {}


def _line(error: Exception) -> str:
    """An error's words on one line."""
    return " ".join(str(error).split())[:200]

"""Where a run departs from the setting that a paper names: models, data, training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from preceptor.report.frame.blocks import Column, Row, Table, words
from preceptor.report.papers.exhibit import Exhibit, Setting
from preceptor.report.papers.found import Found
from preceptor.report.papers.names import Names
from preceptor.report.read.results import Results

_STUDY = "study.yaml"
_EMBEDDED = "the embedded SmolLM2-135M, its weights rounded to 4 bits"


@dataclass(frozen=True, slots=True)
class Departure:
    """Something that a run does not have as the paper has it."""

    what: str
    ours: str
    paper: str


def departures_table(found: Sequence[Departure], name: str) -> Table | None:
    """What differs from the paper, a row each; None where nothing does."""
    if not found:
        return None
    rows = [Row((words(one.what), words(one.ours), words(one.paper))) for one in found]
    titles = {"what": "What", "ours": "This run", "paper": "The paper"}
    return Table(
        name=f"{name}-differs",
        caption="Where this run is not as the paper has it.",
        columns=tuple(Column(key, title, numeric=False) for key, title in titles.items()),
        rows=tuple(rows),
        notes=("What the paper's text leaves open is no departure and is not listed.",),
    )


def departures(
    run: Path, results: Results, exhibit: Exhibit, names: Names, found: Sequence[Found]
) -> list[Departure]:
    """What of the run is not as the paper has it.

    Held against it are the models and the settings that the paper's text names, as the run's
    ``study.yaml`` has them.
    """
    study = _study(run)
    used = {one.group[0] for one in found if one.group and one.numbers}
    theirs = {ours: name for name, ours in names.students.items() if ours in used}
    told = _together(list(_weights(results, exhibit, theirs)))
    told += _teachers(study, results, exhibit, names)
    if not study:
        told.append(Departure("settings", f"no readable {_STUDY} in the run", "not held against"))
    for setting in exhibit.settings if study else ():
        told += _together(list(_setting(study, setting, names, list(theirs))))
    return [*told, *_readings(exhibit, found)]


def _together(found: Sequence[Departure]) -> list[Departure]:
    """Students that depart alike on one line."""
    alike: dict[tuple[str, str], list[str]] = {}
    for one in found:
        alike.setdefault((one.ours, one.paper), []).append(one.what)
    return [Departure(", ".join(what), *both) for both, what in alike.items()]


def _study(run: Path) -> dict[str, Any]:
    try:
        value = yaml.safe_load((run / _STUDY).read_text("utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        return {}
    return value if isinstance(value, dict) else {}


def _weights(results: Results, exhibit: Exhibit, theirs: Mapping[str, str]) -> Iterator[Departure]:
    """Students that did not start from the paper's weights."""
    for ours, name in theirs.items():
        paper = exhibit.weights.get(name)
        found = next((c.weights for c in results.cells if c.student == ours and c.weights), None)
        if found is None or paper is None or found.ref.partition("@")[0] == paper:
            continue
        note = f" ({found.note.rstrip('.')})" if found.note else ""
        meant = f"; stands for {found.stands_for.rstrip('.')}" if found.stands_for else ""
        yield Departure(f"weights of {ours}", f"{found.ref}{note}{meant}", paper)


def _teachers(
    study: Mapping[str, Any], results: Results, exhibit: Exhibit, names: Names
) -> Iterator[Departure]:
    """Teachers that are not the paper's; one that no name sets beside a paper's is none of them."""
    theirs = {ours: exhibit.teachers.get(name) for name, ours in names.teachers.items()}
    every = " or ".join(exhibit.teachers.values())
    for teacher in results.teachers if every else ():
        paper = theirs.get(teacher.name) or every
        model = _model(_at(study, ["teachers", teacher.name]), teacher.engine)
        if model != paper:
            meant = f"; stands for {teacher.stands_for.rstrip('.')}" if teacher.stands_for else ""
            yield Departure(f"teacher {teacher.name}", f"{model}{meant}", paper)


def _model(settings: Any, engine: str) -> str:
    told = settings if isinstance(settings, dict) else {}
    found = told.get("model") or told.get("weights")
    if found is None and engine == "embedded":
        return _EMBEDDED
    return str(found or engine or "not told")


def _setting(
    study: Mapping[str, Any], setting: Setting, names: Names, students: Sequence[str]
) -> Iterator[Departure]:
    """One setting of the paper against the run's; of all students where the key says so."""
    for keys in _places(setting, names, students):
        value = _at(study, keys)
        value = setting.default if value is None else value
        if value != setting.value:
            yield Departure(".".join(keys), _told(value), setting.words or _told(setting.value))


def _places(setting: Setting, names: Names, students: Sequence[str]) -> Iterator[list[str]]:
    """The keys of a setting in the run, whose students and arms may have names of their own."""
    first, *rest = setting.key.split(".")
    kinds = {"students": names.students, "arms": names.arms, "teachers": names.teachers}
    if first not in kinds:
        yield [first, *rest]
    elif rest[0] == "*":
        yield from ([first, one, *rest[1:]] for one in students)
    elif (one := kinds[first].get(rest[0])) and (first != "students" or one in students):
        yield [first, one, *rest[1:]]


def _at(value: Any, keys: Sequence[str]) -> Any:
    """What stands at these keys; None where there is no such thing. A bare word is a name."""
    for key in keys:
        if isinstance(value, str) and key == "name":
            return value
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _told(value: Any) -> str:
    if value is None:
        return "not set"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _readings(exhibit: Exhibit, found: Sequence[Found]) -> Iterator[Departure]:
    """Students whose labels were read in another way than the paper reads them."""
    groups = dict.fromkeys(one.group for one in found if one.group and one.numbers)
    if exhibit.readings[0] != "generation":
        return
    for student, reading in groups:
        if reading == "likelihood":
            yield Departure(
                f"labels of {student}", "the likeliest one", "read from written answers"
            )

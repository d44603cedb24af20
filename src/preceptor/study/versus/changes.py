"""What runs do not have alike: settings, what stands behind them, data, environment."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import yaml

from preceptor.report.versus import Change, DataLine
from preceptor.store.fingerprint import fingerprint
from preceptor.study.versus.folder import Run

_MOVES_NOTHING = ("name", "description", "limits", "report", "keep", "trackers")
"""keys of a study that no score depends on"""
_LONGEST = 80
_MISSING = object()
"""in place of a value where there is no such key"""


def changes(runs: Sequence[Run]) -> list[Change]:
    """Settings that differ, by their dotted keys, and what differs behind equal ones.

    A default is known where this version reads the study; a key that one run gives and another
    leaves to the same default is no change.
    """
    known = [one for run in runs if (one := run.settings) is not None]
    found: list[Change] = []
    if len(known) == len(runs):
        read = all(one.whole is not None for one in known)
        given = [one.given if read else one.raw for one in known]
        found = list(_changed("", given, [one.whole if read else one.raw for one in known]))
    behind = list(_changed("", *[[run.ingredients for run in runs]] * 2))
    named = [change.key for change in found]
    return [*found, *(one for one in behind if not _said(one.key, named))]


def _said(key: str, named: Sequence[str]) -> bool:
    """Whether a key, or what it stands in, is among those named already."""
    return any(key == one or key.startswith(f"{one}.") for one in named)


def environment(runs: Sequence[Run]) -> list[Change]:
    """Versions, machine, threads and precision, where they differ."""
    found = [_environment(run) for run in runs]
    return list(_changed("", found, found))


def _environment(run: Run) -> dict[str, Any]:
    """Every value that the run or one of its cells names, by what it is of."""
    records = [run.results.environment, *(cell.environment for cell in run.results.cells)]
    records += [
        {"precision": cell.precision, "device": cell.device, "processes": cell.processes}
        for cell in run.results.cells
    ]
    found: dict[str, dict[str, None]] = {}
    for record in records:
        for key, value in record.items():
            if value is not None:
                found.setdefault(key, {})[_flow(value)] = None
    return {key: ", ".join(sorted(values)) for key, values in found.items()}


def data(runs: Sequence[Run]) -> list[DataLine]:
    """Rows of every split, and how many of them the first run has too; none where a run's
    examples cannot be read."""
    parts = [run.examples for run in runs]
    if not all(parts):
        return []
    return [
        DataLine(
            split=split,
            rows=[len(part.get(split, {})) for part in parts],
            same=[
                len(parts[0].get(split, {}).items() & part.get(split, {}).items()) for part in parts
            ],
        )
        for split in dict.fromkeys(split for part in parts for split in part)
    ]


def _changed(name: str, given: Sequence[Any], whole: Sequence[Any]) -> Iterator[Change]:
    """Leaves that differ, by their dotted keys.

    Args:
        name: of the values.
        given: as each run has them written.
        whole: the same with defaults.
    """
    if all(_same(one, whole[0]) for one in whole):
        return
    if all(isinstance(one, dict) for one in whole):
        for key in dict.fromkeys(key for one in whole for key in one):
            place = f"{name}.{key}" if name else str(key)
            inner = [[_at(one, key) for one in side] for side in (given, whole)]
            yield from _changed(place, *inner)
    elif any(one is not _MISSING for one in given):  # else a default of some other kind of part
        values = [_shown(*sides) for sides in zip(given, whole, strict=True)]
        bears = name.partition(".")[0] not in _MOVES_NOTHING
        yield Change(key=name, values=values, bears=bears)


def _same(one: Any, other: Any) -> bool:
    """Whether two values are equal; `true` is not 1."""
    return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)


def _at(value: Any, key: str) -> Any:
    return value.get(key, _MISSING) if isinstance(value, Mapping) else _MISSING


def _shown(given: Any, whole: Any) -> str:
    if whole is _MISSING:
        return ""
    if given is _MISSING:
        scalar = not isinstance(whole, dict | list)
        return f"{_flow(whole)} (default)" if scalar else "default"
    return _flow(given)


def _flow(value: Any) -> str:
    """A value on one line; of a long one its beginning and a mark that tells it from others."""
    text = value if isinstance(value, str) else _yaml(value)
    text = " ".join(text.split())
    if re.fullmatch("[0-9a-f]{64}", text):
        return text[:12]
    if len(text) <= _LONGEST:
        return text
    return f"{text[:_LONGEST]}… ({fingerprint(value)[:7]})"


def _yaml(value: Any) -> str:
    if value is None or isinstance(value, bool | int | float):
        return json.dumps(value)
    text: str = yaml.safe_dump(
        value, default_flow_style=True, width=10**6, allow_unicode=True, sort_keys=False
    )
    return text

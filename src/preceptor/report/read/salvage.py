"""Results of which some entries are damaged: those are left out and named, the rest is read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import ValidationError

from preceptor.report.read.results import RESULTS, Results, read, validated


def load_what_can_be(run: Path) -> tuple[Results, list[str]]:
    """Read a run's results without the entries of it that are damaged.

    Returns:
        The results, and what was left out of them, in words.

    Raises:
        DataError: there are none, or the file is damaged as a whole.
        StaleRunError: the file is of a format that this version does not know.
    """
    path, told = run / RESULTS, list[str]()
    value = read(path)
    while isinstance(value, dict):
        try:
            Results.model_validate(value)
        except ValidationError as error:
            if not (cut := _without(value, error, told)):
                break
            value = cut
            continue
        break
    return validated(path, value), told


def _without(value: dict[str, Any], error: ValidationError, told: list[str]) -> dict[str, Any]:
    """The same without the entry of the first error; empty where a page cannot do without it."""
    first = error.errors()[0]
    key, rest = str(first["loc"][0]), first["loc"][1:]
    if key in ("format", "study"):
        return {}
    part = value[key]
    inside: Any = rest[0] if rest else None
    told.append(f"{'.'.join(map(str, first['loc']))}: {first['msg']}{_id_of(part, inside)}")
    if isinstance(part, list) and isinstance(inside, int):
        return {**value, key: [one for place, one in enumerate(part) if place != inside]}
    if isinstance(part, dict) and inside in part:
        return {**value, key: {name: one for name, one in part.items() if name != inside}}
    return {name: one for name, one in value.items() if name != key}


def _id_of(part: Any, place: Any) -> str:
    """Which one it is, where it has a name."""
    entry = part[place] if isinstance(part, list) and isinstance(place, int) else None
    name = entry.get("id") if isinstance(entry, dict) else None
    return f" ({name})" if isinstance(name, str) else ""

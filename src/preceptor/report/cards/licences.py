"""Licences of all that a model or a made set comes from, rolled up for the head of its card."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from preceptor.report.cards.markdown import Md, code, escaped, table
from preceptor.report.read.provenance import Base, Licence
from preceptor.report.read.results import Results

UNKNOWN = "unknown"
_ID = re.compile(r"[a-z0-9][a-z0-9.+-]*")
_ALIASES = {"mit license": "mit", "apache 2.0": "apache-2.0", "apache license 2.0": "apache-2.0"}


@dataclass(frozen=True, slots=True)
class Origin:
    """One thing that a model or a made set comes from."""

    what: str
    name: Md
    licence: Licence

    @property
    def told(self) -> str:
        """The licence in words, with who says so."""
        by = f" ({self.licence.told_by})" if self.licence.told_by else ""
        return f"{self.licence.name or UNKNOWN}{by}"


def hub_id(name: str | None) -> str:
    """A licence as the hub writes it: ``apache-2.0`` of ``Apache-2.0``."""
    text = " ".join((name or UNKNOWN).lower().split())
    return _ALIASES.get(text, text)


def rolled_up(origins: Sequence[Origin]) -> dict[str, str]:
    """The head's keys: the one licence that all have, ``other`` for several, else ``unknown``.

    One unknown makes the whole unknown: nobody may read a permission out of the rest.
    """
    found = list(dict.fromkeys(hub_id(origin.licence.name) for origin in origins))
    if UNKNOWN in found or not found:
        return {"license": UNKNOWN}
    if len(found) == 1 and _ID.fullmatch(found[0]):
        return {"license": found[0]}
    name = re.sub(r"[^a-z0-9.]+", "-", "-and-".join(found)).strip("-")
    return {"license": "other", "license_name": name, "license_link": "README.md"}


def origins_table(origins: Sequence[Origin]) -> Md:
    """What something comes from, with licences."""
    rows = [(origin.what, origin.name, origin.told) for origin in origins]
    return table(("What", "Which", "Licence or terms"), rows)


def data_origin(results: Results) -> Origin:
    """The human examples."""
    data = results.provenance.data
    source = escaped(data.source or "source not stated")
    files = ", ".join(code(name) for name in results.data.files)
    return Origin("Data", Md(f"{source}: {files}") if files else source, data.licence)


def base_origin(results: Results, student: str) -> Origin:
    """What a student's weights were before."""
    found = results.provenance.students.get(student)
    cells = (cell.weights.ref for cell in results.cells if cell.student == student and cell.weights)
    return Origin("Base model", *_model(found or Base(weights=next(cells, ""))))


def teacher_origins(results: Results, names: Iterable[str]) -> list[Origin]:
    """Large models that wrote or labelled rows."""
    bases = results.provenance.teachers
    return [
        Origin(f"Teacher {name}", *_model(bases.get(name, Base(weights=name)))) for name in names
    ]


def _model(base: Base) -> tuple[Md, Licence]:
    named = code(base.weights or "not recorded")
    known = base.hub and base.hub != base.weights.partition("@")[0]
    return (Md(f"{named}, on the hub {code(base.hub)}") if known else named), base.licence

"""Runs side by side as one self-contained page, with its tables as files beside it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from preceptor.errors import DataError
from preceptor.report.frame.blocks import Block, Bullets, Heading, Prose, Section
from preceptor.report.page import Opening, html, write_parts
from preceptor.report.read.numbers import date, plural
from preceptor.report.versus import tables
from preceptor.report.versus.figures import differences_figures
from preceptor.report.versus.found import Versus
from preceptor.report.versus.words import QUESTION, changed, limits, title, verdicts
from preceptor.store.atomic import new_folder

PAGE = "compare.html"
_OWN = {PAGE, "figures", "tables"}


def write_page(found: Versus, out: Path) -> Path:
    """Write ``OUT/compare.html``, ``OUT/figures`` and ``OUT/tables``; return the page's path.

    The folder replaces an earlier comparison whole.

    Raises:
        DataError: the folder is there and holds something else.
    """
    others = {path.name for path in out.iterdir()} - _OWN if out.is_dir() else set[str]()
    if others or out.is_file():
        raise DataError(
            "the folder for the comparison holds something else",
            where=str(out),
            found=", ".join(sorted(others)[:5]) or "a file",
            fix="give a new folder with --out",
        )
    parts = sections(found)
    with new_folder(out) as draft:
        (draft / PAGE).write_text(html(_opening(found), parts), encoding="utf-8")
        write_parts(draft, parts)
    return out / PAGE


def _opening(found: Versus) -> Opening:
    return Opening(
        kind="Preceptor comparison",
        title=title(found),
        lead=changed(found),
        facts=[
            f"{run.name}: {date(run.created)}, {plural(run.cells, 'cell')}" for run in found.runs
        ],
        warnings=_warnings(found),
        question=QUESTION,
        verdicts=verdicts(found),
    )


def _warnings(found: Versus) -> list[dict[str, Any]]:
    if not found.problems:
        return []
    return [{"text": "The run folders are not whole:", "lines": found.problems}]


def sections(found: Versus) -> list[Section]:
    """The sections of the page that have something to say."""
    made = [
        Section("changed", "What changed", tuple(_changed(found))),
        Section("scores", "Scores side by side", tuple(_scores(found))),
        Section("limits", "What the differences cannot show", _limits(found)),
        Section("runs", "The runs", (tables.runs_table(found),)),
    ]
    return [section for section in made if section.blocks]


def _changed(found: Versus) -> Iterator[Block]:
    yield tables.changes_table(found) or Prose(("No setting differs.",))
    for heading, table in (
        ("Data", tables.data_table(found)),
        ("Environment", tables.environment_table(found)),
    ):
        if table is not None:
            yield Heading(heading)
            yield table


def _scores(found: Versus) -> Iterator[Block]:
    yield from differences_figures(found)
    for group in tables.groups(found):
        table = tables.scores_table(found, group)
        if table.rows:
            yield table
    if alone := tables.alone_table(found):
        yield alone


def _limits(found: Versus) -> tuple[Block, ...]:
    lines = limits(found)
    return (Bullets(tuple(lines)),) if lines else ()

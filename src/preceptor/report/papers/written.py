"""A layout as files: Markdown, CSV, LaTeX, HTML, and SVG and PNG where there is a figure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from preceptor.report.frame import svg
from preceptor.report.frame.blocks import Block, Bullets, Section, Table
from preceptor.report.frame.formats import to_csv, to_latex, to_markdown
from preceptor.report.page import Opening, html
from preceptor.report.papers.layout import Layout
from preceptor.store.atomic import new_file

FOLDER = Path("report/papers")


def write_layout(run: Path, layout: Layout) -> list[Path]:
    """Write ``RUN/report/papers/NAME.md``, .csv, .tex, .html; .svg and .png of a figure.

    Returns:
        The files. They go when the run's report is written anew, since it may show other numbers.
    """
    name = layout.exhibit.name
    texts = {
        f"{name}.md": to_markdown(layout.tables),
        f"{name}.csv": to_csv(layout.tables[:1]),
        f"{name}.tex": to_latex(layout.tables),
        f"{name}.html": _html(layout),
    }
    files = {file: text.encode("utf-8") for file, text in texts.items()}
    for number, figure in enumerate(layout.figures, 1):
        part = f"-{number}" if len(layout.figures) > 1 else ""
        files[f"{name}{part}.svg"] = svg.standalone(figure.svg).encode("utf-8")
        if isinstance(figure.svg, svg.Drawing):
            files[f"{name}{part}.png"] = figure.svg.png
    for file, content in files.items():
        with new_file(run / FOLDER / file) as draft:
            draft.write_bytes(content)
    return [run / FOLDER / file for file in files]


def _html(layout: Layout) -> str:
    """One self-contained page."""
    exhibit = layout.exhibit
    opening = Opening(
        kind=f"Preceptor, laid out as {exhibit.name}",
        title=exhibit.title,
        lead=[f"{exhibit.source}. The run: {layout.study}."],
        beside="The same as Markdown, CSV and LaTeX, and a figure as SVG and PNG, lies beside it.",
        numbered=False,
    )
    return html(opening, list(_sections(layout)))


def _sections(layout: Layout) -> Iterator[Section]:
    table, *apart = layout.tables
    yield Section("result", "The run in the paper's form", (*layout.figures, *_told(table)))
    for one in apart:
        yield Section("apart", "Where it is not as the paper has it", tuple(_told(one)))


def _told(table: Table) -> Iterator[Block]:
    """A table whose notes, of which there are many here, are a list."""
    yield replace(table, notes=())
    if table.notes:
        yield Bullets(table.notes)

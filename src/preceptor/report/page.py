"""The page: sections rendered into one self-contained HTML file, figures and tables beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from preceptor.report import svg
from preceptor.report.blocks import Figure, Section, Table, to_csv, walk
from preceptor.report.groups import students
from preceptor.report.numbers import DASH, date, duration, plural
from preceptor.report.ranking import answers, asked
from preceptor.report.results import Results, load
from preceptor.report.sections import Source, sections
from preceptor.store.atomic import new_folder

REPORT = "report"
_HERE = Path(__file__).parent


def write_report(run: Path) -> Path:
    """Write ``RUN/report``: index.html, figures/*.svg, tables/*.csv; return the page's path.

    The folder replaces an earlier one whole, so a report is never half old and half new.

    Args:
        run: a run's folder with its ``results.json``; the run need not be finished.

    Raises:
        DataError: there are no results, or they are damaged.
        StaleRunError: the results are of a format that this version does not know.
    """
    results = load(run)
    parts = sections(Source(run.resolve(), results))
    with new_folder(run / REPORT) as draft:
        (draft / "index.html").write_text(render(results, parts), encoding="utf-8")
        _write_figures(draft / "figures", parts)
        _write_tables(draft / "tables", parts)
    return run / REPORT / "index.html"


def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(_HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def render(results: Results, parts: list[Section]) -> str:
    """The page as HTML."""
    template = _environment().get_template("page.html.jinja")
    text = template.render(
        results=results,
        sections=parts,
        question=asked(results),
        verdicts=answers(results),
        facts=_facts(results),
        warnings=_warnings(results),
        style=Markup(_style()),
        svg=_trusted,
        dash=DASH,
    )
    return text.lstrip()


def _trusted(figure: Figure) -> Markup:
    """A figure's markup, in which :mod:`svg` has escaped every text that came from data."""
    return Markup(figure.svg)


def _style() -> str:
    css = (_HERE / "style.css").read_text("utf-8")
    light, dark = svg.theme(dark=False), svg.theme(dark=True)
    return (
        f":root {{ {light} }}\n@media screen and (prefers-color-scheme: dark) "
        f"{{ :root {{ {dark} }} }}\n{css}"
    )


def _facts(results: Results) -> list[str]:
    seeds = {cell.seed for cell in results.cells}
    found = [
        date(results.created),
        plural(len(students(results)), "student"),
        plural(len(results.arms), "arm"),
        plural(len(seeds), "seed"),
        plural(len(results.cells), "cell"),
        "" if results.seconds is None else f"made in {duration(results.seconds)}",
    ]
    return [fact for fact in found if fact]


def _warnings(results: Results) -> list[dict[str, Any]]:
    """What must be known before anything else: the run is not whole."""
    found: list[dict[str, Any]] = []
    if not results.finished:
        text = "This run is not finished. The page shows what is there so far."
        found.append({"text": text, "items": []})
    if results.failed:
        items = [(item.id, _message(results, item.error)) for item in results.failed]
        found.append({"text": f"{plural(len(items), 'cell')} failed:", "items": items})
    return found


def _message(results: Results, error: str) -> str:
    """An error's words; beyond the first line they may quote an example."""
    return error if results.report.publish_texts else (error.splitlines() or [""])[0]


def _write_figures(folder: Path, parts: list[Section]) -> None:
    folder.mkdir()
    for section in parts:
        for block in walk(section.blocks):
            if isinstance(block, Figure):
                text = svg.standalone(block.svg)
                (folder / f"{block.name}.svg").write_text(text, encoding="utf-8")


def _write_tables(folder: Path, parts: list[Section]) -> None:
    folder.mkdir()
    by_name: dict[str, list[Table]] = {}
    for section in parts:
        for block in walk(section.blocks):
            if isinstance(block, Table):
                by_name.setdefault(block.name, []).append(block)
    for name, found in by_name.items():
        (folder / f"{name}.csv").write_text(to_csv(found), encoding="utf-8", newline="")

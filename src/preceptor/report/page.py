"""The page: sections rendered into one self-contained HTML file, figures and tables beside it."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from preceptor.report.contents import Source, sections
from preceptor.report.frame import svg
from preceptor.report.frame.blocks import Block, Figure, Finder, Fold, Section, Table, walk
from preceptor.report.frame.formats import to_csv, to_latex, to_markdown
from preceptor.report.read.condition import problems
from preceptor.report.read.groups import students
from preceptor.report.read.numbers import DASH, date, duration, plural
from preceptor.report.read.results import Results
from preceptor.report.read.salvage import load_what_can_be
from preceptor.report.sections.ranking import answers, asked
from preceptor.report.words.verdict import Verdict
from preceptor.store.atomic import new_folder

REPORT = "report"
HEATS = 20
"""steps of a coloured field; a step is a class, since the page allows no inline style"""
_FORMATS = {"csv": to_csv, "md": to_markdown, "tex": to_latex}
_BESIDE = (
    "Figures as SVG and PNG, and tables as CSV, Markdown and LaTeX, lie beside this page, in"
    " figures and tables."
)
_HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Opening:
    """What stands above a page's sections.

    Attributes:
        kind: what sort of page it is.
        title: its heading.
        lead: paragraphs below it.
        beside: where its tables and figures lie as files.
        facts: the run in a few words each.
        warnings: what must be known before anything else.
        question: what the verdicts answer; empty on a page without any.
        verdicts: one for every student and reading.
        numbered: whether tables and figures are counted.
    """

    kind: str
    title: str
    lead: Sequence[str]
    beside: str = _BESIDE
    facts: Sequence[str] = ()
    warnings: Sequence[Mapping[str, Any]] = ()
    question: str = ""
    verdicts: Sequence[Verdict] = ()
    numbered: bool = True


def write_report(run: Path) -> Path:
    """Write ``RUN/report`` and return the page's path.

    Beside index.html lie figures/NAME.svg and .png, tables/NAME.csv, .md and .tex. The folder
    replaces an earlier one whole, so a report is never half old and half new.

    Args:
        run: a run's folder with its ``results.json``; the run need not be finished, and entries
            that are damaged are left out and named.

    Raises:
        DataError: there are no results, or they are damaged as a whole.
        StaleRunError: the results are of a format that this version does not know.
    """
    results, damaged = load_what_can_be(run)
    warnings = _warnings(results, damaged, problems(run, results))
    parts = sections(Source(run.resolve(), results))
    with new_folder(run / REPORT) as draft:
        (draft / "index.html").write_text(render(results, parts, warnings), encoding="utf-8")
        write_parts(draft, parts)
    return run / REPORT / "index.html"


def write_parts(folder: Path, parts: list[Section]) -> None:
    """Write what a page shows as files: ``figures`` and ``tables`` below the folder."""
    _write_figures(folder / "figures", parts)
    _write_tables(folder / "tables", parts)


def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(_HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def render(results: Results, parts: list[Section], warnings: list[dict[str, Any]]) -> str:
    """The page as HTML."""
    opening = Opening(
        kind="Preceptor report",
        title=results.study,
        lead=[results.description] if results.description else [],
        facts=_facts(results),
        warnings=warnings,
        question=asked(results),
        verdicts=answers(results),
    )
    return html(opening, parts)


def html(opening: Opening, parts: list[Section]) -> str:
    """A page of what stands first on it and its sections; with a script where one has a use."""
    template = _environment().get_template("page.html.jinja")
    moves = any(isinstance(block, Finder | Fold) for block in _blocks(parts))
    script = (_HERE / "page.js").read_text("utf-8") if moves else ""
    style = _style()
    text = template.render(
        opening=opening,
        sections=parts,
        style=Markup(style),
        script=Markup(script),
        policy=_policy(style, script),
        svg=_trusted,
        heats=HEATS,
        dash=DASH,
    )
    return text.lstrip()


def _policy(style: str, script: str) -> str:
    """What a browser may do with the page: use its own style and script, and nothing else."""
    allowed = _hash(script) if script else "'none'"
    return (
        f"default-src 'none'; style-src {_hash(style)}; script-src {allowed}; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest())
    return f"'sha256-{digest.decode('ascii')}'"


def _trusted(figure: Figure) -> Markup:
    """A figure's markup, in which :mod:`svg` has escaped every text that came from data."""
    return Markup(figure.svg)


def _style() -> str:
    css = (_HERE / "style.css").read_text("utf-8")
    light, dark = svg.theme(dark=False), svg.theme(dark=True)
    heats = " ".join(f".heat-{n} {{ --heat-of: {n / HEATS:g} }}" for n in range(HEATS + 1))
    return (
        f":root {{ {light} }}\n@media screen and (prefers-color-scheme: dark) "
        f"{{ :root {{ {dark} }} }}\n{heats}\n{css}"
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


def _warnings(results: Results, damaged: list[str], folder: list[str]) -> list[dict[str, Any]]:
    """What must be known before anything else: the run is not whole, or not what it was, or its
    intervals cover less than one would think."""
    found: list[dict[str, Any]] = []
    if not results.finished:
        text = "This run is not finished. The page shows what is there so far."
        found.append({"text": text})
    if results.failed:
        items = [(item.id, _message(results, item.error)) for item in results.failed]
        found.append({"text": f"{plural(len(items), 'cell')} failed:", "errors": items})
    if damaged:
        text = "The results are damaged in part. What is left out of this page:"
        found.append({"text": text, "lines": damaged})
    if folder:
        text = "What lies in the run folder does not fit these results:"
        found.append({"text": text, "lines": folder})
    return [*found, *({"text": text} for text in results.not_covered)]


def _message(results: Results, error: str) -> str:
    """An error's words; beyond the first line they may quote an example."""
    return error if results.report.publish_texts else (error.splitlines() or [""])[0]


def _blocks(parts: list[Section]) -> list[Block]:
    return [block for section in parts for block in walk(section.blocks)]


def _write_figures(folder: Path, parts: list[Section]) -> None:
    folder.mkdir()
    for block in _blocks(parts):
        if isinstance(block, Figure):
            (folder / f"{block.name}.svg").write_text(svg.standalone(block.svg), encoding="utf-8")
            if isinstance(block.svg, svg.Drawing):
                (folder / f"{block.name}.png").write_bytes(block.svg.png)


def _write_tables(folder: Path, parts: list[Section]) -> None:
    folder.mkdir()
    by_name: dict[str, list[Table]] = {}
    for block in _blocks(parts):
        if isinstance(block, Table):
            by_name.setdefault(block.name, []).append(block)
    for name, found in by_name.items():
        for ending, written in _FORMATS.items():
            text = written(found)
            (folder / f"{name}.{ending}").write_text(text, encoding="utf-8", newline="")

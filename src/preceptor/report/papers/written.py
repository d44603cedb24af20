"""A layout as files: Markdown, CSV, LaTeX, HTML, and SVG and PNG where there is a figure."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from preceptor.report.frame import svg
from preceptor.report.frame.blocks import Figure
from preceptor.report.frame.formats import to_csv, to_latex, to_markdown
from preceptor.report.papers.layout import Layout
from preceptor.report.read.numbers import DASH
from preceptor.store.atomic import new_file

FOLDER = Path("report/papers")
_HERE = Path(__file__).parent


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
    """One self-contained page; every text is escaped."""
    environment = Environment(
        loader=FileSystemLoader(_HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    template = environment.get_template("paper.html.jinja")
    return template.render(layout=layout, style=Markup(_style()), svg=_trusted, dash=DASH)


def _trusted(figure: Figure) -> Markup:
    """A figure's markup, in which :mod:`svg` has escaped every text that came from data."""
    return Markup(figure.svg)


def _style() -> str:
    light, dark = svg.theme(dark=False), svg.theme(dark=True)
    css = (_HERE.parent / "style.css").read_text("utf-8")
    return (
        f":root {{ {light} }}\n@media screen and (prefers-color-scheme: dark) "
        f"{{ :root {{ {dark} }} }}\n{css}"
    )

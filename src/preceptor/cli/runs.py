"""Commands on a run: what it shows, and whether it holds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console

from preceptor.cli.app import Json, RunFolder, app, say
from preceptor.errors import PreceptorError


@app.command()
def predict(
    run_folder: RunFolder,
    input_file: Annotated[
        Path, typer.Argument(metavar="INPUT", help="CSV, TSV, JSONL or Parquet with the inputs")
    ],
    cell: Annotated[
        str | None, typer.Option(help="a cell's id [default: the best on validation]")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="a CSV, JSONL or Parquet file [default: JSONL on stdout]")
    ] = None,
) -> None:
    """Label new rows with the best student of a run."""
    from preceptor.study.predict import predict_file

    predict_file(run_folder, input_file, cell, out)


@app.command()
def report(
    run_folder: Annotated[
        Path | None,
        typer.Argument(metavar="[RUN]", help="the run folder", show_default=False),
    ] = None,
    paper: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="lay the run out as this table or figure of a paper (drllama.table3), the paper's"
            " own numbers beside; `list` shows all",
        ),
    ] = None,
    renamed: Annotated[
        list[str] | None,
        typer.Option(
            "--as",
            metavar="OURS=PAPERS",
            help="with --paper: a name of the run that stands for one of the paper's study"
            " (smollm2=biogpt-large)",
        ),
    ] = None,
) -> None:
    """Write a run's report anew from its results, or lay the run out as a paper has it.

    With --paper NAME the table is printed and written to RUN/report/papers as Markdown, CSV,
    LaTeX and HTML, figures as SVG and PNG; the report itself stays as it is.
    """
    if paper == "list":
        _list_papers()
        return
    if run_folder is None:
        raise PreceptorError("which run?", expected="preceptor report RUN", fix="name its folder")
    if renamed and paper is None:
        raise PreceptorError("--as goes with --paper", fix="preceptor report RUN --paper NAME")
    if paper is not None:
        _lay_out(run_folder, paper, renamed or [])
        return
    from preceptor.report.cards import write_cards
    from preceptor.report.page import write_report

    typer.echo(f"report: {write_report(run_folder)}")
    for problem in write_cards(run_folder):
        say(problem)


def _list_papers() -> None:
    from preceptor.report.papers import ABSENT, EXHIBITS
    from preceptor.report.papers.terminal import print_list

    print_list(Console(highlight=False), EXHIBITS.values(), ABSENT)


def _lay_out(run_folder: Path, paper: str, renamed: list[str]) -> None:
    from preceptor.report.papers import exhibit
    from preceptor.report.papers.layout import lay_out
    from preceptor.report.papers.terminal import print_layout
    from preceptor.report.papers.written import write_layout

    layout = lay_out(run_folder, exhibit(paper), renamed)
    written = write_layout(run_folder, layout)  # first: whoever reads what is printed may stop
    print_layout(Console(highlight=False), layout)
    for path in written:
        typer.echo(f"wrote {path}")


@app.command()
def verify(
    run_folder: RunFolder,
    cell: Annotated[
        str | None, typer.Option(help="the cell to make again [default: the quickest]")
    ] = None,
    rerun: Annotated[bool, typer.Option(help="whether to make a cell again")] = True,
    base: Annotated[
        Path | None,
        typer.Option(help="the folder that the study's paths start from [default: as it was]"),
    ] = None,
    as_json: Json = False,
) -> None:
    """Check a run: data, parts, scores and tables from disk, and one cell made again.

    The cell is trained and scored in a folder that is thrown away, with as many threads as in the
    run, and its predictions are compared byte for byte. Ends with 1 where something differs.
    """
    from preceptor.study import verify as verifying

    found = verifying.verify(run_folder, verifying.Wanted(cell, rerun, base), say)
    if as_json:
        typer.echo(verifying.as_json(found))
    else:
        Console().print(verifying.table(found))
    if not all(one.same is not False for one in found):
        raise typer.Exit(1)


@app.command()
def compare(
    run_folders: Annotated[
        list[Path],
        typer.Argument(
            metavar="RUN RUN...", help="run folders; the others are held against the first"
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(help="write compare.html and its tables there", show_default=False),
    ] = None,
    as_json: Json = False,
) -> None:
    """Set runs side by side: what changed between them, and whether it helped.

    Arms of the same name are compared where students were tested on the very same items, paired by
    seed and item, with intervals; what is not the same is shown, but never compared.
    """
    from preceptor.report.versus.page import write_page
    from preceptor.study.versus import compare as compare_runs
    from preceptor.study.versus.terminal import show

    found = compare_runs(run_folders)
    page = None if out is None else write_page(found, out)
    if as_json:
        typer.echo(json.dumps(found.as_json(), indent=2))
    else:
        show(found)
    if page is not None:
        say(f"report: {page}")


@app.command("inspect")
def inspect_made(
    run_folder: RunFolder,
    arm: Annotated[str | None, typer.Option(help="of this arm")] = None,
    label: Annotated[str | None, typer.Option(help="with this label")] = None,
    verdict: Annotated[
        Literal["kept", "rejected"] | None, typer.Option(help="with this verdict")
    ] = None,
    filter_: Annotated[
        str | None, typer.Option("--filter", help="rejected by this filter (meta, balance)")
    ] = None,
    reason: Annotated[str | None, typer.Option(help="rejected for this reason")] = None,
    seed: Annotated[int | None, typer.Option(help="of this draw seed")] = None,
    grep: Annotated[
        str | None, typer.Option(help="in which this regular expression is found, case aside")
    ] = None,
    count: Annotated[
        int | None,
        typer.Option("-n", min=1, help="the first so many [default: 100; --csv, --json: all]"),
    ] = None,
    csv: Annotated[
        Path | None,
        typer.Option(help="write a sheet to decide in: fill in accept, reject, relabel"),
    ] = None,
    as_json: Json = False,
) -> None:
    """Browse made examples beside their originals, kept and rejected, with what rejected them.

    A sheet written by --csv and filled in is read back by `curation: {decisions: FILE}`.
    """
    from preceptor.study import browsing, inspect

    shown = count or (None if csv or as_json else browsing.MOST)
    wanted = inspect.Wanted(arm, label, verdict, filter_, reason, seed, grep, shown)
    found = inspect.find(run_folder, wanted)
    if csv is not None:
        inspect.write_sheet(csv, found)
        say(f"wrote {csv}: {len(found.rows)} rows")
    if as_json:
        typer.echo(inspect.as_json(found))
    elif csv is None:
        browsing.browse(found)

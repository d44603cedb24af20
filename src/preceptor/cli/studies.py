"""Commands on a study: from the data to a run."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from preceptor.cli.app import Json, Sets, StudyFile, app, open_study, say
from preceptor.errors import PreceptorError


@app.command()
def run(
    study: StudyFile,
    out: Annotated[
        Path | None, typer.Option(help="the run folder [default: runs/NAME]", show_default=False)
    ] = None,
    redo: Annotated[
        bool,
        typer.Option(help="make parts anew that were made from other settings, and all below"),
    ] = False,
    jobs: Annotated[
        int,
        typer.Option(
            min=1,
            help="train so many students at a time, each in a process of its own with its share of"
            " the cores (OMP_NUM_THREADS sets how many) and, of several GPUs, with one",
        ),
    ] = 1,
    sets: Sets = None,
) -> None:
    """Run a study, or continue it: finished parts are never made again.

    Makes the arms (calling the teacher), trains and scores every cell, and writes
    OUT/results.json and OUT/report/index.html. A cell that fails is told and does not stop the
    rest. Under `accelerate launch -m preceptor run` the processes share every update of the
    training, with the losses of one.
    """
    plan = open_study(study, sets, out, jobs)
    from preceptor.study import processes
    from preceptor.study.cells import share_training
    from preceptor.study.run import run as run_study

    processes.refuse_jobs(jobs)
    if not processes.is_first():
        processes.follow(partial(share_training, plan))
        return
    page = run_study(plan, redo, say)
    failed = json.loads((plan.out / "results.json").read_text("utf-8"))["failed"]
    typer.echo(f"report: {page}")
    if failed:
        raise typer.Exit(1)


@app.command()
def plan(study: StudyFile, sets: Sets = None, as_json: Json = False) -> None:
    """Show cells, teacher calls, tokens, money and time. Calls nobody, loads no model."""
    from preceptor.study.check import check
    from preceptor.study.estimates.estimate import estimate
    from preceptor.study.estimates.table import shown

    opened = open_study(study, sets, None)
    check(opened, calls=False)
    found = estimate(opened)
    typer.echo(json.dumps(found, indent=2) if as_json else shown(found))


@app.command()
def preview(
    study: StudyFile,
    count: Annotated[int, typer.Option("-n", min=1, help="examples for each arm")] = 5,
    sets: Sets = None,
) -> None:
    """Show prompts, the teacher's answers and what would be rejected, for a few examples.

    These few calls are made, paid and cached: the run does not make them again. A teacher's limit
    holds for each preview alone.
    """
    from preceptor.study.check import check
    from preceptor.study.preview import preview as lines

    opened = open_study(study, sets, None)
    check(opened)
    for line in lines(opened, count):
        typer.echo(line)


@app.command()
def init(
    data: Annotated[Path, typer.Argument(help="a CSV, TSV, JSONL or Parquet file")],
    out: Annotated[Path, typer.Option(help="where to write the study")] = Path("study.yaml"),
    force: Annotated[bool, typer.Option(help="overwrite the file if it is there")] = False,
) -> None:
    """Look at a file of labelled examples and write a commented study with guessed columns."""
    from preceptor.data.inspect import guess, starter_study
    from preceptor.store.atomic import write_text

    if out.exists() and not force:
        raise PreceptorError("the file is there already", where=str(out), fix="--out or --force")
    found = guess(data, out.resolve().parent)
    write_text(out, starter_study(found))
    typer.echo(f"wrote {out}; look at it, then: preceptor plan {out}")


@app.command()
def schema() -> None:
    """Print the JSON Schema of study files, for editors that complete and check YAML."""
    from preceptor.study.spec import Study

    typer.echo(json.dumps(Study.model_json_schema(), indent=2))

"""The command line: one command per verb. Starts without torch, transformers or openai."""

from __future__ import annotations

import errno
import json
import logging
import os
import shlex
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NoReturn

import typer
from rich.console import Console
from typer.core import TyperGroup

from preceptor.errors import PreceptorError
from preceptor.tasks.answers import AnswersSetting

if TYPE_CHECKING:
    from preceptor.study.plan import Plan


class _Commands(TyperGroup):
    """Tells errors that a user can mend without a traceback."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            _fail("stopped; nothing finished is lost, the same command continues", 130)
        except PreceptorError as error:
            _fail(str(error), 2)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS):
                raise
            _fail(_disk(error), 3)


app = typer.Typer(
    name="preceptor",
    cls=_Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="""Teach a small language model your domain from a few hundred labelled examples and a
    large model, and know whether it helped.

    A study is one YAML file. [bold]preceptor init[/bold] DATA writes one for your data,
    [bold]plan[/bold] and [bold]preview[/bold] show what it will do, [bold]run[/bold] does it
    (and continues it after any interruption), [bold]predict[/bold] uses the best model.""",
    epilog="Start here: preceptor run studies/quickstart.yaml",
)

StudyFile = Annotated[Path, typer.Argument(metavar="STUDY", help="the study's YAML file")]
Sets = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="override a key: data.train.limit=60"),
]
Json = Annotated[bool, typer.Option("--json", help="print one JSON object and nothing else")]


def _open(study: Path, sets: list[str] | None, out: Path | None, jobs: int = 1) -> Plan:
    from preceptor.study.file import load_study
    from preceptor.study.plan import Plan

    loaded = load_study(study, sets or ())
    folder = out or Path("runs") / loaded.name
    command = shlex.join(["preceptor", *sys.argv[1:]])
    return Plan(loaded, study.resolve().parent, folder, command, study, jobs)


def _say(line: str) -> None:
    Console(stderr=True, highlight=False).print(line, markup=False, soft_wrap=True)


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
    plan = _open(study, sets, out, jobs)
    from preceptor.study import processes
    from preceptor.study.cells import share_training
    from preceptor.study.run import run as run_study

    processes.refuse_jobs(jobs)
    if not processes.is_first():
        processes.follow(partial(share_training, plan))
        return
    page = run_study(plan, redo, _say)
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

    opened = _open(study, sets, None)
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

    opened = _open(study, sets, None)
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


@app.command()
def score(
    answers_file: Annotated[
        Path | None,
        typer.Argument(
            metavar="[FILE]",
            help="answers: a JSON object id -> text, JSONL with id and text, or one text a line"
            " in test order",
        ),
    ] = None,
    data: Annotated[
        str, typer.Option(help="the data, as READER:PATH (pubmedqa:ori_pqal.json)")
    ] = "",
    protocol: Annotated[
        Literal["official", "drllama"], typer.Option(help="which test split")
    ] = "official",
    answers: Annotated[
        AnswersSetting,
        typer.Option(help="how a label is read from a text"),
    ] = "strict",
    field: Annotated[
        str | None, typer.Option(help="score this field of the data in place of a file")
    ] = None,
    references: Annotated[
        Path | None,
        typer.Option(help="score written texts against this table of id, references and target"),
    ] = None,
    as_json: Json = False,
) -> None:
    """Score anybody's answers on a test split: accuracy and macro-F1 by hard match.

    With --references, anybody's texts: BLEU, chrF, ROUGE, exact match.
    """
    from preceptor.study.scoring import score_answers, score_texts, shown

    if references is not None:
        found = score_texts(answers_file, references, data or field)
    else:
        found = score_answers(answers_file, data, protocol, answers, field)
    typer.echo(json.dumps(found) if as_json else shown(found))


@app.command()
def predict(
    run_folder: Annotated[Path, typer.Argument(metavar="RUN", help="the run folder")],
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
        _say(problem)


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
    print_layout(Console(highlight=False), layout)
    for path in write_layout(run_folder, layout):
        typer.echo(f"wrote {path}")


@app.command()
def verify(
    run_folder: Annotated[Path, typer.Argument(metavar="RUN", help="the run folder")],
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

    found = verifying.verify(run_folder, verifying.Wanted(cell, rerun, base), _say)
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
        _say(f"report: {page}")


@app.command("inspect")
def inspect_made(
    run_folder: Annotated[Path, typer.Argument(metavar="RUN", help="the run folder")],
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
        _say(f"wrote {csv}: {len(found.rows)} rows")
    if as_json:
        typer.echo(inspect.as_json(found))
    elif csv is None:
        browsing.browse(found)


@app.command()
def cache(
    show: Annotated[
        str | None, typer.Option(metavar="KEY", help="show the answer whose key begins so")
    ] = None,
    clear: Annotated[bool, typer.Option("--clear", help="remove answers, after asking")] = False,
    model: Annotated[str, typer.Option(help="only models whose name has this in it")] = "",
    older_than: Annotated[
        float, typer.Option(metavar="DAYS", min=0, help="only answers not used for so many days")
    ] = 0.0,
    yes: Annotated[bool, typer.Option("--yes", help="remove without asking")] = False,
    as_json: Json = False,
) -> None:
    """Show the answers of teachers that are kept, by model; show one, or remove some.

    The file lies in the user's cache (or the folder that PRECEPTOR_CACHE names) and serves all
    studies. Beyond PRECEPTOR_CACHE_LIMIT gigabytes (10) the end of a run removes what was used
    longest ago, never what a run in progress uses. What was removed is paid again when needed.
    """
    from preceptor.llm import inventory
    from preceptor.llm.cache import default_path
    from preceptor.study import answers

    path = default_path()
    if show is not None:
        one = inventory.find(path, show)
        typer.echo(json.dumps(answers.as_json(one)) if as_json else answers.answer_shown(one))
        return
    if clear:
        _clear(*inventory.chosen(path, model, older_than), yes=yes)
    found = inventory.holdings(path, model)
    typer.echo(json.dumps(answers.as_json(found)) if as_json else answers.shown(found))


def _clear(keys: list[str], size: int, yes: bool) -> None:
    from preceptor.llm import inventory
    from preceptor.llm.cache import default_path
    from preceptor.study import answers

    if not keys:
        _say("no such answers are kept; nothing was removed")
        return
    told = f"{len(keys):,} answers ({answers.size(size)})"
    if not yes:
        typer.confirm(f"Remove {told}? They are paid again when needed", abort=True, err=True)
    inventory.clear(default_path(), keys, size)
    _say(f"removed {told}")


@app.command()
def convert(
    source: Annotated[
        str, typer.Argument(metavar="SOURCE", help="a folder or a hub id: org/name@revision")
    ],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="the new folder")],
    kind: Annotated[
        Literal["decoder", "encoder", "seq2seq"] | None,
        typer.Option(help="what it shall be used as, where its config does not tell"),
    ] = None,
) -> None:
    """Turn an old pickle checkpoint (pytorch_model.bin, *.pt) into safetensors, checked.

    The pickle is read in a process of its own, without your tokens and keys, and refused if it
    holds anything but tensors. Then use OUT as a student's weights.
    """
    from preceptor.models.convert import convert as convert_checkpoint

    record = convert_checkpoint(source, out, kind)
    typer.echo(f"wrote {out}: {record['architecture']} ({record['kind']}), {record['dtype']}")
    if record["not_in_model"]:
        _say(f"kept, but not part of the model: {', '.join(record['not_in_model'])}")


@app.command()
def evaluate(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            help="smollm2, a folder, a GGUF file, a hub id, or a tuned student: RUN/cells/ID/model",
        ),
    ],
    data: Annotated[str, typer.Option(help="the data, as READER:PATH (medquad:medquad.csv)")] = "",
    split: Annotated[
        Literal["random", "grouped"], typer.Option(help="how the test part is drawn")
    ] = "random",
    limit: Annotated[int | None, typer.Option(min=1, help="so many test rows only")] = None,
    max_length: Annotated[
        int, typer.Option(min=8, help="tokens of a row; a tuned student has its own")
    ] = 1024,
    precision: Annotated[
        Literal["fp32", "bf16"], typer.Option(help="a tuned student has its own")
    ] = "fp32",
    as_json: Json = False,
) -> None:
    """Perplexity and next-token accuracy of any decoder on MedQuAD's test part.

    Over the answer's tokens with its end token, and over all tokens, both token-weighted.
    """
    from preceptor.study.evaluating import Question, evaluate_model, shown

    question = Question(data, split, limit, max_length, precision=precision)
    found = evaluate_model(model, question)
    typer.echo(json.dumps(found) if as_json else shown(found))


@app.command()
def export(
    run_folder: Annotated[Path, typer.Argument(metavar="RUN", help="the run folder")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="the new folder")],
    cell: Annotated[
        str | None, typer.Option(help="a cell's id [default: the best on validation]")
    ] = None,
) -> None:
    """Write a tuned student as a whole model that from_pretrained loads, adapters merged."""
    from preceptor.models.save import export as export_model
    from preceptor.report.cards import write_model_card
    from preceptor.study.predict import find_student

    folder, _ = find_student(run_folder, cell)
    export_model(folder, out)
    write_model_card(run_folder, folder.parent.relative_to(run_folder / "cells").as_posix(), out)
    typer.echo(f"wrote {out}")


_NO_TELEMETRY = {"HF_HUB_DISABLE_TELEMETRY": "1", "DO_NOT_TRACK": "1", "WANDB_ERROR_REPORTING": "0"}


def main() -> None:
    """The entry point."""
    # Libraries that count their users read these when they are imported; a user's setting wins.
    for name, value in _NO_TELEMETRY.items():
        os.environ.setdefault(name, value)
    # Beside other work, threads of libgomp that spin while they wait made training 6 times as
    # slow (measured); read when torch loads libgomp, and a user's own setting wins.
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")
    # PEFT imports bitsandbytes wherever it is installed, which then warns of a missing kernel.
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
    app()


def _disk(error: OSError) -> str:
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    what = "the disk is full" if full else "a file cannot be written"
    fix = "free some room" if full else "mend the permissions"
    return f"{what}\n  where: {error.filename}\n  fix: {fix}, then give the same command again"


def _fail(text: str, code: int) -> NoReturn:
    Console(stderr=True, highlight=False).print(f"error: {text}", markup=False, soft_wrap=True)
    sys.exit(code)

"""What the commands share: the app, its errors, options that several take."""

from __future__ import annotations

import errno
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from rich.console import Console
from typer.core import TyperGroup

from preceptor.errors import PreceptorError

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
RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="the run folder")]


def open_study(study: Path, sets: list[str] | None, out: Path | None, jobs: int = 1) -> Plan:
    """A study file with its overrides, its data at hand."""
    from preceptor.study.file import load_study
    from preceptor.study.plan import Plan

    loaded = load_study(study, sets or ())
    folder = out or Path("runs") / loaded.name
    command = shlex.join(["preceptor", *sys.argv[1:]])
    return Plan(loaded, study.resolve().parent, folder, command, study, jobs)


def say(line: str) -> None:
    """Tell a line on stderr: stdout is for what was asked for."""
    Console(stderr=True, highlight=False).print(line, markup=False, soft_wrap=True)


def _disk(error: OSError) -> str:
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    what = "the disk is full" if full else "a file cannot be written"
    fix = "free some room" if full else "mend the permissions"
    return f"{what}\n  where: {error.filename}\n  fix: {fix}, then give the same command again"


def _fail(text: str, code: int) -> NoReturn:
    Console(stderr=True, highlight=False).print(f"error: {text}", markup=False, soft_wrap=True)
    sys.exit(code)

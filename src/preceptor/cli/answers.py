"""Commands on answers: scoring anybody's, and those of teachers that are kept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

import typer

from preceptor.cli.app import Json, app, say
from preceptor.tasks.answers import AnswersSetting


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
        say("no such answers are kept; nothing was removed")
        return
    told = f"{len(keys):,} answers ({answers.size(size)})"
    if not yes:
        typer.confirm(f"Remove {told}? They are paid again when needed", abort=True, err=True)
    inventory.clear(default_path(), keys, size)
    say(f"removed {told}")

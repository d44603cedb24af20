"""Commands on models."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

import typer

from preceptor.cli.app import Json, RunFolder, app, say


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
        say(f"kept, but not part of the model: {', '.join(record['not_in_model'])}")


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
    run_folder: RunFolder,
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

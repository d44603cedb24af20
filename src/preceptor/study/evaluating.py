"""How well any model, tuned or not, foresees a data set's answers."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from preceptor.data.example import Example
from preceptor.data.readers.medquad import MedquadSettings, MedquadSplit, read
from preceptor.data.sampling import sample_any
from preceptor.data.splits import Splits
from preceptor.errors import PreceptorError
from preceptor.study.inputs import Inputs, window_of
from preceptor.study.measures import foreseen
from preceptor.study.named import path_of
from preceptor.study.predictor import FILE, Predictor, load_predictor
from preceptor.study.spec import DecoderStudent
from preceptor.tasks import TextTask
from preceptor.tune.settings import FitSettings


@dataclass(frozen=True)
class Question:
    """What is to be evaluated on.

    Attributes:
        data: ``medquad:PATH``.
        split: how MedQuAD is divided; its test part is scored.
        limit: score this many test rows, drawn by seed 0.
        max_length: tokens of a row; what is longer loses its end.
        prompt: what stands before an answer; a tuned student has its own.
        precision: as in training.
    """

    data: str
    split: Literal["random", "grouped"] = "random"
    limit: int | None = None
    max_length: int = 1024
    prompt: str = "{{ input }}\n"
    precision: Literal["fp32", "bf16"] = "fp32"


def evaluate_model(model: str, question: Question) -> dict[str, Any]:
    """Perplexity and next-token accuracy on MedQuAD's test part.

    Args:
        model: a known name (smollm2), a folder, a GGUF file, a hub id, or the folder of a
            student that a run tuned (``RUN/cells/ID/model``).
        question: what on.

    Returns:
        The metrics of :mod:`preceptor.study.measures.foreseen`, ``cut`` (rows that lost their end),
        ``seconds`` and what was evaluated. JSON values.

    Raises:
        PreceptorError: the data are none that can be evaluated on, or the student is of a task
            of labels.
        WeightsError: the model cannot be loaded.
    """
    examples = _examples(question)
    predictor = _predictor(model, question)
    started = time.perf_counter()
    found = predictor.foresee(examples, "evaluate")
    return {
        "model": model,
        "data": question.data,
        "split": question.split,
        **foreseen.measured(found),
        "cut": predictor.inputs.cut,
        "max_length": predictor.inputs.length,
        "prompt": getattr(predictor.task, "prompt", ""),
        "precision": predictor.student.fit.precision,
        "seconds": round(time.perf_counter() - started, 2),
    }


def _examples(question: Question) -> list[Example]:
    path = path_of(question.data, "medquad", "the CSV of the Kaggle copy or the original XML")
    settings = MedquadSettings(reader="medquad", path=path, split=MedquadSplit(by=question.split))
    splits: Splits = read(settings, Path())
    if question.limit is None:
        return splits.test
    return sample_any(splits.test, min(question.limit, len(splits.test)), "evaluate")


def _predictor(model: str, question: Question) -> Predictor:
    """A tuned student with its own template, or any decoder with the plain one."""
    folder = Path(model)
    if (folder / FILE).is_file():
        predictor = load_predictor(folder)
        if not isinstance(predictor.task, TextTask):
            raise PreceptorError(
                "this student was tuned to choose labels", where=model, expected="a text task's"
            )
        return predictor
    return _untuned(model, question)


def _untuned(model: str, question: Question) -> Predictor:
    from preceptor.models.decoder import load_decoder
    from preceptor.models.weights import resolve

    loaded, tokenizer = load_decoder(resolve(model))
    fit = FitSettings(max_length=question.max_length, precision=question.precision)
    student = DecoderStudent.model_validate(
        {"kind": "decoder", "weights": model, "method": "base", "fit": fit}
    )
    task = TextTask(kind="text", input="{{ question }}", prompt=question.prompt)
    inputs = Inputs(task, student, "truncate_end", tokenizer, window_of(loaded))
    return Predictor(inputs, loaded)


def shown(found: dict[str, Any]) -> str:
    """The figures as lines for the terminal."""
    rows = [("perplexity", ".4f"), ("next_token_accuracy", ".4f"), ("tokens", ",")]
    lines = [f"{'':<20} {'answer':>12} {'all':>12}"]
    for name, form in rows:
        values = [found.get(name + part) for part in ("", "_all")]  # seq2seq: no figure over all
        told = " ".join(f"{'' if value is None else format(value, form):>12}" for value in values)
        lines.append(f"{name.replace('_', '-'):<20} {told}")
    cut = f", {found['cut']} of them cut to {found['max_length']} tokens" if found["cut"] else ""
    return "\n".join([*lines, f"{found['n']} rows of the test part ({found['split']}){cut}"])

"""Training and scoring one cell."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from preceptor.data.example import HUMAN, Example, read_examples
from preceptor.errors import DataError
from preceptor.evaluate.metrics import score
from preceptor.store.atomic import write_json
from preceptor.store.tables import write_rows
from preceptor.study.environment import environment
from preceptor.study.inputs import Inputs
from preceptor.study.plan import Cell, Plan
from preceptor.study.predictor import Predictions, Predictor
from preceptor.study.spec import EncoderStudent
from preceptor.tune.batches import LabelRow, TextRow, label_row, text_row
from preceptor.tune.methods import METHODS

_COLUMNS = ("split", "id", "target", "reading", "prediction", "text", "probabilities")


def fill_cell(plan: Plan, cell: Cell, folder: Path) -> None:
    """Train a student on an arm and score it: model, predictions, history and result.

    Writes ``model/``, ``predictions.parquet`` (a row an example and reading), ``history.json``
    and ``result.json``.
    """
    from preceptor.models.parameters import count_parameters
    from preceptor.tune.fit import fit

    student = plan.study.students[cell.student]
    predictor = untrained(plan, cell)
    arm = plan.arm_part(cell.arm, plan.study.draw_seed(cell.seed)).folder
    examples = read_examples(arm / "train.parquet")
    splits = plan.drawn(plan.study.draw_seed(cell.seed))
    held_out = {"validation": splits.validation, "test": splits.test}
    texts = {name: [predictor.inputs.shown(one) for one in part] for name, part in held_out.items()}
    cut_in_scoring, predictor.inputs.cut = predictor.inputs.cut, 0
    rows, left_out = training_rows(predictor, examples)
    report = fit(
        predictor.model,
        rows,
        plan.budget(student),
        student.fit,
        learning_rate=cell.method(student).learning_rate,
        seed=cell.seed,
        label=cell.id,
        pad_id=predictor.tokenizer.pad_token_id,
    )
    started = time.perf_counter()
    predictions, metrics = _scored(predictor, held_out, texts, cell.id)
    trainable, total = count_parameters(predictor.model)
    record = {
        "rows": len(rows),
        "left_out": left_out,
        "splits": metrics,
        "trainable_parameters": trainable,
        "total_parameters": total,
        "updates": report.updates,
        "tokens": report.tokens_seen,
        "seconds": report.seconds,
        "scoring_seconds": time.perf_counter() - started,
        "peak_memory_bytes": report.peak_memory_bytes,
        "precision": report.precision,
        "environment": environment(),
        "device": report.device,
        "cut": {"train": predictor.inputs.cut, "validation and test": cut_in_scoring},
    }
    write_rows(folder / "predictions.parquet", predictions, _COLUMNS)
    write_json(folder / "history.json", report.history)
    write_json(folder / "result.json", record)
    if plan.study.keep != "none":
        about = {"id": cell.id, "arm": cell.arm, "seed": cell.seed}
        predictor.save(folder / "model", plan.weights[cell.student], about)


def untrained(plan: Plan, cell: Cell) -> Predictor:
    """The cell's student before training, its method attached, all of it drawn by the seed."""
    from preceptor.models.decoder import context_window, load_decoder
    from preceptor.models.encoder import load_encoder
    from preceptor.models.seeding import seeded

    study = plan.study
    student = study.students[cell.student]
    weights = plan.weights[cell.student]
    if isinstance(student, EncoderStudent):
        model, tokenizer = load_encoder(weights, study.task.labels, cell.seed)
    else:
        model, tokenizer = load_decoder(weights)
    method = cell.method(student)
    with seeded(cell.seed):
        model = METHODS[method.name].attach(model, method)
    window = context_window(model.config)
    return Predictor(Inputs(study.task, student, study.data.too_long, tokenizer, window), model)


def training_rows(
    predictor: Predictor, examples: Sequence[Example]
) -> tuple[list[LabelRow | TextRow], list[dict[str, str]]]:
    """What the fitting loop learns from: the same texts that prediction shows, and answers.

    Returns:
        The rows, and the made examples that do not fit this student, with the reason. They
        were paid for and may fit another student, so they stop nobody.

    Raises:
        DataError: a human example does not fit and the study refuses to cut.
    """
    rows: list[LabelRow | TextRow] = []
    left_out: list[dict[str, str]] = []
    for one in examples:
        try:
            rows.append(_training_row(predictor, one))
        except DataError as error:
            if one.origin == HUMAN:
                raise
            left_out.append({"id": one.id, "reason": f"{error.what}: {error.found}"})
    return rows, left_out


def _training_row(predictor: Predictor, example: Example) -> LabelRow | TextRow:
    task, label, text = predictor.task, str(example.target), predictor.inputs.shown(example)
    if isinstance(predictor.student, EncoderStudent):
        return label_row(predictor.tokenizer, text, task.labels.index(label))
    return text_row(predictor.tokenizer, text, task.written(label), task.loss)


def _scored(
    predictor: Predictor,
    held_out: Mapping[str, Sequence[Example]],
    texts: Mapping[str, list[str]],
    title: str,
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Predictions and metrics of validation and test."""
    rows: list[dict[str, Any]] = []
    metrics: dict[str, Any] = {}
    for name, examples in held_out.items():
        if not examples:
            continue
        found = predictor.predict(texts[name], f"{title}, {name}")
        metrics[name] = {
            reading: measured(one, examples, predictor.task.labels)
            for reading, one in found.items()
        }
        for reading, one in found.items():
            rows += _rows(name, reading, one, examples)
    return rows, metrics


def measured(
    predictions: Predictions, examples: Sequence[Example], labels: Sequence[str]
) -> dict[str, Any]:
    """The task's metrics, and the log-loss where there are probabilities."""
    import numpy as np

    targets = [str(example.target) for example in examples]
    metrics: dict[str, Any] = dict(score(targets, predictions.labels, labels))
    if predictions.probabilities is not None:
        columns = [labels.index(target) for target in targets]
        right = predictions.probabilities[np.arange(len(targets)), columns]
        metrics["log_loss"] = float(-np.log(np.clip(right, 1e-12, 1)).mean())
    return metrics


def _rows(
    split: str, reading: str, predictions: Predictions, examples: Sequence[Example]
) -> list[dict[str, Any]]:
    texts: Sequence[str | None] = predictions.texts or [None] * len(examples)
    probabilities = predictions.probabilities
    return [
        {
            "split": split,
            "id": example.id,
            "target": example.target,
            "reading": reading,
            "prediction": label,
            "text": text,
            "probabilities": None if probabilities is None else probabilities[number].tolist(),
        }
        for number, (example, label, text) in enumerate(
            zip(examples, predictions.labels, texts, strict=True)
        )
    ]

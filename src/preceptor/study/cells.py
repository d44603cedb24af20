"""Training and scoring one cell."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from preceptor.data.example import HUMAN, Example, read_examples
from preceptor.errors import DataError
from preceptor.store.atomic import write_json
from preceptor.store.tables import write_rows
from preceptor.study import processes
from preceptor.study.environment import environment
from preceptor.study.inputs import Inputs
from preceptor.study.measures import MEASURES
from preceptor.study.plan import Cell, Plan
from preceptor.study.predictor import Predictor
from preceptor.study.spec import EncoderStudent, Seq2SeqStudent, chosen_by
from preceptor.tune.batches import Row
from preceptor.tune.checkpoint import Checkpoint
from preceptor.tune.methods import METHODS
from preceptor.tune.methods.base import BaseSettings
from preceptor.tune.trunk import TrunkCache
from preceptor.tune.watch import Watch

TRUNK, CHECKPOINTS = "trunk", "checkpoints"
"""folders of a run that are there only while it works"""


def fill_cell(plan: Plan, cell: Cell, folder: Path) -> None:
    """Train a student on an arm and score it: model, predictions, history and result.

    Writes ``model/``, ``predictions.parquet`` (a row an example and reading), ``history.json``
    and ``result.json``.
    """
    from preceptor.models.parameters import count_parameters
    from preceptor.tune.memory import release

    release()
    processes.announce(cell.id)
    predictor = untrained(plan, cell)
    splits = plan.drawn(plan.study.draw_seed(cell.seed))
    held_out = {"validation": splits.validation, "test": splits.test}
    arm = plan.arm_part(cell.arm, plan.study.draw_seed(cell.seed)).folder
    rows, left_out = training_rows(predictor, read_examples(arm / "train.parquet"))
    cut_in_training, predictor.inputs.cut = predictor.inputs.cut, 0
    fitted = _fitted(plan, cell, predictor, rows)
    predictor.inputs.cut = 0
    started = time.perf_counter()
    predictions, metrics = _scored(plan, predictor, held_out, cell.id)
    trainable, total = count_parameters(predictor.model)
    record = {
        "rows": len(rows),
        "left_out": left_out,
        "splits": metrics,
        "trainable_parameters": trainable,
        "total_parameters": total,
        **fitted,
        "scoring_seconds": time.perf_counter() - started,
        "environment": environment(),
        "cut": {"train": cut_in_training, "validation and test": predictor.inputs.cut},
    }
    columns = MEASURES[plan.study.task.kind].COLUMNS
    write_rows(folder / "predictions.parquet", predictions, columns)
    write_json(folder / "history.json", record.pop("history"))
    write_json(folder / "result.json", record)
    if plan.study.keep != "none":
        about = {"id": cell.id, "arm": cell.arm, "seed": cell.seed}
        predictor.save(folder / "model", plan.weights[cell.student], about)


def share_training(plan: Plan, cell_id: str) -> None:
    """Take this process's share of a cell's training, beside the process that fills the cell."""
    cell = next(cell for cell in plan.cells if cell.id == cell_id)
    predictor = untrained(plan, cell)
    arm = plan.arm_part(cell.arm, plan.study.draw_seed(cell.seed)).folder
    rows, _ = training_rows(predictor, read_examples(arm / "train.parquet"))
    _fitted(plan, cell, predictor, rows)


def _fitted(plan: Plan, cell: Cell, predictor: Predictor, rows: Sequence[Row]) -> dict[str, Any]:
    """Train the student, and tell what was done; a method that trains nothing does nothing."""
    from preceptor.tune.fit import Aids, fit

    student = plan.study.students[cell.student]
    method = cell.method(student)
    if isinstance(method, BaseSettings):
        untouched: dict[str, Any] = {"updates": 0, "tokens": 0, "seconds": 0.0, "history": []}
        return {**untouched, "precision": student.fit.precision}
    trunk = TrunkCache(
        plan.out / TRUNK,
        plan.weights[cell.student].identity(),
        student.fit.trunk_cache_gb * 1e9,
    )
    report = fit(
        predictor.model,
        rows,
        plan.budget(student),
        student.fit,
        learning_rate=method.learning_rate,
        seed=cell.seed,
        label=cell.id,
        pad_id=predictor.tokenizer.pad_token_id,
        aids=Aids(trunk, _watch(plan, cell, predictor), checkpoint_of(plan, cell)),
    )
    told = asdict(report)
    told["tokens"] = told.pop("tokens_seen")
    return told


def checkpoint_of(plan: Plan, cell: Cell) -> Checkpoint:
    """Where a cell's training keeps its state, so that it goes on where it was killed."""
    key = plan.cell_part(cell).fingerprint
    return Checkpoint(plan.out / CHECKPOINTS / f"{key[:24]}.pt", key)


def _watch(plan: Plan, cell: Cell, predictor: Predictor) -> Watch | None:
    """What training is judged by while it runs: the figure that settings are chosen by."""
    student = plan.study.students[cell.student]
    validation = plan.drawn(plan.study.draw_seed(cell.seed)).validation
    if student.fit.validate_every is None or not validation:
        return None
    by = chosen_by(plan.study, cell.student)

    def figure() -> float:
        _, metrics = _scored(plan, predictor, {"validation": validation}, f"{cell.id}, look")
        return float(next(one[by] for one in metrics["validation"].values() if by in one))

    return Watch(by, figure, higher_is_better=by != "log_loss")


def untrained(plan: Plan, cell: Cell) -> Predictor:
    """The cell's student before training, its method attached, all of it drawn by the seed."""
    from preceptor.models.decoder import load_decoder
    from preceptor.models.encoder import load_encoder
    from preceptor.models.seeding import seeded
    from preceptor.models.seq2seq import load_seq2seq

    study = plan.study
    student = study.students[cell.student]
    weights = plan.weights[cell.student]
    if isinstance(student, EncoderStudent):
        model, tokenizer = load_encoder(weights, study.task.labels, cell.seed)
    elif isinstance(student, Seq2SeqStudent):
        model, tokenizer = load_seq2seq(weights, seed=cell.seed)
    else:
        model, tokenizer = load_decoder(weights)
    method = cell.method(student)
    with seeded(cell.seed):
        model = METHODS[method.name].attach(model, method, tokenizer)
    inputs = Inputs.of(model, tokenizer, study.task, student, study.data.too_long)
    return Predictor(inputs, model)


def training_rows(
    predictor: Predictor, examples: Sequence[Example]
) -> tuple[list[Row], list[dict[str, str]]]:
    """What the fitting loop learns from: the same texts that prediction shows, and answers.

    Returns:
        The rows, and the made examples that do not fit this student, with the reason. They
        were paid for and may fit another student, so they stop nobody.

    Raises:
        DataError: a human example does not fit and the study refuses to cut.
    """
    rows: list[Row] = []
    left_out: list[dict[str, str]] = []
    for one in examples:
        try:
            rows.append(predictor.inputs.row(one))
        except DataError as error:
            if one.origin == HUMAN:
                raise
            left_out.append({"id": one.id, "reason": f"{error.what}: {error.found}"})
    return rows, left_out


def _scored(
    plan: Plan, predictor: Predictor, held_out: Mapping[str, Sequence[Example]], title: str
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Predictions and metrics of validation and test."""
    rows: list[dict[str, Any]] = []
    metrics: dict[str, Any] = {}
    scored = MEASURES[plan.study.task.kind].scored
    for name, examples in held_out.items():
        if examples:
            found, metrics[name] = scored(predictor, name, examples, f"{title}, {name}")
            rows += found
    return rows, metrics

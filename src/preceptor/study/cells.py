"""Training and scoring one cell."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from preceptor.data.example import Example, read_examples
from preceptor.store.atomic import write_json
from preceptor.store.tables import write_rows
from preceptor.study import processes
from preceptor.study.environment import environment
from preceptor.study.grid import Cell
from preceptor.study.measures import MEASURES
from preceptor.study.plan import Plan
from preceptor.study.predictor import Predictor
from preceptor.study.serving import scored_and_timed
from preceptor.study.spec import chosen_by
from preceptor.study.training import Trainee, training_rows
from preceptor.tune.checkpoint import Checkpoint
from preceptor.tune.distil import Distil
from preceptor.tune.trunk import TrunkCache
from preceptor.tune.vocabulary import check_vocabulary
from preceptor.tune.watch import Watch

if TYPE_CHECKING:
    from preceptor.tune.fit import Aids

TRUNK, CHECKPOINTS = "trunk", "checkpoints"
"""folders of a run that are there only while it works"""


def fill_cell(plan: Plan, cell: Cell, folder: Path) -> None:
    """Train a student on an arm and score it: model, predictions, history and result.

    Writes ``model/``, ``predictions.parquet`` (a row an example and reading), ``history.json``
    and ``result.json``.
    """
    from preceptor.models.parameters import count_parameters
    from preceptor.models.size import stored_bytes
    from preceptor.tune.memory import release

    release()
    processes.announce(cell.id)
    trainee = trainee_of(plan, cell)
    predictor = trainee.loaded()
    splits = plan.drawn(plan.study.draw_seed(cell.seed))
    held_out = {"validation": splits.validation, "test": splits.test}
    rows, left_out = training_rows(predictor, _training_set(plan, cell))
    cut_in_training, predictor.inputs.cut = predictor.inputs.cut, 0
    fitted = trainee.fit(predictor, rows, _aids(plan, cell, predictor))
    predictor.inputs.cut = 0
    found = scored_and_timed(predictor, held_out, cell.id, one_by_one=plan.study.report.latency)
    trainable, total = count_parameters(predictor.model)
    stored = stored_bytes(predictor.model, plan.weights[cell.student])
    record = {
        "rows": len(rows),
        "left_out": left_out,
        "splits": found.metrics,
        "trainable_parameters": trainable,
        "total_parameters": total,
        **fitted,
        "scoring_seconds": found.seconds,
        "serving": {**found.serving, "weights_bytes": stored},
        "environment": environment(plan.jobs),
        "cut": {"train": cut_in_training, "validation and test": predictor.inputs.cut},
    }
    columns = MEASURES[plan.study.task.kind].COLUMNS
    write_rows(folder / "predictions.parquet", found.rows, columns)
    write_json(folder / "history.json", record.pop("history"))
    write_json(folder / "result.json", record)
    if plan.study.keep != "none":
        about = {"id": cell.id, "arm": cell.arm, "seed": cell.seed}
        predictor.save(folder / "model", plan.weights[cell.student], about)


def share_training(plan: Plan, cell_id: str) -> None:
    """Take this process's share of a cell's training, beside the process that fills the cell."""
    cell = next(cell for cell in plan.cells if cell.id == cell_id)
    trainee = trainee_of(plan, cell)
    predictor = trainee.loaded()
    rows, _ = training_rows(predictor, _training_set(plan, cell))
    trainee.fit(predictor, rows, _aids(plan, cell, predictor))


def trainee_of(plan: Plan, cell: Cell) -> Trainee:
    """The cell's student."""
    student = plan.study.students[cell.student]
    return Trainee(
        name=cell.id,
        task=plan.study.task,
        student=student,
        weights=plan.weights[cell.student],
        method=cell.method(student),
        budget=plan.budget(student),
        too_long=plan.study.data.too_long,
        seed=cell.seed,
    )


def _training_set(plan: Plan, cell: Cell) -> list[Example]:
    arm = plan.arm_part(cell.arm, plan.study.draw_seed(cell.seed)).folder
    return read_examples(arm / "train.parquet")


def _aids(plan: Plan, cell: Cell, predictor: Predictor) -> Aids:
    from preceptor.tune.fit import Aids

    fit = predictor.student.fit
    identity = plan.weights[cell.student].identity()
    trunk = TrunkCache(plan.out / TRUNK, identity, fit.trunk_cache_gb * 1e9)
    watch, distil = _watch(plan, cell, predictor), _distil(plan, cell, predictor)
    return Aids(trunk, watch, checkpoint_of(plan, cell), distil)


def _distil(plan: Plan, cell: Cell, predictor: Predictor) -> Distil | None:
    """What the student learns of a teacher's probabilities; loads the teacher of its tokens.

    Raises:
        PreceptorError: the teacher's tokens are not the student's.
    """
    from preceptor.models.save import load_saved

    wanted = predictor.student.distill
    if wanted is None:
        return None
    if wanted.teacher is None:
        return Distil(wanted.temperature, wanted.weight)
    tuning = plan.tunings.answering(wanted.teacher, plan.study.draw_seed(cell.seed))
    assert tuning is not None
    teacher, tokenizer = load_saved(plan.tunings.folder(tuning) / "model")
    tokens = check_vocabulary(predictor.tokenizer, tokenizer)
    return Distil(wanted.temperature, wanted.weight, teacher, tokens)


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
        look = MEASURES[plan.study.task.kind].look
        return float(look(predictor, validation, by, f"{cell.id}, look"))

    return Watch(by, figure, higher_is_better=by != "log_loss")

"""Tuning a teacher on the human examples of one seed (Kaddour and Liu, figure 1, step 1)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from preceptor.augment import OPERATIONS
from preceptor.data.example import Example
from preceptor.data.sampling import subset
from preceptor.evaluate.calibration import calibration
from preceptor.llm.settings import TunedSettings
from preceptor.store.atomic import write_json
from preceptor.store.fingerprint import fingerprint
from preceptor.study.environment import environment
from preceptor.study.plan import Plan
from preceptor.study.predictor import Predictor
from preceptor.study.spec import DecoderStudent
from preceptor.study.teachers.tunings import Tuning
from preceptor.study.training import Trainee, scored, training_rows
from preceptor.tasks import TextTask
from preceptor.tune.batches import Row, TextRow, plan_updates, size_of
from preceptor.tune.watch import Watch

if TYPE_CHECKING:
    from preceptor.tune.fit import Aids

_Rows = Callable[[Predictor, Sequence[Example]], tuple[list[Row], list[dict[str, str]]]]
FILE = "teacher.json"
"""in a tuned teacher's folder: what it was tuned on, how, and how sure it may be believed"""


def fill_teacher(plan: Plan, tuning: Tuning, folder: Path) -> None:
    """Tune a teacher: ``model/``, ``history.json`` and ``teacher.json``.

    The weights are those of the look with the least loss on the part of its human examples that
    is kept out, where there is one.

    Raises:
        DataError: there are not so many human examples, or one does not fit.
    """
    from preceptor.tune.memory import release

    release()
    trainee, settings = _trainee(plan, tuning), _settings(plan, tuning)
    human = plan.human(tuning.seed, settings.human)
    learnt, kept_out = _divided(plan, human, settings, tuning.seed)
    predictor = trainee.loaded()
    rows, left_out = _rows_of(plan, tuning, predictor, learnt)
    looked_at, _ = _rows_of(plan, tuning, predictor, kept_out)
    trainee = _looking(trainee, rows, bool(looked_at))
    told = trainee.fit(predictor, rows, _aids(tuning, predictor, kept_out, looked_at))
    write_json(folder / "history.json", told.pop("history"))
    about = {"teacher": tuning.teacher, "role": tuning.role, "seed": tuning.seed}
    predictor.save(folder / "model", trainee.weights, about)
    record = {
        **about,
        "rows": len(rows),
        "kept_out": len(looked_at),
        "left_out": left_out,
        "seen": [seen(plan, one) for one in human],
        **told,
        "calibration": _calibration(plan, tuning, predictor),
        "environment": environment(),
    }
    write_json(folder / FILE, record)


def seen(plan: Plan, example: Example) -> str:
    """What tells a text that a teacher was tuned on, without the text."""
    return fingerprint(plan.study.task.show(example))


def _settings(plan: Plan, tuning: Tuning) -> TunedSettings:
    settings = plan.tunings.settings(tuning.teacher)
    assert settings is not None
    return settings


def _trainee(plan: Plan, tuning: Tuning) -> Trainee:
    """The teacher as a decoder student of the task, which it is while it is tuned."""
    settings = _settings(plan, tuning)
    student = DecoderStudent(
        kind="decoder",
        weights=settings.weights,
        method=settings.method,
        fit=settings.fit,
        load_in_4bit=settings.load_in_4bit,
        readings=("likelihood",),
        max_new_tokens=int(str(settings.parameters.get("max_tokens", 256))),
    )
    return Trainee(
        name=f"teacher {tuning.place}",
        task=plan.study.task,
        student=student,
        weights=plan.tunings.weights(tuning),
        method=settings.method,
        budget=settings.budget,
        too_long=plan.study.data.too_long,
        seed=tuning.seed,
    )


def validation_rows(settings: TunedSettings, human: int) -> int:
    """How many of so many human examples are kept out of a teacher's tuning."""
    if settings.validation == 0 or human < 2:
        return 0
    return min(max(1, round(settings.validation * human)), human - 1)


def _divided(
    plan: Plan, human: list[Example], settings: TunedSettings, seed: int
) -> tuple[list[Example], list[Example]]:
    count = validation_rows(settings, len(human))
    if count == 0:
        return human, []
    left = subset(human, count, f"teacher:{seed}", plan.splits.targets)
    held = {one.id for one in left}
    return [one for one in human if one.id not in held], left


def _rows_of(
    plan: Plan, tuning: Tuning, predictor: Predictor, examples: Sequence[Example]
) -> tuple[list[Row], list[dict[str, str]]]:
    """Rows to learn from in the form that the teacher will be asked in."""
    if tuning.arm is None:
        return training_rows(predictor, examples)
    from preceptor.llm.tuned import lesson_rows

    arm = plan.study.operations()[tuning.arm]
    lessons = OPERATIONS[arm.operation].lessons(
        arm, plan.study.task, examples, tuning.seed, plan.base_dir
    )
    rows: list[TextRow] = lesson_rows(predictor.tokenizer, lessons)
    fits = [len(row.tokens) <= predictor.inputs.length for row in rows]
    left_out = [
        {"id": one.id, "reason": f"{len(row.tokens)} tokens are more than it can see"}
        for one, row, fit in zip(examples, rows, fits, strict=True)
        if not fit
    ]
    return [row for row, fit in zip(rows, fits, strict=True) if fit], left_out


def _looking(trainee: Trainee, rows: Sequence[Row], looks: bool) -> Trainee:
    """With a look once a pass over the rows, where the study does not say how often."""
    fit = trainee.student.fit
    if not looks or fit.validate_every is not None:
        return trainee
    updates = len(plan_updates([size_of(row) for row in rows], trainee.budget, fit, trainee.seed))
    passes = trainee.budget.epochs or 5
    every = max(1, round(updates / passes))
    student = trainee.student.model_copy(
        update={"fit": fit.model_copy(update={"validate_every": every})}
    )
    return replace(trainee, student=student)


def _aids(
    tuning: Tuning, predictor: Predictor, kept_out: Sequence[Example], rows: Sequence[Row]
) -> Aids:
    from preceptor.tune.fit import Aids

    title = f"teacher {tuning.place}, look"
    chooses = tuning.arm is None and bool(predictor.task.labels)

    def loss() -> float:
        """Nats a label, or a token of what it writes with the end token among them."""
        if chooses:
            _, metrics = scored(predictor, {"validation": kept_out}, title)
            return float(metrics["validation"]["likelihood"]["log_loss"])
        found = predictor.foresee_rows([(one.tokens, one.first) for one in rows], title)  # type: ignore[union-attr]
        return sum(one.answer.nll for one in found) / sum(one.answer.tokens for one in found)

    return Aids(watch=Watch("log_loss", loss)) if rows else Aids()


def _calibration(plan: Plan, tuning: Tuning, predictor: Predictor) -> dict[str, Any]:
    """How far its probabilities hold, on the study's validation split; of labels alone."""
    validation, task = plan.drawn(tuning.seed).validation, plan.study.task
    if tuning.arm is not None or isinstance(task, TextTask) or not validation:
        return {}
    texts = [predictor.inputs.shown(one) for one in validation]
    found = predictor.predict(texts, f"teacher {tuning.place}, calibration")["likelihood"]
    assert found.probabilities is not None
    targets = [str(one.target) for one in validation]
    return calibration(found.probabilities, targets, task.labels)

"""What a student's scores are set beside: majority, a person, the teacher itself."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from preceptor.data.example import Example
from preceptor.evaluate.metrics import majority, score
from preceptor.evaluate.submission import score_field
from preceptor.llm import answer
from preceptor.llm.chat import Answer, Teacher
from preceptor.llm.settings import AnyTeacher, EmbeddedSettings, TunedSettings
from preceptor.store.atomic import write_json
from preceptor.store.tables import write_rows
from preceptor.study.arms.curating import refuse_unanswered
from preceptor.study.plan import Plan
from preceptor.study.serving import asked, scored_and_timed
from preceptor.study.teachers.staff import Staff
from preceptor.tasks import ChoiceTask, TextTask
from preceptor.tasks.answers import READERS


def fill_baselines(plan: Plan, seed: int, staff: Staff, folder: Path) -> None:
    """Score every baseline of one draw seed on the test split: ``baselines.json``.

    Raises:
        TeacherError: calls failed on the server's side; the answers to all others are kept.
    """
    splits = plan.drawn(seed)
    rows: list[dict[str, Any]] = []
    if isinstance(plan.study.task, TextTask):  # its base line is a student of method base
        write_json(folder / "baselines.json", rows)
        return
    settings, task = plan.study.baselines, plan.study.choice
    if settings.majority:
        common = majority([str(one.target) for one in splits.train], len(splits.test))
        rows.append(_scored("majority", splits.test, common, task, seed))
    if settings.human:
        metrics = score_field(splits.test, settings.human, task.labels)
        rows.append(_row(f"human ({settings.human})", seed, metrics))
    for name, shots in itertools.product(plan.study.teachers, settings.teacher):
        if plan.tunings.settings(name) is None:
            rows.append(_asked(plan, seed, name, staff.asked(name), shots, folder=folder))
        elif shots == 0:  # it was tuned on what a prompt could show
            rows.append(_tuned(plan, seed, name, staff, folder))
    write_json(folder / "baselines.json", rows)


def _scored(
    name: str, test: Sequence[Example], read: Sequence[str | None], task: ChoiceTask, seed: int
) -> dict[str, Any]:
    metrics = score([str(one.target) for one in test], list(read), task.labels)
    return _row(name, seed, metrics)


def _row(name: str, seed: int, metrics: Mapping[str, Any]) -> dict[str, Any]:
    return {"name": name, "split": "test", "seed": seed, "metrics": metrics}


def _asked(
    plan: Plan, seed: int, name: str, teacher: Teacher, shots: int, *, folder: Path
) -> dict[str, Any]:
    """A refused or empty answer counts as one that cannot be read; a cut one is read as it is."""
    splits = plan.drawn(seed)
    task, test = plan.study.choice, splits.test
    title = f"{name}, {'zero-shot' if shots == 0 else f'{shots}-shot'}"
    requests = answer.requests(
        task, test, splits.train, shots=shots, seed=seed, parameters=plan.study.baselines.parameters
    )
    before = teacher.usage
    answers = teacher.ask(requests, f"{title}, seed {seed}")
    refuse_unanswered(answers, name)
    texts = [one.text if isinstance(one, Answer) else one.detail for one in answers]
    reader = READERS[plan.study.baselines.answers or task.answers]
    read = [
        reader(text, task.labels) if isinstance(one, Answer) or one.cause == "truncated" else None
        for one, text in zip(answers, texts, strict=True)
    ]
    rows = [
        {"id": example.id, "target": example.target, "prediction": label, "text": text}
        for example, label, text in zip(test, read, texts, strict=True)
    ]
    columns = ("id", "target", "prediction", "text")
    write_rows(folder / answers_file(name, shots), rows, columns)
    usage = teacher.usage - before
    return {
        **_scored(title, test, read, task, seed),
        "teacher": name,
        "shots": shots,
        "usage": usage.as_dict(),
        "serving": {
            **asked(answers, usage, _at_once(plan.study.teachers[name])),
            **teacher.footprint,
        },
    }


def answers_file(teacher: str, shots: int | None) -> str:
    """The file of what a teacher answered, beside ``baselines.json``.

    Args:
        teacher: its name.
        shots: solved examples that it was shown; None for one that was tuned.
    """
    way = "tuned" if shots is None else f"{shots}-shot"
    return f"{teacher}-{way}.parquet"


def _at_once(teacher: AnyTeacher) -> int | None:
    """How many calls of a teacher may be in flight together; None where it is not called."""
    if isinstance(teacher, EmbeddedSettings):
        return teacher.slots
    return None if isinstance(teacher, TunedSettings) else teacher.concurrency


def _tuned(plan: Plan, seed: int, name: str, staff: Staff, folder: Path) -> dict[str, Any]:
    """A tuned teacher labels the test texts as it labels the pool's: by probability."""
    from preceptor.models.parameters import count_parameters
    from preceptor.models.size import saved_bytes

    test = plan.drawn(seed).test
    title, one_by_one = f"{name}, tuned, seed {seed}", plan.study.report.latency
    with staff.answering(name, seed) as predictor:
        found = scored_and_timed(predictor, {"test": test}, title, one_by_one=one_by_one)
        _, parameters = count_parameters(predictor.model)
    tuning = plan.tunings.answering(name, seed)
    assert tuning is not None
    size = saved_bytes(plan.tunings.folder(tuning) / "model")
    columns = ("id", "target", "prediction", "text")
    write_rows(folder / answers_file(name, None), found.rows, columns)
    row = _row(f"{name}, tuned", seed, found.metrics["test"]["likelihood"])
    serving = {**found.serving, "weights_bytes": size, "parameters": parameters}
    return {**row, "teacher": name, "shots": None, "serving": serving}

"""The card of a saved student."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from preceptor.models.save import record_of
from preceptor.report.cards.facts import (
    arm_seed,
    command,
    made_words,
    operation_words,
    teachers_of,
)
from preceptor.report.cards.head import ADVICE, headed, language, languages
from preceptor.report.cards.licences import (
    Origin,
    base_origin,
    data_origin,
    origins_table,
    rolled_up,
    teacher_origins,
)
from preceptor.report.cards.loading import LIBRARIES, commands, load_block
from preceptor.report.cards.markdown import Md, block, bullets, code, rendered, settings, table
from preceptor.report.read.cell import Cell
from preceptor.report.read.measures import is_text, metrics_of
from preceptor.report.read.numbers import DASH, LEVEL, count, metric, plural
from preceptor.report.read.results import Results
from preceptor.report.read.scores import Metrics
from preceptor.report.sections.findings import limits
from preceptor.report.sections.ranking import answers, asked
from preceptor.report.sections.tables import score_of
from preceptor.report.words.verdict import reading_title

_HUB_METRICS = {"macro_f1": "f1", "rouge1": "rouge", "rouge2": "rouge", "rougeL": "rouge"}
"""what the hub calls a metric where it has another name for it"""


def model_card(run: Path, results: Results, cell: Cell, folder: Path) -> str:
    """The card as text.

    Args:
        run: the run's folder.
        results: its results.
        cell: the student.
        folder: where its model lies, as :func:`preceptor.models.save.save` or ``export`` wrote it.

    Raises:
        WeightsError: no saved model lies there.
    """
    record = record_of(folder)
    origins = _origins(results, cell)
    body = rendered("model.md.jinja", _values(run, results, cell, record, origins))
    return headed(_head(results, cell, record, origins), body)


def _origins(results: Results, cell: Cell) -> list[Origin]:
    teachers = teacher_origins(results, _teachers(results, cell))
    return [base_origin(results, cell.student), data_origin(results), *teachers]


def _teachers(results: Results, cell: Cell) -> list[str]:
    """The teachers that it learnt from: of its arm's rows, and of tokens where it was distilled."""
    student = results.provenance.students.get(cell.student)
    of_tokens = [student.distilled_from] if student and student.distilled_from else []
    return list(dict.fromkeys([*teachers_of(results, cell.arm), *of_tokens]))


def _head(
    results: Results, cell: Cell, record: dict[str, Any], origins: Sequence[Origin]
) -> dict[str, Any]:
    from huggingface_hub import ModelCardData

    base = results.provenance.students.get(cell.student)
    made = ["synthetic-data"] if teachers_of(results, cell.arm) else []
    found = list(_evaluations(results, cell))
    made_of: Any = ModelCardData  # its own types hold for keys written out alone
    data = made_of(
        **language(results),
        **rolled_up(origins),
        library_name=LIBRARIES[record["form"]],
        pipeline_tag="text-classification" if cell.kind == "encoder" else "text-generation",
        base_model=base.hub.partition("@")[0] if base and base.hub else None,
        base_model_relation=_relation(record) if base and base.hub else None,
        tags=["preceptor", cell.method, *made],
        model_name=f"{results.study}: {cell.id}",
        eval_results=found or None,
    )
    if not found:
        data.pop("model_name")
    head: dict[str, Any] = data.to_dict()
    return head


def _relation(record: dict[str, Any]) -> str:
    return "adapter" if record["form"] == "adapter" else "finetune"


def _evaluations(results: Results, cell: Cell) -> Iterator[Any]:
    """This very model's test scores; their intervals over seeds stand in the text."""
    from huggingface_hub import EvalResult

    kind = "text-generation" if is_text(results) else "text-classification"
    for reading, name, value, _ in _scored(results, cell):
        yield EvalResult(
            task_type=kind,
            dataset_type="preceptor-study",
            dataset_name=results.study,
            dataset_split="test",
            metric_type=_HUB_METRICS.get(name, name),
            metric_value=value,
            metric_name=f"{metric(name).title}, {reading_title(results, reading)}",
        )


def _scored(results: Results, cell: Cell) -> Iterator[tuple[str, str, float, Metrics]]:
    """Every reading and metric that the model has a test score in."""
    for reading, metrics in cell.splits.get("test", {}).items():
        for name in metrics_of(results, reading):
            value = getattr(metrics, name, None)
            if value is not None and math.isfinite(value):
                yield reading, name, value, metrics


def _values(
    run: Path, results: Results, cell: Cell, record: dict[str, Any], origins: Sequence[Origin]
) -> dict[str, Any]:
    made = arm_seed(results, cell)
    trained = results.provenance.cells.get(cell.id)
    student = results.provenance.students.get(cell.student)
    return {
        "title": f"{results.study}: {cell.student}, trained on {cell.arm}",
        "results": results,
        "cell": cell,
        "study": code(results.study),
        "student": code(cell.student),
        "arm": code(cell.arm),
        "id": code(cell.id),
        "question": asked(results),
        "verdicts": _verdicts(results, cell),
        "scores": _scores(results, cell),
        "level": LEVEL,
        "origins": origins_table(origins),
        "languages": languages(results),
        "operation": operation_words(results, cell.arm),
        "made": made_words(results, cell.arm, made) if made else Md(""),
        "rows": None if cell.rows is None else plural(cell.rows, "row"),
        "how": _how(cell, record),
        "method": settings(trained.method if trained else {"name": cell.method, **cell.setting}),
        "fit": settings(student.fit) if student and student.fit else Md("not recorded"),
        "labels": bullets([code(label) for label in results.task.labels]),
        "shown": block(_shown(results, cell)),
        "advice": ADVICE,
        "limits": bullets([*_stand_ins(results, cell), *limits(results)]),
        "load": load_block(record),
        "whole": record["form"] == "whole",
        "commands": commands(run.resolve().name, cell.id),
        "command": command(run, results),
        "version": results.environment.get("preceptor", "unknown"),
    }


def _shown(results: Results, cell: Cell) -> str:
    """The template by which it reads an example."""
    task = results.task
    if cell.kind == "encoder" or not task.prompt:
        return task.input or "not recorded"
    return task.prompt.replace("{{ input }}", task.input)


def _verdicts(results: Results, cell: Cell) -> Md:
    """What the study's verdict says where this student or its arm is spoken of."""
    lines: list[object] = []
    for verdict in answers(results):
        if verdict.student in (cell.student, cell.arm):
            short = "; ".join(words for _, words in verdict.short)
            lines += [f"{verdict.title}: {short}."]
            lines += [f"{name}: {told}." for name, told in verdict.arms]
            lines += verdict.more
    return bullets(lines)


def _scores(results: Results, cell: Cell) -> Md:
    """This model's scores, and beside them those of its arm over all seeds."""
    rows: list[list[object]] = []
    for reading, name, value, metrics in _scored(results, cell):
        show = metric(name)
        arm = score_of(results, (cell.student, reading), cell.arm, name) if cell.chosen else None
        known = arm is not None and arm.raw is not None
        rows.append(
            [
                show.heading,
                reading_title(results, reading),
                show.show(value),
                arm.text if arm and known else DASH,
                arm.under if arm and known and arm.under else DASH,
                count(metrics.n),
            ]
        )
    heads = (
        "Metric",
        "Reading",
        "This model",
        "Mean over seeds",
        f"{LEVEL} interval",
        "Test items",
    )
    return table(heads, rows, numbers=4) if rows else Md("")


def _how(cell: Cell, record: dict[str, Any]) -> Md:
    """The training in figures."""
    told: list[tuple[str, object]] = [
        ("Seed", cell.seed),
        ("Optimiser updates", _number(cell.updates)),
        ("Kept after update", _number(cell.best_update)),
        ("Tokens seen", _number(cell.tokens)),
        ("Parameters trained", _number(cell.trainable_parameters)),
        ("Parameters in all", _number(cell.total_parameters)),
        ("Precision", cell.precision),
        ("Device", cell.device),
        ("Saved as", _FORMS[record["form"]]),
    ]
    return table(("", ""), [(what, value) for what, value in told if value is not None])


_FORMS = {
    "adapter": "a PEFT adapter, to be loaded onto its base",
    "trained": "the trained tensors alone, to be loaded onto their base",
    "whole": "a whole model",
}


def _number(value: int | None) -> str | None:
    return None if value is None else count(value)


def _stand_ins(results: Results, cell: Cell) -> list[str]:
    """What stands in for a larger model here, and what is unusual about the weights."""
    lines = []
    if cell.weights and cell.weights.stands_for:
        lines.append(f"The student stands in for {cell.weights.stands_for}.")
    if cell.weights and cell.weights.note:
        lines.append(f"Its base: {cell.weights.note}.")
    for teacher in results.teachers:
        if teacher.name in _teachers(results, cell) and teacher.stands_for:
            lines.append(f"The teacher {teacher.name} stands in for {teacher.stands_for}.")
    return lines

"""The card of a made set."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from preceptor.report.cards.facts import command, made_words, operation_words, sampling, teachers_of
from preceptor.report.cards.head import ADVICE, headed, language, languages
from preceptor.report.cards.licences import (
    Origin,
    data_origin,
    origins_table,
    rolled_up,
    teacher_origins,
)
from preceptor.report.cards.markdown import Md, bullets, code, rendered, table
from preceptor.report.read.arms import ArmSeed, LabelFunnel
from preceptor.report.read.measures import is_text
from preceptor.report.read.numbers import count
from preceptor.report.read.results import Results

TRAIN, MADE = "train.parquet", "made.parquet"
_FILES = {
    TRAIN: "what students were trained on: the human examples, then the kept rows",
    MADE: "every answer of the teacher, kept or rejected, with the reason",
}
_COLUMNS = {
    "id": "the row's name, unique within the study",
    "inputs": "what a model may see, by field, as JSON",
    "target": "the label or the answer",
    "references": "all right answers, where there are several",
    "extra": "what a model must not see at test time, as JSON",
    "teacher": "who made the row; `human` of a human example",
    "operation": "rewrite, create, annotate, repeat, gold; empty of a human example",
    "parents": "ids of the examples that it was made from",
    "soft": "a teacher's probability of every label, as JSON; empty where none was given",
    "verdict": "kept or rejected",
    "filter": "what rejected it",
    "reason": "why",
    "detail": "what was found",
    "figures": "what filters measured, as JSON",
    "raw": "the teacher's answer as it came",
    "decision": "what a person decided about it",
}
_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (10**6, "100K<n<1M"))


def data_card(run: Path, results: Results, arm: str, made: ArmSeed) -> str:
    """The card as text.

    Args:
        run: the run's folder.
        results: its results.
        arm: the arm.
        made: one draw seed's record of it, whose ``path`` leads to the set.
    """
    folder = run / str(made.path)
    there = [name for name in _FILES if (folder / name).is_file()]
    origins = [data_origin(results), *teacher_origins(results, teachers_of(results, arm))]
    values = {
        "title": f"{results.study}: {arm}, draw seed {made.seed}",
        "results": results,
        "arm": code(arm),
        "study": code(results.study),
        "seed": made.seed,
        "operation": operation_words(results, arm),
        "publish": results.report.publish_texts,
        "files": table(("File", "What it holds"), [(code(n), _FILES[n]) for n in there]),
        "columns": _columns(folder, there),
        "made": made_words(results, arm, made),
        "labels": _labels(folder, results) if TRAIN in there else Md(""),
        "funnel": _funnel(made, results),
        "sampling": sampling(results, arm),
        "command": command(run, results),
        "version": results.environment.get("preceptor", "unknown"),
        "origins": origins_table(origins),
        "languages": languages(results),
        "advice": ADVICE,
        "limits": bullets(results.limits or ["The study names no limit."]),
    }
    return headed(_head(results, arm, made, there, origins), rendered("data.md.jinja", values))


def _head(
    results: Results, arm: str, made: ArmSeed, there: list[str], origins: list[Origin]
) -> dict[str, Any]:
    from huggingface_hub import DatasetCardData

    rows = made.human + made.kept
    size = next((name for most, name in _SIZES if rows < most), "n>1M")
    made_of: Any = DatasetCardData  # its own types hold for keys written out alone
    data = made_of(
        **language(results),
        **rolled_up(origins),
        annotations_creators=["machine-generated"],
        size_categories=[size],
        source_datasets=["extended"],
        task_categories=["text-generation" if is_text(results) else "text-classification"],
        pretty_name=f"{results.study}: {arm}, draw seed {made.seed}",
        tags=["synthetic", "preceptor"],
        configs=[_config(name) for name in there],
    )
    head: dict[str, Any] = data.to_dict()
    return head


def _config(file: str) -> dict[str, Any]:
    name = Path(file).stem
    found = {"config_name": name, "data_files": [{"split": "train", "path": file}]}
    return found | {"default": True} if file == TRAIN else found


def _columns(folder: Path, there: list[str]) -> Md:
    """The columns of the files; a table of the widest, which has all."""
    import pyarrow.parquet as pq

    names = dict.fromkeys(name for file in there for name in pq.read_schema(folder / file).names)
    rows = [(code(name), Md(_COLUMNS.get(name, ""))) for name in names]
    return table(("Column", "What it holds"), rows) if rows else Md("")


def _labels(folder: Path, results: Results) -> Md:
    """How many rows have each label; a text task has none."""
    if is_text(results):
        return Md("")
    import pyarrow.parquet as pq

    found = pq.read_table(folder / TRAIN, columns=["target", "operation"]).to_pylist()
    human = Counter(row["target"] for row in found if not row["operation"])
    made = Counter(row["target"] for row in found if row["operation"])
    labels = dict.fromkeys([*results.task.labels, *human, *made])
    rows = [(code(label), count(human[label]), count(made[label])) for label in labels]
    return table(("Label", "Human", "Made"), rows, numbers=2)


def _funnel(made: ArmSeed, results: Results) -> Md:
    """What became of the answers of each label."""
    if is_text(results) or not made.funnel:
        return Md("")
    rows = [_counted(label, one) for label, one in made.funnel.items() if one.candidates]
    return table(("Label", "Answers", "Kept", "Rejected by"), rows) if rows else Md("")


def _counted(label: str, one: LabelFunnel) -> tuple[object, ...]:
    by = ", ".join(f"{name} {count(number)}" for name, number in one.rejected.items())
    return (code(label) if label else "none read", count(one.candidates), count(one.kept), by)

"""What is told of tuned teachers and of their labels once all is done."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

from preceptor.store.tables import read_rows
from preceptor.study.plan import Plan
from preceptor.study.teachers.tuning import FILE
from preceptor.tasks import TextTask


def tunings_told(plan: Plan, teacher: str) -> list[dict[str, Any]]:
    """How a teacher was tuned, a record for every role and seed; none of one that was not."""
    mine = [one for one in plan.tunings.all if one.teacher == teacher]
    folders = [plan.tunings.folder(one) for one in mine]
    return [_record(folder) for folder in folders if (folder / FILE).is_file()]


def _record(folder: Path) -> dict[str, Any]:
    record: dict[str, Any] = json.loads((folder / FILE).read_text("utf-8"))
    del record["seen"]
    return record


def label_accuracy(plan: Plan, name: str, seed: int) -> dict[str, Any]:
    """How often the labels that an arm gave to the pool are the true ones; after the fact alone.

    Nothing that makes or chooses anything calls this: the true labels are hidden from all that.

    Returns:
        Of the kept rows whose true label is known: ``known``, ``label_accuracy``, and
        ``confusion``, a count by true and given label. Nothing for arms that give no labels.
    """
    part = plan.arm_part(name, seed)
    if name not in plan.study.annotations() or isinstance(plan.study.task, TextTask):
        return {}
    hidden = plan.drawn(seed).hidden
    kept = [row for row in read_rows(part.folder / "made.parquet") if row["verdict"] == "kept"]
    pairs = [(hidden[id], row["target"]) for row in kept if (id := row["parents"][0]) in hidden]
    if not pairs:
        return {}
    return {
        "known": len(pairs),
        "label_accuracy": sum(true == given for true, given in pairs) / len(pairs),
        "confusion": [[true, given, count] for (true, given), count in Counter(pairs).items()],
    }

"""What ``results.json`` says of the data."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from preceptor.data.example import Example
from preceptor.data.leakage import Leak, leakage, summary
from preceptor.data.readers.pubmedqa import PubmedqaSettings
from preceptor.data.sampling import label_counts
from preceptor.data.splits import DataSettings
from preceptor.study.check import check_targets, thin_choice
from preceptor.study.plan import Plan

_SHOWN_LEAKS = 20


def data_told(plan: Plan) -> dict[str, Any]:
    """The examples as ``results.json`` tells of them: counts, notes, the pool, leaks."""
    splits = plan.drawn(plan.draw_seeds[0])
    data = plan.study.data
    folds = plan.splits.folds
    columns = None if isinstance(data, PubmedqaSettings) else data.columns
    record = _record(plan)
    shown = {**splits.labelled(), "train": plan.partitions[0].train}
    notes = [note for seed in tested_seeds(plan) for note in check_targets(plan, plan.drawn(seed))]
    return {
        "reader": data.reader,
        "files": [path.name for path in plan.splits.files],
        "columns": columns.fields() if columns else {},
        "text_format": _text_format(data),
        "counts": {name: _counts(plan, examples) for name, examples in shown.items()},
        "labelled_per_seed": len(splits.train),
        "draw_seeds": plan.draw_seeds,
        "pool": _pool(plan),
        "cross_validation": folds and {"folds": folds.settings.folds, "rows": len(folds.examples)},
        "notes": [*record.get("notes", []), *dict.fromkeys(notes), *thin_choice(plan)],
        "dropped": record.get("dropped", []),
        "leakage": _leakage(plan),
    }


def tested_seeds(plan: Plan) -> list[int]:
    """A draw seed for every test split that there is."""
    return plan.draw_seeds[: 1 if plan.splits.folds is None else None]


def _counts(plan: Plan, examples: Sequence[Example]) -> dict[str, int]:
    """Examples by label; of free answers, which are no labels, all together."""
    return label_counts(examples) if plan.study.task.labels else {"answers": len(examples)}


def _text_format(data: DataSettings) -> dict[str, Any]:
    """How the study's table is written, so that `predict` reads one like it."""
    names = ("encoding", "delimiter", "quotes")
    return {name: getattr(data, name) for name in names if hasattr(data, name)}


def _pool(plan: Plan) -> list[dict[str, Any]]:
    """Of every draw seed's pool its size, its hidden labels, and what was taken out of it."""
    drawn = {seed: plan.drawn(seed) for seed in plan.draw_seeds if plan.drawn(seed).unlabelled}
    return [
        {
            "seed": seed,
            "rows": len(one.unlabelled),
            "hidden_labels": len(one.hidden),
            "removed": dict(Counter(row.reason for row in one.pool_dropped)),
        }
        for seed, one in drawn.items()
    ]


def _leakage(plan: Plan) -> dict[str, Any]:
    """Of all folds together, a leak counts once: what stands in the train split of one stands in
    that of most."""
    found: dict[tuple[str, str, str], Leak] = {}
    for part in plan.partitions:
        for leak in leakage(part, plan.study.task.show):
            found.setdefault((leak.split_a, leak.split_b, leak.id_b), leak)
    leaks = list(found.values())
    return {"rows": summary(leaks), "examples": [asdict(leak) for leak in leaks[:_SHOWN_LEAKS]]}


def _record(plan: Plan) -> dict[str, Any]:
    """What was said of the data when they were read; nothing before they were."""
    path = plan.out / "data" / "data.json"
    found: dict[str, Any] = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    return found

"""Run folders as the study writes them, made in a moment from predictions that a test chooses."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from preceptor.data.example import COLUMNS, Example, to_row
from preceptor.evaluate.metrics import score
from preceptor.store.atomic import write_json, write_text
from preceptor.store.tables import write_rows
from preceptor.study.measures import foreseen

LABELS = ["yes", "no", "maybe"]
STUDY = """\
name: small
seeds: [0, 1, 2]
task: {kind: choice, labels: [yes, no, maybe], input: "{{ text }}"}
data:
  reader: table
  path: rows.jsonl
  columns: {id: id, target: kind, inputs: [text]}
  split: {by: draw, test: 30}
arms: {none: none, create: {operation: create, amount: 1x}}
teachers: {one: {engine: endpoint, model: m, base_url: "http://127.0.0.1:1/v1", key_env: null}}
students:
  bert: {kind: encoder, weights: bert, method: {name: full, learning_rate: 1.0e-3}}
budget: {steps: 3}
"""
REAL = """\
name: small
seeds: 1
task: {kind: choice, labels: [yes, no, maybe], input: "{{ text }}"}
data:
  reader: table
  path: rows.jsonl
  columns: {id: id, target: kind, inputs: [text]}
  split: {by: draw, test: 24, validation: 12}
  train: {per_label: 3}
arms: {none: none, repeat: repeat}
students:
  bert:
    kind: encoder
    weights: bert
    method: {name: full, learning_rate: 1.0e-3}
    fit: {batch_rows: 4, max_length: 100}
budget: {steps: 3}
"""
"""a study of a tiny real model, with the data of `conftest.rows`"""
ENVIRONMENT = {"torch": "2.13.0", "threads": 1}
Arms = Mapping[str, Mapping[int, Sequence[str | None]]]
"""predicted labels by arm and seed, in the order of the items"""


def examples(count: int = 30, first: int = 0) -> list[Example]:
    """Test examples, none like another."""
    return [
        Example(f"t{n:02d}", {"text": f"text number {n * n}"}, LABELS[n % 3])
        for n in range(first, first + count)
    ]


def right(items: Sequence[Example], wrong: int = 0, start: int = 0) -> list[str | None]:
    """The targets, but for so many from ``start`` on that are of the next label."""
    after = dict(zip(LABELS, LABELS[1:] + LABELS[:1], strict=True))
    hit = [str(one.target) for one in items]
    return [
        *hit[:start],
        *(after[one] for one in hit[start : start + wrong]),
        *hit[start + wrong :],
    ]


def write_run(
    folder: Path,
    items: Sequence[Example],
    arms: Arms,
    *,
    study: str = STUDY,
    tested: Mapping[int, Sequence[int]] | None = None,
    **changes: Any,
) -> Path:
    """Write a run of one classifier.

    Args:
        folder: where.
        items: all examples of the data's test part.
        arms: what was predicted.
        study: the study's file.
        tested: by seed the numbers of the items that were test items then; all if not given.
        changes: top-level parts of results.json to replace.
    """
    rows = [{**to_row(one), "split": "test"} for one in items]
    write_rows(folder / "data" / "examples.parquet", rows, (*COLUMNS, "split"))
    write_text(folder / "study.yaml", study)
    cells = []
    for arm, seeds in arms.items():
        for seed, predicted in seeds.items():
            own = [items[n] for n in tested[seed]] if tested else items
            cells.append(_cell(folder, arm, seed, own, predicted))
    write_json(folder / "results.json", _results(cells) | changes)
    return folder


def _cell(
    folder: Path, arm: str, seed: int, items: Sequence[Example], predicted: Sequence[str | None]
) -> dict[str, Any]:
    name = f"bert/default/{arm}/seed-{seed}"
    rows = [
        {"split": "test", "id": one.id, "target": one.target, "reading": "classifier"}
        | {"prediction": said, "text": None, "probabilities": None}
        for one, said in zip(items, predicted, strict=True)
    ]
    write_rows(folder / "cells" / name / "predictions.parquet", rows, list(rows[0]))
    write_json(folder / "cells" / name / "part.json", {"arm": arm, "seed": seed, "of": str(folder)})
    metrics = score([str(one.target) for one in items], predicted, LABELS)
    return _told(name, arm, seed, "classifier", metrics)


def _told(name: str, arm: str, seed: int, reading: str, metrics: Any) -> dict[str, Any]:
    return {
        "id": name,
        "arm": arm,
        "student": name.partition("/")[0],
        "seed": seed,
        "chosen": True,
        "precision": "fp32",
        "environment": ENVIRONMENT,
        "splits": {"test": {reading: metrics}},
    }


def _results(cells: Sequence[Mapping[str, Any]], **more: Any) -> dict[str, Any]:
    scores: dict[tuple[str, str, str, str], list[float]] = {}
    for cell in cells:
        ((reading, metrics),) = cell["splits"]["test"].items()
        for name in ("macro_f1", "accuracy", *foreseen.METRICS):
            if name in metrics:
                key = (cell["student"], reading, cell["arm"], name)
                scores.setdefault(key, []).append(metrics[name])
    return {
        "format": 1,
        "study": "small",
        "created": "2026-11-20T20:00:00+00:00",
        "task": {"kind": "choice", "labels": LABELS},
        "environment": ENVIRONMENT,
        "cells": list(cells),
        "scores": [
            {"student": student, "reading": reading, "arm": arm, "metric": metric}
            | {"setting": "chosen", "mean": fmean(values), "low": min(values), "high": max(values)}
            | {"seeds": len(values)}
            for (student, reading, arm, metric), values in scores.items()
        ],
    } | more


def write_text_run(folder: Path, nll: Sequence[float], tokens: Sequence[int]) -> Path:
    """A run of a text task with one seed: what each answer cost, and of how many tokens."""
    examples = [Example(f"t{n}", {"q": f"question {n}"}, f"answer {n}") for n in range(len(nll))]
    rows = [{**to_row(one), "split": "test"} for one in examples]
    write_rows(folder / "data" / "examples.parquet", rows, (*COLUMNS, "split"))
    predictions = [
        {"split": "test", "id": one.id, "reading": "next_token"}
        | {"nll_answer": cost, "right_answer": 1, "tokens_answer": size}
        | {"nll_all": None, "right_all": None, "tokens_all": None}
        for one, cost, size in zip(examples, nll, tokens, strict=True)
    ]
    name = "gpt/default/none/seed-0"
    write_rows(folder / "cells" / name / "predictions.parquet", predictions, list(predictions[0]))
    cell = _told(name, "none", 0, "next_token", {"perplexity": 3.0, "n": len(nll)})
    task = {"kind": "text", "score_by": ["next_token"]}
    write_json(folder / "results.json", _results([cell], task=task))
    return folder


def edit(path: Path, change: Any) -> None:
    """Change a JSON file in place."""
    value = json.loads(path.read_text("utf-8"))
    change(value)
    write_json(path, value)

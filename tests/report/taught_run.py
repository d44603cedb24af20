"""A run with a tuned teacher as the study writes it: annotated, created and mixed rows, 5 seeds.

Predictions are drawn by chance with a skill an arm; scores, label counts and calibration are
computed from what was drawn.
"""

from __future__ import annotations

import json
import math
import random
from collections import Counter
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from preceptor.evaluate.calibration import calibration
from preceptor.store.atomic import write_json, write_text
from preceptor.store.tables import write_rows

from .fixture import EXAMPLE, LABELS, VERDICTS, build, metrics, usage

SEEDS = range(5)
HUMAN = 125
SKILL = {
    "none": 0.58,
    "repeat": 0.60,
    "annotate": 0.72,
    "annotate-125": 0.62,
    "annotate-250": 0.655,
    "annotate-500": 0.69,
    "create": 0.63,
    "mix": 0.70,
    "gold": 0.79,
}
OF: dict[str, dict[str, Any]] = {
    "annotate-125": {"annotate": 125},
    "annotate-250": {"annotate": 250},
    "annotate-500": {"annotate": 500},
    "mix": {"annotate": 500, "create": 500},
}
TUNED = {"engine": "tuned", "weights": "smollm2", "method": {"name": "lora"}}


def build_taught(run: Path, **changes: Any) -> Path:
    """Write a run folder; ``changes`` replace top-level parts of results.json."""
    build(run)
    results = json.loads((run / "results.json").read_text("utf-8"))
    chance = random.Random(11)
    cells = [_cell(run, chance, arm, seed) for arm in SKILL for seed in SEEDS]
    taught = {
        "study": "taught",
        "description": "A tuned teacher labels and writes messages of a patient portal.",
        "limits": [],
        "teachers": [_teacher(chance)],
        "arms": {arm: _arm(run, arm, chance) for arm in SKILL},
        "baselines": [*results["baselines"][:1], *_tuned(chance)],
        "cells": cells,
        "method_comparisons": [],
        "scores": scores(cells),
        "comparisons": comparisons(cells),
        "best": "minilm/gold/seed-0",
        "report": {"publish_texts": False},
    }
    taught["data"] = results["data"] | {"labelled_per_seed": HUMAN, "draw_seeds": [*SEEDS]}
    taught["data"]["pool"] = [_pool(seed) for seed in SEEDS]
    write_json(run / "results.json", results | taught | changes)
    return run


def _pool(seed: int) -> dict[str, Any]:
    removed = {"the text of a test example": 12, "nearly the text of a test example": 5 + seed}
    return {"seed": seed, "rows": 7_400 - seed, "hidden_labels": 7_400 - seed, "removed": removed}


def _said(chance: random.Random, truth: list[str], skill: float) -> list[Any]:
    """Right with the given skill, else another label."""
    wrong = {label: [other for other in LABELS if other != label] for label in LABELS}
    return [one if chance.random() < skill else chance.choice(wrong[one]) for one in truth]


def _cell(run: Path, chance: random.Random, arm: str, seed: int) -> dict[str, Any]:
    name, truth = f"minilm/{arm}/seed-{seed}", LABELS * 40
    skill = SKILL[arm] + random.Random(seed).uniform(-0.02, 0.02)
    found = {split: metrics(truth, _said(chance, truth, skill)) for split in ("validation", "test")}
    losses = [{"update": u, "loss": 2 * math.exp(-u / 40)} for u in range(5, 201, 5)]
    write_text(run / "cells" / name / "history.json", json.dumps(losses))
    return {
        "id": name,
        "arm": arm,
        "student": "minilm",
        "kind": "encoder",
        "method": "full",
        "setting": {},
        "seed": seed,
        "rows": HUMAN + kept(arm),
        "splits": {split: {"classifier": one} for split, one in found.items()},
        "updates": 200,
        "seconds": 11.0 + seed,
        "chosen": True,
    }


def kept(arm: str) -> int:
    """How many rows an arm holds beside the human ones."""
    return 0 if arm == "none" else sum(OF[arm].values()) if arm in OF else 1_000


def _arm(run: Path, arm: str, chance: random.Random) -> dict[str, Any]:
    operation = "mix" if arm in OF else arm
    seeds = [_arm_seed(run, arm, seed, chance) for seed in SEEDS]
    teacher = "smollm2" if arm in ("annotate", "create") else None
    return {"operation": operation, "teacher": teacher, "of": OF.get(arm, {}), "seeds": seeds}


def _arm_seed(run: Path, arm: str, seed: int, chance: random.Random) -> dict[str, Any]:
    path = f"arms/{arm}/seed-{seed}"
    rows = {"seed": seed, "human": HUMAN, "wanted": kept(arm), "kept": kept(arm)}
    told = {**rows, "shortfall": 0, "path": path}
    if arm == "annotate":
        told |= _annotated(chance, kept(arm))
    elif arm == "create":
        told |= {"requests": 1_200, "rejected": {"duplicate": 200}, "usage": usage(1_200)}
    if arm in ("annotate", "create"):
        write_rows(run / path / "made.parquet", [], (*EXAMPLE, *VERDICTS))
    return told


def _annotated(chance: random.Random, rows: int) -> dict[str, Any]:
    """What an annotating arm's record says, with what is told after the fact."""
    truth = [LABELS[n % len(LABELS)] for n in range(rows)]
    pairs = Counter(zip(truth, _said(chance, truth, 0.81), strict=True))
    right = sum(times for (true, given), times in pairs.items() if true == given)
    funnel = {label: {"candidates": 180, "rejected": {"keep": 55}, "kept": 125} for label in LABELS}
    return {
        "annotated": rows + 440,
        "pool": 7_400,
        "rejected": {"less sure than others of its label": 440},
        "funnel": funnel,
        "labels": {g: sum(n for (_, x), n in pairs.items() if x == g) for g in LABELS},
        "known": rows,
        "label_accuracy": right / rows,
        "confusion": [[true, given, times] for (true, given), times in pairs.items()],
    }


def _teacher(chance: random.Random) -> dict[str, Any]:
    roles = ("annotate", "create-create")
    tunings = [_tuning(chance, role, seed) for role in roles for seed in SEEDS]
    return {
        "name": "smollm2",
        "engine": "tuned",
        "stands_for": "a 6B model",
        "identity": TUNED,
        "usage": usage(6_000),
        "tunings": tunings,
    }


def _tuning(chance: random.Random, role: str, seed: int) -> dict[str, Any]:
    return {
        "teacher": "smollm2",
        "role": role,
        "seed": seed,
        "rows": 100,
        "kept_out": 25,
        "left_out": [{"id": "m001", "reason": "600 tokens are more than it can see"}]
        if role != "annotate" and seed == 3
        else [],
        "updates": 40,
        "tokens": 21_000,
        "seconds": 61.0 + seed,
        "looks": [{"update": 10 * n, "value": 1.2 - 0.1 * n} for n in range(1, 5)],
        "best_update": 30 + 10 * (seed % 2),
        "precision": "bf16",
        "calibration": _calibration(chance) if role == "annotate" else {},
    }


def _calibration(chance: random.Random) -> dict[str, Any]:
    """Of a teacher that is surer than it is right."""
    rows, targets = [], []
    for n in range(240):
        sure = chance.uniform(0.3, 0.99)
        best = chance.randrange(len(LABELS))
        rest = (1 - sure) / (len(LABELS) - 1)
        rows.append([sure if place == best else rest for place in range(len(LABELS))])
        right = chance.random() < 0.25 + 0.6 * sure
        targets.append(LABELS[best] if right else LABELS[(best + 1 + n % 7) % len(LABELS)])
    return calibration(rows, targets, LABELS)


def _tuned(chance: random.Random) -> list[dict[str, Any]]:
    truth = LABELS * 40
    row = {"name": "smollm2, tuned", "split": "test", "teacher": "smollm2", "shots": None}
    return [
        {**row, "seed": seed, "metrics": metrics(truth, _said(chance, truth, 0.7))}
        for seed in SEEDS
    ]


def scores_of(cells: list[dict[str, Any]], arm: str, name: str) -> list[float]:
    """An arm's scores, one a seed."""
    return [cell["splits"]["test"]["classifier"][name] for cell in cells if cell["arm"] == arm]


def _interval(values: list[float]) -> dict[str, float]:
    half = 2.776 * stdev(values) / math.sqrt(len(values)) if len(values) > 1 else 0.03
    return {"low": fmean(values) - half, "high": fmean(values) + half, "seeds": len(values)}


def scores(cells: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The arms' means over seeds, with intervals over seeds alone."""
    about = {"student": "minilm", "reading": "classifier", "setting": "chosen"}
    arms = dict.fromkeys(cell["arm"] for cell in cells)
    return [
        {**about, "arm": arm, "metric": name, "mean": fmean(found), **_interval(found)}
        for arm in arms
        for name in ("macro_f1", "accuracy")
        for found in [scores_of(cells, arm, name)]
    ]


def comparisons(cells: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Every arm less none and less repeat."""
    told = []
    arms = dict.fromkeys(cell["arm"] for cell in cells)
    for against in ("none", "repeat"):
        for arm in [one for one in arms if one not in ("none", against)]:
            ours, theirs = (scores_of(cells, one, "macro_f1") for one in (arm, against))
            pairs = [a - b for a, b in zip(ours, theirs, strict=True)]
            found = _interval(pairs)
            verdict = "better" if found["low"] > 0 else "no evidence"
            about = {"student": "minilm", "reading": "classifier", "arm": arm, "against": against}
            told.append(
                {**about, "metric": "macro_f1", "difference": fmean(pairs), **found}
                | {"items": 320, "verdict": verdict, "scope": "seeds and items"}
            )
    return told

"""A run folder as the study writes it, made in a fraction of a second.

Predictions are drawn by chance with a skill per arm; every number in results.json is computed
from them, so that a test can compute it anew from the Parquet files.
"""

from __future__ import annotations

import json
import math
import random
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from scipy.stats import t

from preceptor.data.example import Example, Origin, to_row, write_examples
from preceptor.evaluate.statistics import holm
from preceptor.store.atomic import write_json, write_text
from preceptor.store.tables import write_rows

TEXTS = json.loads(Path(__file__).with_name("texts.json").read_text("utf-8"))
LABELS: list[str] = TEXTS["labels"]
MESSAGES = [(item["label"], item["text"], item["rewritten"]) for item in TEXTS["messages"]]
CREATED = [(item["label"], item["text"]) for item in TEXTS["created"]]

VERDICTS = ("verdict", "filter", "reason", "detail", "figures", "raw")
FILTER = {"duplicate": "duplicates", "contamination": "contamination", "unparseable": "parse"}
EXAMPLE = ("id", "inputs", "target", "references", "extra", "teacher", "operation", "parents")
SKILL = {"none": 0.60, "repeat": 0.61, "rewrite": 0.86, "create": 0.52, "combined": 0.63}
OPERATION = {"none": "none", "repeat": "repeat", "combined": "mix"}
TRUNK = {"blocks": 29, "bytes": 88_473_600, "narrow": True, "seconds": 31.0, "dropout_off": False}
UNFIT = "the example is longer than the student's max_length"
STUDY = """\
# Sorting messages of a patient portal into eight kinds.
name: quickstart
data:
  reader: table
  path: messages.jsonl
  train: {per_label: 2}
task:
  kind: choice
  labels: [new symptom, side effect, refill, test result, appointment, billing, referral, advice]
  input: "{{ text }}"
teachers:
  smollm2: {engine: embedded}
arms:
  none: {operation: none}
  rewrite: {operation: rewrite, amount: 1x}
seeds: [0, 1, 2]
budget: {steps: 100}
"""


def build(run: Path, **changes: Any) -> Path:
    """Write a run folder; ``changes`` replace top-level parts of results.json."""
    chance = random.Random(7)
    write_text(run / "study.yaml", STUDY)
    write_examples(run / "data" / "examples.parquet", _examples())
    cells = _cells(run, chance)
    write_json(run / "results.json", _results(cells, _arms(run)) | changes)
    return run


def _examples() -> list[Example]:
    """The human training rows."""
    return [
        Example(f"m{i:03d}", {"text": text}, label) for i, (label, text, _) in enumerate(MESSAGES)
    ]


def _rewritten(seed: int) -> list[dict[str, Any]]:
    rows = []
    for i, (label, text, new) in enumerate(MESSAGES):
        origin = Origin("smollm2", "rewrite", (f"m{i:03d}",))
        bad = _bad(i, seed, text)
        read = Example(
            f"rewrite-{seed}-{i}", {"text": new if not bad else bad[2]}, label, (), {}, origin
        )
        rows.append(_verdict(read, bad, new))
    return rows


def _bad(i: int, seed: int, text: str) -> tuple[str, str, str] | None:
    """Some answers fail, others for other seeds: reason, detail, raw text."""
    return {
        0: ("duplicate", f"same as m{i:03d}", text),
        1: (
            "meta talk",
            "Sure! Here is",
            f"Sure! Here is a reworded version of the message: {text}",
        ),
        2: ("contamination", "62% of it stands in t041: was sent to the wrong pharmacy", text),
        3: ("unparseable", "no text in the answer", ""),
    }.get((i * 5 + seed) % 11)


def _created(seed: int) -> list[dict[str, Any]]:
    rows = []
    for i, (label, text) in enumerate(CREATED):
        same = [f"m{k:03d}" for k, (other, _, _) in enumerate(MESSAGES) if other == label]
        parents = tuple(same)
        read = Example(
            f"create-{seed}-{i}",
            {"text": text},
            label,
            (),
            {},
            Origin("smollm2", "create", parents),
        )
        bad = ("repeats itself", text[:30], text) if (i + seed) % 4 == 0 else None
        rows.append(_verdict(read, bad, text))
    return rows


def _verdict(read: Example, bad: tuple[str, str, str] | None, raw: str) -> dict[str, Any]:
    reason, detail, raw = bad or ("", "", raw)
    verdict = "rejected" if bad else "kept"
    by = FILTER.get(reason, "meta") if bad else ""
    told = {"filter": by, "reason": reason, "detail": detail, "figures": "{}"}
    return to_row(read) | {"verdict": verdict, **told, "raw": raw}


def made_rows(arm: str, seed: int) -> list[dict[str, Any]]:
    """What the teacher wrote for an arm and seed."""
    return {"rewrite": _rewritten, "create": _created}[arm](seed)


def _arms(run: Path) -> dict[str, Any]:
    return {
        arm: {"operation": OPERATION.get(arm, arm), "seeds": [_arm(run, arm, k) for k in range(3)]}
        for arm in SKILL
    }


def _arm(run: Path, arm: str, seed: int) -> dict[str, Any]:
    path = f"arms/{arm}/seed-{seed}"
    if arm == "combined":
        parts = [_arm(run, part, seed) for part in ("rewrite", "create")]
        wanted, kept = (sum(part[key] for part in parts) for key in ("wanted", "kept"))
        lack = wanted - kept
        return {"seed": seed, "human": 16, "wanted": wanted, "kept": kept, "shortfall": lack}
    out = {"seed": seed, "human": 16, "wanted": 0, "kept": 0, "requests": 0, "rejected": {}}
    if arm in ("none", "repeat"):
        return out | {"shortfall": 0, "path": path, "usage": None}
    rows = made_rows(arm, seed)
    write_rows(run / path / "made.parquet", rows, (*EXAMPLE, *VERDICTS))
    reasons = [row["reason"] for row in rows if row["verdict"] == "rejected"]
    kept, wanted = len(rows) - len(reasons), 12
    return (
        out
        | curated(rows, seed)
        | {
            "wanted": wanted,
            "kept": kept,
            "requests": len(rows),
            "rejected": {reason: reasons.count(reason) for reason in dict.fromkeys(reasons)},
            "shortfall": max(0, wanted - kept),
            "path": path,
            "usage": usage(len(rows), 3 * seed),
        }
    )


def curated(rows: list[dict[str, Any]], seed: int) -> dict[str, Any]:
    """What an arm's record says of its curation."""
    funnel = {}
    for place, label in enumerate(LABELS):
        own, wanted = [row for row in rows if row["target"] == label], 2 if place < 4 else 1
        by = [row["filter"] for row in own if row["verdict"] == "rejected"]
        told = {"candidates": len(own), "rejected": {name: by.count(name) for name in by}}
        kept = len(own) - len(by)
        funnel[label] = told | {"kept": kept, "wanted": wanted, "shortfall": max(0, wanted - kept)}
    human = {"distinct_1": 0.5, "distinct_2": 0.9, "distinct_3": 1.0, "self_bleu": 0.1}
    made = {"distinct_1": 0.4, "distinct_2": 0.8, "distinct_3": 0.9, "self_bleu": 0.2 + seed / 10}
    return {
        "filters": ["meta", "duplicates", "contamination", "balance"],
        "funnel": funnel,
        "decisions": {"accept": 1, "unread": [], "unmade": []} if seed else {},
        "notes": {"judge": ["agrees with a person on 3 of 4 decided rows"]} if seed == 2 else {},
        "structured": False,
        "diversity": {"texts": 12, "note": "", "human": human | {"spread": 0.7}}
        | {"made": made | {"spread": None}},
    }


def usage(calls: int, cached: int = 0) -> dict[str, Any]:
    """What so many calls took."""
    return {
        "calls": calls,
        "cached": cached,
        "failed": 0,
        "prompt_tokens": 212 * calls,
        "completion_tokens": 41 * calls,
        "seconds": 1.7 * calls,
        "cost": None,
        "currency": "USD",
    }


def _predict(chance: random.Random, truth: list[str], skill: float, unparsed: float) -> list[Any]:
    """Right with the given skill, else a neighbouring label, else nothing."""
    out: list[Any] = []
    for label in truth:
        draw = chance.random()
        near = LABELS[(LABELS.index(label) + chance.choice((1, 1, 1, 2, 5))) % len(LABELS)]
        out.append(None if draw < unparsed else label if draw < unparsed + skill else near)
    return out


def metrics(truth: list[str], predicted: list[Any]) -> dict[str, Any]:
    """METRICS of results.json."""
    names = [*LABELS, None]
    counts = [[0] * len(names) for _ in LABELS]
    for true, said in zip(truth, predicted, strict=True):
        counts[LABELS.index(true)][names.index(said)] += 1
    per_label = {label: _label(counts, i) for i, label in enumerate(LABELS)}
    return {
        "accuracy": sum(counts[i][i] for i in range(len(LABELS))) / len(truth),
        "macro_f1": fmean(score["f1"] for score in per_label.values()),
        "log_loss": 1.5 - 0.01 * sum(counts[i][i] for i in range(len(LABELS))) / len(LABELS),
        "n": len(truth),
        "unparsed": predicted.count(None),
        "per_label": per_label,
        "confusion": counts,
    }


def _label(counts: list[list[int]], i: int) -> dict[str, float]:
    hit, support, said = counts[i][i], sum(counts[i]), sum(row[i] for row in counts)
    return {
        "precision": hit / said if said else 0.0,
        "recall": hit / support if support else 0.0,
        "f1": 2 * hit / (support + said) if support + said else 0.0,
        "support": support,
        "predicted": said,
    }


def _cells(run: Path, chance: random.Random) -> list[dict[str, Any]]:
    cells = []
    for arm, skill in SKILL.items():
        for seed in range(3):
            own = skill + (chance.random() - 0.5) * 0.04
            readings = {"classifier": (own, 0.0)}
            cells.append(_cell(run, chance, "minilm-full", arm, seed, readings))
    readings = {"generation": (0.11, 0.18), "likelihood": (0.21, 0.0)}
    cells.append(_cell(run, chance, "smollm2-lora", "rewrite", 0, readings))
    return cells


def _cell(
    run: Path,
    chance: random.Random,
    student: str,
    arm: str,
    seed: int,
    readings: dict[str, tuple[float, float]],
) -> dict[str, Any]:
    name = f"{student}/{arm}/seed-{seed}"
    truth = {"validation": LABELS * 10, "test": LABELS * 20}
    said = {
        split: {reading: _predict(chance, labels, *skill) for reading, skill in readings.items()}
        for split, labels in truth.items()
    }
    _write_cell(run / "cells" / name, chance, truth, said, readings)
    decoder = student.startswith("smollm2")
    note = "the weights are rounded to 4 bits" if decoder else None
    return {
        "id": name,
        "arm": arm,
        "student": student,
        "kind": "decoder" if decoder else "encoder",
        "method": "lora" if decoder else "full",
        "setting": {"alpha": 32} if decoder else {},
        "seed": seed,
        "splits": {
            split: {reading: metrics(truth[split], found) for reading, found in by.items()}
            for split, by in said.items()
        },
        "trainable_parameters": 2_442_240 if decoder else 22_716_296,
        "total_parameters": 136_957_248 if decoder else 22_716_296,
        "updates": 100,
        "tokens": 38_400 if decoder else 61_250,
        "seconds": 96.4 if decoder else 8.2 + seed,
        "peak_memory_bytes": 3_100_000_000 if decoder else 912_000_000,
        "precision": "fp32",
        "path": f"cells/{name}",
        "weights": {"ref": "smollm2" if decoder else "minilm", "note": note, "stands_for": None},
        "logits": "supervised" if decoder else "classifier",
        "layout": "packed" if decoder else "padded",
        "trunk": TRUNK if decoder else {"off": "a classifier is trained"},
        "looks": [{"update": u, "value": 1.1 - 0.01 * abs(75 - u)} for u in (25, 50, 75, 100)]
        if decoder
        else [],
        "best_update": 75 if decoder else 100,
        "device": "cpu",
        "processes": 1,
        "left_out": [{"id": f"rewrite-0-{n}", "reason": f"{UNFIT}: {900 + n}"} for n in range(2)]
        if decoder
        else [],
        "rows": 28,
        "scoring_seconds": 41.0 if decoder else 0.9,
        "cut": {"train": 0, "validation and test": 2 if decoder else 0},
        "chosen": True,
    }


def _write_cell(folder: Path, chance: random.Random, truth: Any, said: Any, readings: Any) -> None:
    rows = [
        {"split": split, "id": f"{split[0]}{i:03d}", "target": label, "reading": reading}
        | {"prediction": said[split][reading][i]}
        for split, labels in truth.items()
        for reading in readings
        for i, label in enumerate(labels)
    ]
    write_rows(folder / "predictions.parquet", rows, list(rows[0]))
    history = [
        {"update": u, "loss": 0.25 + 1.8 * math.exp(-u / 25) * (0.92 + 0.16 * chance.random())}
        | {"learning_rate": 1e-4 * (1 - u / 100)}
        for u in range(2, 101, 2)
    ]
    write_text(folder / "history.json", json.dumps(history))


def _interval(values: list[float], items: float) -> tuple[float, float, float]:
    """Mean and a rough t interval with a component for the items."""
    mean = fmean(values)
    half = (
        2.78 * math.sqrt(stdev(values) ** 2 / len(values) + items**2) if len(values) > 1 else 0.08
    )
    return mean, mean - half, mean + half


def _statistics(cells: list[dict[str, Any]]) -> tuple[list[Any], list[Any]]:
    scores, comparisons = [], []
    for metric in ("macro_f1", "accuracy"):
        values: dict[tuple[str, str, str], list[float]] = {}
        for cell in cells:
            for reading, found in cell["splits"]["test"].items():
                values.setdefault((cell["student"], reading, cell["arm"]), []).append(found[metric])
        for (student, reading, arm), found in values.items():
            where = {"student": student, "reading": reading, "arm": arm, "metric": metric}
            mean, low, high = _interval(found, 0.02)
            scores.append(
                where
                | {"setting": cells[-1]["setting"] if "lora" in student else {}}
                | {"mean": mean, "low": low, "high": high, "seeds": len(found)}
            )
            for against in ("none", "repeat"):
                base = values.get((student, reading, against))
                if base and arm != against:
                    pairs = [a - b for a, b in zip(found, base, strict=True)]
                    comparisons.append(where | {"against": against} | _compared(pairs))
    return scores, comparisons


def _compared(pairs: list[float]) -> dict[str, Any]:
    mean, low, high = _interval(pairs, 0.012)
    half, single = high - mean, len(pairs) == 1
    p = float(2 * t.sf(abs(mean) / half * 2.78, 4))
    return {
        "difference": mean,
        "low": low,
        "high": high,
        "seeds": len(pairs),
        "items": 160,
        "scope": "items only (one seed)" if single else "seeds and items",
        "p": p,
        "effect": mean / half,
        "detectable": 1.5 * half,
        "seeds_needed": None if single else 7,
        "items_needed": 1200,
        "mcnemar_p": p if single else None,
    }


def _judged(found: list[dict[str, Any]], *family: str) -> list[dict[str, Any]]:
    """With p-values corrected within families, and the verdicts that follow."""
    families: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for one in found:
        families.setdefault(tuple(one[name] for name in family), []).append(one)
    for facts in families.values():
        for one, p in zip(facts, holm([fact["p"] for fact in facts]), strict=True):
            better = "better" if one["difference"] > 0 else "worse"
            one |= {"p_holm": p, "family": len(facts)}
            one["verdict"] = better if p < 0.05 else "no evidence"
    return found


def _method_comparisons(cells: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The last cell's student less the encoder on the same arm and seed, by the first readings."""
    ours = cells[-1]
    theirs = next(c for c in cells if c["arm"] == ours["arm"] and c["seed"] == ours["seed"])
    about = {"arm": ours["arm"], "student": ours["student"], "against": theirs["student"]}
    first = [next(iter(cell["splits"]["test"].values())) for cell in (ours, theirs)]
    return [
        {**about, "metric": metric} | _compared([first[0][metric] - first[1][metric]])
        for metric in ("macro_f1", "accuracy")
    ]


def _baselines() -> list[dict[str, Any]]:
    chance, truth = random.Random(3), LABELS * 20
    common = [LABELS[0]] * len(truth)
    return [
        {"name": "majority", "split": "test", "seed": None, "metrics": metrics(truth, common)},
        {
            "name": "teacher, zero-shot",
            "split": "test",
            "seed": None,
            "metrics": metrics(truth, _predict(chance, truth, 0.34, 0.06)),
        },
        *(
            {
                "name": "teacher, 5-shot",
                "split": "test",
                "seed": seed,
                "metrics": metrics(truth, _predict(chance, truth, 0.41, 0.02)),
            }
            for seed in range(3)
        ),
    ]


def _data() -> dict[str, Any]:
    leak = {"between": "train/test", "kind": "near", "count": 1}
    pair = {"split_a": "train", "id_a": "m007", "split_b": "test", "id_b": "t041"}
    return {
        "reader": "table",
        "counts": {
            "train": dict.fromkeys(LABELS, 5),
            "validation": dict.fromkeys(LABELS, 10),
            "test": dict.fromkeys(LABELS, 20),
        },
        "labelled_per_seed": 16,
        "notes": ["Messages written by hand for this project; no patient wrote any of them."],
        "dropped": [{"where": f"messages.jsonl:{line}", "reason": "no label"} for line in (31, 77)],
        "leakage": {"rows": [leak], "examples": [pair | {"kind": "near", "share": 0.62}]},
        "files": ["messages.jsonl"],
        "draw_seeds": [0, 1, 2],
    }


def _results(cells: list[dict[str, Any]], arms: dict[str, Any]) -> dict[str, Any]:
    scores, found = _statistics(cells)
    comparisons = _judged(found, "against", "metric")
    best = max(
        (cell for cell in cells if cell["kind"] == "encoder"),
        key=lambda cell: cell["splits"]["validation"]["classifier"]["macro_f1"],
    )
    return {
        "format": 1,
        "study": "quickstart",
        "description": "Sorting messages of a patient portal into eight kinds.",
        "created": "2026-11-20T10:12:00+00:00",
        "seconds": 287.4,
        "finished": True,
        "limits": ["160 messages, written by a few hands: other people write otherwise."],
        "environment": {
            "preceptor": "0.1.0",
            "python": "3.11.7",
            "torch": "2.13.0",
            "transformers": "5.23.0",
            "platform": "Linux x86_64",
            "processor": "x86_64",
            "cores": 2,
            "threads": 2,
            "device": "cpu",
        },
        "budget": {"steps": 100},
        "task": {"kind": "choice", "labels": LABELS, "answers": "strict", "loss": "answer"},
        "data": _data(),
        "teachers": [
            {
                "name": "smollm2",
                "engine": "embedded",
                "stands_for": None,
                "identity": {"weights": "SmolLM2-135M-Instruct, Q8_0", "sha256": "5f9a"},
                "usage": usage(1_350, 12),
            }
        ],
        "choose_by": "log_loss",
        "arms": arms,
        "baselines": _baselines(),
        "cells": cells,
        "failed": [],
        "comparisons": comparisons,
        "method_comparisons": _judged(_method_comparisons(cells), "metric"),
        "scores": scores,
        "best": best["id"],
    }

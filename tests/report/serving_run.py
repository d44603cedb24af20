"""Run folders whose answers were timed: the quickstart's, and one with a tuned teacher."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from preceptor.store.atomic import write_json

from .fixture import build
from .taught_run import build_taught

STAGES = [
    {"stage": "data", "parts": 1, "seconds": 0.5},
    {"stage": "arms", "parts": 15, "seconds": 120.0},
    {"stage": "baselines", "parts": 3, "seconds": 30.0},
    {"stage": "training", "parts": 16, "seconds": 230.0},
    {"stage": "scoring", "parts": 16, "seconds": 60.0},
    {"stage": "rest", "parts": 1, "seconds": 9.5},
]


def served(**changes: Any) -> dict[str, Any]:
    """What a small student's answers took."""
    return {
        "reading": "classifier",
        "latency_p50_ms": 12.0,
        "latency_p95_ms": 20.0,
        "items": 32,
        "answers_per_second": 250.0,
        "memory_bytes": 900_000_000,
        "memory_of": "process",
        "weights_bytes": 91_000_000,
    } | changes


def called(**changes: Any) -> dict[str, Any]:
    """What a teacher's calls took."""
    return {
        "latency_p50_ms": 480.0,
        "latency_p95_ms": 900.0,
        "items": 158,
        "untimed": 2,
        "at_once": 8,
        "answers_per_second": 16.0,
        "prompt_tokens": 212.0,
        "completion_tokens": 41.0,
        "cost_per_1000": 0.06,
        "currency": "USD",
    } | changes


def raw(run: Path) -> dict[str, Any]:
    """A run's results."""
    found: dict[str, Any] = json.loads((run / "results.json").read_text("utf-8"))
    return found


def build_served(run: Path, **changes: Any) -> Path:
    """The quickstart with timed answers and a teacher that was scored in two ways."""
    build(run)
    results = raw(run)
    for cell in results["cells"]:
        encoder = cell["kind"] == "encoder"
        cell["serving"] = (
            served(latency_p50_ms=12.0 + cell["seed"])
            if encoder
            else served(reading="generation", latency_p50_ms=1_900.0, answers_per_second=0.8)
        )
    for one in results["baselines"][1:]:
        shots = 0 if "zero" in one["name"] else 5
        one |= {"teacher": "smollm2", "shots": shots, "serving": called()}
    results["teacher_comparisons"] = list(_comparisons(results))
    results["stages"] = STAGES
    write_json(run / "results.json", results | changes)
    return run


def _comparisons(results: dict[str, Any]) -> Any:
    for one in dict.fromkeys((c["student"], c["arm"]) for c in results["cells"]):
        student, arm = one
        reading = "classifier" if student == "minilm-full" else "generation"
        for against in ("teacher, zero-shot", "teacher, 5-shot"):
            yield {
                "student": student,
                "arm": arm,
                "reading": reading,
                "against": against,
                "metric": "macro_f1",
                "difference": 0.25,
                "low": 0.18,
                "high": 0.32,
                "seeds": 3,
                "items": 160,
                "scope": "seeds and items",
                "verdict": "better",
            }


def build_tuned(run: Path) -> Path:
    """A tuned teacher, timed in process as its students are; no token has a price."""
    build_taught(run)
    results = raw(run)
    for cell in results["cells"]:
        cell["serving"] = served()
    for one in results["baselines"]:
        if one.get("teacher"):
            size = {"weights_bytes": 540_000_000, "parameters": 136_000_000}
            slow = {"latency_p50_ms": 480.0, "answers_per_second": 5.0}
            one["serving"] = served(reading="likelihood", **slow, **size)
    for seed in results["arms"]["annotate"]["seeds"]:
        seed["seconds"] = 40.0
    results["teachers"][0]["usage"] |= {"calls": 0, "cached": 0}
    results["report"]["hour_price"] = 0.36
    write_json(run / "results.json", results)
    return run

"""Preceptor's side: the only module here that knows how its loop is called."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.measure import Meter
from benchmarks.tune import student


def plan(lengths: Sequence[int], job: dict[str, Any]) -> list[list[int]]:
    """Which rows make up every update, as Preceptor draws them; the peers follow it."""
    from preceptor.tune.batches import plan_updates
    from preceptor.tune.settings import Budget

    drawn = plan_updates(lengths, Budget(steps=job["updates"]), _settings(job, 0.0), job["seed"])
    return [[row for batch in update for row in batch] for update in drawn]


def _settings(job: dict[str, Any], weight_decay: float) -> Any:
    from preceptor.tune.settings import FitSettings

    return FitSettings(
        batch_tokens=job["micro_tokens"],
        batch_rows=job["micro_rows"],
        accumulation=job["update_rows"] // job["micro_rows"],
        schedule="linear",
        warmup=0.0,
        weight_decay=weight_decay,
        max_grad_norm=job["max_grad_norm"],
        precision=job["dtype"],
    )


def run(job: dict[str, Any]) -> dict[str, Any]:
    """Fit every setting from the same start."""
    from preceptor.tune.batches import TextRow
    from preceptor.tune.fit import Aids, fit
    from preceptor.tune.settings import Budget
    from preceptor.tune.trunk import TrunkCache

    folder = Path(tempfile.mkdtemp(prefix="trunk-"))
    aids = Aids(trunk=TrunkCache(folder, {"weights": str(job["weights"])}, 20e9))
    model, pad_id = student.load(job["weights"], job["method"], job["seed"])
    rows = [TextRow(tuple(tokens), first) for tokens, first in job["rows"]]
    start = student.trainable(model)
    meter, reports = Meter(), []
    for setting in job["settings"]:
        student.restore(model, start)
        with meter:
            report = fit(
                model,
                rows,
                Budget(steps=job["updates"]),
                _settings(job, setting["weight_decay"]),
                learning_rate=setting["learning_rate"],
                seed=job["seed"],
                label="ours",
                pad_id=pad_id,
                aids=aids,
            )
        reports.append(report)
    shutil.rmtree(folder)
    return {
        "seconds": meter.seconds,
        "before_bytes": meter.before_bytes,
        # fit() resets the kernel's counter itself, so the largest of all counts
        "peak_bytes": max([meter.peak_bytes, *(report.peak_memory_bytes for report in reports)]),
        "losses": [[step["loss"] for step in report.history] for report in reports],
        "micro_rows": job["micro_rows"],
        "logits": reports[0].logits,
        "trunk": reports[0].trunk,
    }

"""How much work training, reading and writing are, and how long they take on this machine."""

from __future__ import annotations

import math
import os
from pathlib import Path

from preceptor.models.weights import Weights
from preceptor.tune.settings import Budget, FitSettings

FLOPS_PER_CORE = 50e9
"""fp32 matrix products of one common server core, twice that in bf16; a GPU is far faster"""
WRITING_PER_CORE = 50e9
"""the same while texts are written side by side, token by token: SmolLM2 (161 M by the size of
its file) writes 390 tokens a second on one core in bf16, 96 texts at once, which is 63e9 in fp32"""


def training_flops(parameters: int, tokens: float, method: str) -> float:
    """Of forward and backward passes over so many tokens: 6 a parameter and token (Kaplan et al.,
    Scaling Laws for Neural Language Models, 2020, table 1), 4 where most weights are frozen."""
    return (6 if method == "full" else 4) * parameters * tokens


def reading_flops(parameters: int, tokens: float) -> float:
    """Of forward passes over so many tokens."""
    return 2 * parameters * tokens


def writing_flops(parameters: int, tokens: float) -> float:
    """Those that could be done in the time in which so many tokens are written one by one."""
    return reading_flops(parameters, tokens) * FLOPS_PER_CORE / WRITING_PER_CORE


def seconds_of(flops: float, fit: FitSettings) -> float:
    """Rough seconds on all cores of this machine, in the precision of the fit."""
    speed = FLOPS_PER_CORE * (2 if fit.precision == "bf16" else 1)
    return flops / (speed * (os.cpu_count() or 1))


def rows_of_batch(fit: FitSettings, length: float) -> float:
    """Rows of so many tokens that one batch holds."""
    return max(1.0, min(fit.batch_rows, fit.batch_tokens / length))


def updates_of(budget: Budget, fit: FitSettings, rows: int, length: float) -> float:
    """Updates that a budget comes to, of so many rows of so many tokens; each pass ends in a
    batch that may be smaller."""
    if budget.epochs is None:
        return float(budget.steps or 0)
    batches = budget.epochs * math.ceil(rows / rows_of_batch(fit, length))
    return max(1.0, batches / fit.accumulation)


def rows_seen(budget: Budget, fit: FitSettings, rows: int, length: float) -> float:
    """Rows that are learnt from in all these updates, each as often as it is seen."""
    if budget.epochs is not None:
        return budget.epochs * rows
    return (budget.steps or 0) * fit.accumulation * rows_of_batch(fit, length)


def parameters_of(weights: Weights) -> int | None:
    """Parameters by the size of the weights on disk; None for a hub model."""
    sizes = [_size(part.path) for part in weights.parts or (weights,)]
    return None if None in sizes else sum(filter(None, sizes))


def _size(path: Path | None) -> int | None:
    if path is None:
        return None
    if path.suffix == ".gguf":
        return round(path.stat().st_size * 8 / 4.9)
    return round(sum(file.stat().st_size for file in path.glob("*.safetensors")) / 4)

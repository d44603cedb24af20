"""How a teacher was tuned, as ``results.json`` has it."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from preceptor.report.read.scores import Number

ANNOTATE = "annotate"
"""the role of a teacher that labels or answers texts; that of one that writes is create-ARM"""


class Bin(BaseModel, frozen=True):
    """The rows whose likeliest label has a probability between ``low`` and ``high``."""

    low: float
    high: float
    count: int = 0
    confidence: Number = None
    """mean probability; None of an empty bin"""
    accuracy: Number = None
    """share of them that are right; None of an empty bin"""


class Calibration(BaseModel, frozen=True):
    """Whether a teacher's probabilities of labels mean what they say."""

    n: int = 0
    accuracy: Number = None
    expected_calibration_error: Number = None
    brier: Number = None
    bins: list[Bin] = []


class Tuning(BaseModel, frozen=True):
    """A teacher as it was tuned for one role under one draw seed."""

    teacher: str = ""
    role: str = ""
    seed: int = 0
    rows: int = 0
    """human examples that it learnt from"""
    kept_out: int = 0
    """human examples that chose the update whose weights were kept"""
    left_out: list[dict[str, Any]] = []
    """those that do not fit it, with the reason"""
    updates: int | None = None
    best_update: int | None = None
    """the update whose weights were kept; the last without looks"""
    tokens: int | None = None
    seconds: Number = None
    precision: str | None = None
    calibration: Calibration = Calibration()
    """on the study's validation split; empty of a teacher that gives no labels"""

"""One trained student of a run as ``results.json`` has it."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from preceptor.report.read.scores import Metrics, Number
from preceptor.report.read.served import Serving


class Weights(BaseModel, frozen=True):
    """What a student started from."""

    ref: str = ""
    note: str | None = None
    stands_for: str | None = None
    """the model that a paper used, where this one is a substitute for it"""


class Trunk(BaseModel, frozen=True):
    """What became of the cache of frozen blocks."""

    blocks: int = 0
    """how many of the lowest blocks were computed once and kept"""
    bytes: int | None = None
    seconds: Number = None
    """what computing them took; part of the cell's seconds"""
    narrow: bool = False
    """whether the last block was computed at supervised positions alone"""
    dropout_off: bool = False
    """whether the cached blocks have dropout that did not act"""
    off: str | None = None
    """why nothing was cached"""


class Look(BaseModel, frozen=True):
    """One look at the validation split."""

    update: int
    value: Number = None


class LeftOut(BaseModel, frozen=True):
    """A made row that a student could not be trained on."""

    id: str = ""
    reason: str = ""


class Cell(BaseModel, frozen=True):
    """One student, trained on one arm with one setting and one seed."""

    id: str
    arm: str
    student: str
    seed: int
    kind: str = ""
    method: str = ""
    setting: dict[str, Any] = {}
    budget: dict[str, float] = {}
    """the student's own budget; empty where it is the study's"""
    rows: int | None = None
    splits: dict[str, dict[str, Metrics]] = {}
    trainable_parameters: int | None = None
    total_parameters: int | None = None
    updates: int | None = None
    tokens: int | None = None
    seconds: Number = None
    scoring_seconds: Number = None
    serving: Serving = Serving()
    peak_memory_bytes: int | None = None
    precision: str | None = None
    layout: str | None = None
    """how rows became batches: padded, packed, fixed"""
    logits: str | None = None
    """supervised, all, or classifier"""
    processes: int | None = None
    """how many processes shared every update"""
    device: str | None = None
    trunk: Trunk | None = None
    looks: list[Look] = []
    """looks at the validation split during training"""
    best_update: int | None = None
    """the update whose weights were kept; the last without looks"""
    left_out: list[LeftOut] = []
    """made rows that do not fit this student"""
    cut: dict[str, int] = {}
    path: str | None = None
    weights: Weights | None = None
    environment: dict[str, Any] = {}
    """where it was trained and scored"""
    chosen: bool = True
    """whether validation chose this setting for this arm, student and seed"""


class Failed(BaseModel, frozen=True):
    """A cell that ended in an error."""

    id: str
    error: str = ""

"""What answering took, as ``results.json`` has it; runs of earlier versions have nothing of it."""

from __future__ import annotations

from pydantic import BaseModel

from preceptor.report.read.scores import Baseline, Difference, Number
from preceptor.report.read.usage import Usage


class Serving(BaseModel, frozen=True):
    """What the answers of a cell, or of a teacher's baseline, took."""

    reading: str | None = None
    """how they were given; None of a teacher that is called"""
    latency_p50_ms: Number = None
    latency_p95_ms: Number = None
    items: int = 0
    """answers that were timed"""
    untimed: int = 0
    """answers of a teacher whose time is not known"""
    at_once: int | None = None
    """calls of a teacher that may have been in flight together"""
    answers_per_second: Number = None
    memory_bytes: int | None = None
    memory_of: str | None = None
    """gpu or process"""
    weights_bytes: int | None = None
    parameters: int | None = None
    """of a tuned teacher"""
    prompt_tokens: Number = None
    """of one call, on average"""
    completion_tokens: Number = None
    cost_per_1000: Number = None
    """of the tokens of 1,000 answers"""
    currency: str | None = None


class Measured(Baseline, frozen=True):
    """A baseline, and of a teacher's what its answers took."""

    teacher: str | None = None
    """None of what no teacher answers: the majority, a person"""
    shots: int | None = None
    """solved examples in its prompt; None of a tuned teacher"""
    usage: Usage | None = None
    serving: Serving = Serving()


class TeacherComparison(Difference, frozen=True):
    """One student, trained on one arm, less a teacher."""

    student: str
    arm: str
    reading: str
    against: str
    """the baseline's name"""


class Stage(BaseModel, frozen=True):
    """What a stage of the run took."""

    stage: str
    parts: int = 0
    seconds: Number = None

"""What calls of a teacher will cost and how long they will take."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

from preceptor.llm.calls.rates import WINDOW
from preceptor.llm.prices import quote
from preceptor.llm.settings import AnyTeacher, EndpointSettings, VllmSettings
from preceptor.study.estimates.calls import TeacherCalls
from preceptor.study.plan import Plan

EMBEDDED_TOKENS = 120.0
"""answer tokens per second of the embedded teacher on two cores, and 5 times that for prompts"""
ENDPOINT_TOKENS = 50.0
"""answer tokens per second of one call to a common API, after half a second of latency"""
_ROUNDING = 1e-9


def call_costs(plan: Plan, asked: Sequence[TeacherCalls]) -> list[dict[str, Any]]:
    """Tokens, cost and time of each, as JSON values.

    Of a teacher that asks in batches, ``seconds`` is the time of the rounds that are called at
    once, for being smaller than its ``batch.least``; None where there are none. The others may
    each take all of their ``window``. ``decided_by`` names the rate that decides the time: what
    a teacher is asked is counted in the order of ``asked``, since its rates hold for all of it.
    """
    windows: defaultdict[str, _Windows] = defaultdict(_Windows)
    return [_row(plan, one, windows[one.teacher]) for one in asked]


def batches(plan: Plan, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """How many rounds wait for batches, and for how long each at most, by teacher."""
    rounds: defaultdict[str, int] = defaultdict(int)
    for row in rows:
        rounds[row["teacher"]] += row["batch_rounds"]
    found = []
    for name, count in rounds.items():
        teacher = plan.study.teachers[name]
        if isinstance(teacher, EndpointSettings) and teacher.batch is not None:
            told = {"window": teacher.batch.window, "least": teacher.batch.least}
            found.append({"teacher": name, "rounds": count, **told})
    return found


@dataclass
class _Windows:
    """Windows of a teacher's rates that its calls fill."""

    filled: float = 0.0

    def wait(self, windows: float) -> float:
        """Seconds that further calls wait for, which fill so many."""
        before = self._waited
        self.filled += windows
        return self._waited - before

    @property
    def _waited(self) -> float:
        # What fits into the first window is sent at once.
        return WINDOW * max(0, ceil(self.filled - _ROUNDING) - 1)


def _row(plan: Plan, one: TeacherCalls, windows: _Windows) -> dict[str, Any]:
    teacher = plan.study.teachers[one.teacher]
    batched = _batched(teacher, one.rounds)
    at_once = one.calls - sum(batched)
    seconds = _call_seconds(teacher, at_once, one.prompt_tokens, one.answer_tokens)
    share, rate = _share(teacher, at_once, one.prompt_tokens + one.answer_tokens)
    wait = windows.wait(share)
    return {
        "for": one.title,
        "teacher": one.teacher,
        "calls": one.calls,
        "calls_at_most": one.at_most,
        "prompt_tokens": round(one.calls * one.prompt_tokens),
        "answer_tokens": round(one.calls * one.answer_tokens),
        **_cost(teacher, one, at_once),
        "seconds": ceil(max(seconds, wait)) if at_once else None,
        "decided_by": rate if wait > seconds else None,
        "batch_rounds": len(batched),
    }


def _batched(teacher: AnyTeacher, rounds: Sequence[int]) -> list[int]:
    """The rounds that are asked in batches."""
    batch = teacher.batch if isinstance(teacher, EndpointSettings) else None
    return [] if batch is None else [size for size in rounds if size >= batch.least]


def _cost(teacher: AnyTeacher, one: TeacherCalls, at_once: int) -> dict[str, Any]:
    priced = quote(teacher)
    if priced is None:
        return {"cost": None, "currency": None}
    prices = ((priced.price, one.calls - at_once), (priced.full, at_once))
    cost = sum(
        calls * (one.prompt_tokens * price.input + one.answer_tokens * price.output) / 1e6
        for price, calls in prices
    )
    return {"cost": cost, "currency": priced.price.currency}


def _call_seconds(teacher: AnyTeacher, calls: int, prompt: float, answer: float) -> float:
    if isinstance(teacher, EndpointSettings | VllmSettings):
        return calls / teacher.concurrency * (0.5 + answer / ENDPOINT_TOKENS)
    return calls * (prompt / (5 * EMBEDDED_TOKENS) + answer / EMBEDDED_TOKENS)


def _share(teacher: AnyTeacher, calls: int, tokens: float) -> tuple[float, str | None]:
    """Windows of the teacher's rates that calls of so many tokens fill, and by which rate."""
    if not isinstance(teacher, EndpointSettings):
        return 0.0, None
    shares: dict[str, float] = {}
    if teacher.requests_per_minute is not None:
        shares["requests_per_minute"] = calls / teacher.requests_per_minute
    if teacher.tokens_per_minute is not None:
        # A call that alone takes more waits until it is alone in its window.
        shares["tokens_per_minute"] = calls / max(1, teacher.tokens_per_minute // max(1, tokens))
    rate = max(shares, key=lambda name: shares[name], default=None)
    return (0.0, None) if rate is None else (shares[rate], rate)

"""How long one answer takes, asked for alone."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")
MOST = 32
"""answers that are timed at most"""
WARM_UP = 2
"""answers before them that are not: the first ones pay for what is set up once"""
LIMIT = 5.0
"""seconds after which no further answer is begun"""


@dataclass(frozen=True, slots=True)
class Latency:
    """The time of one answer.

    Attributes:
        p50_ms: the median, in milliseconds.
        p95_ms: what 95 % of the answers stay under, interpolated between two of them.
        items: how many were timed.
    """

    p50_ms: float
    p95_ms: float
    items: int


def latency(answer: Callable[[T], object], items: Sequence[T], limit: float = LIMIT) -> Latency:
    """Time answers one after the other.

    Args:
        answer: gives one answer, and returns when it is there.
        items: what is asked; the first :data:`MOST` of them. :data:`WARM_UP` of them are asked
            before, without a clock.
        limit: seconds for all of this; one warm-up and one answer are always given.

    Raises:
        ValueError: there is nothing to ask.
    """
    begun = time.perf_counter()
    _times(answer, items[:WARM_UP], begun + limit / 2)
    return of_seconds(_times(answer, items[:MOST], begun + limit))


def _times(answer: Callable[[T], object], items: Sequence[T], until: float) -> list[float]:
    """Seconds of each answer; none is begun after ``until`` but the first."""
    seconds: list[float] = []
    for item in items:
        started = time.perf_counter()
        if seconds and started > until:
            break
        answer(item)
        seconds.append(time.perf_counter() - started)
    return seconds


def of_seconds(seconds: Sequence[float]) -> Latency:
    """Percentiles of times that are known.

    Args:
        seconds: of one answer each.

    Raises:
        ValueError: there are none.
    """
    import numpy as np

    if not len(seconds):
        raise ValueError("no time of an answer is known")
    p50, p95 = (1000 * float(value) for value in np.percentile(seconds, (50, 95)))
    return Latency(p50, p95, len(seconds))

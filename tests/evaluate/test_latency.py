"""The times of single answers: what is timed, what is not, and when it stops."""

import time

import numpy as np
import pytest

from preceptor.evaluate import latency as timing
from preceptor.evaluate.latency import MOST, WARM_UP, latency, of_seconds


class Clock:
    """Answers that take the seconds they are asked for, on a clock of their own."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now, self.asked = 0.0, list[float]()
        monkeypatch.setattr(time, "perf_counter", lambda: self.now)

    def answer(self, seconds: float) -> None:
        self.asked.append(seconds)
        self.now += seconds


def test_every_item_is_timed_after_two_that_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    items = [0.01 * (n + 1) for n in range(MOST + 5)]
    found = latency(clock.answer, items, limit=1e9)
    assert clock.asked == [*items[:WARM_UP], *items[:MOST]]
    assert found.items == MOST
    expected = [1000 * float(np.percentile(items[:MOST], q)) for q in (50, 95)]
    assert [found.p50_ms, found.p95_ms] == pytest.approx(expected)


def test_slow_answers_stop_at_the_limit_and_one_is_always_timed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = Clock(monkeypatch)
    found = latency(clock.answer, [2.0] * 10, limit=9.0)
    assert clock.asked == [2.0] * 5, "two to warm up, then none begun after 9 s"
    assert (found.items, found.p50_ms) == (3, 2000.0)
    clock.asked.clear()
    found = latency(clock.answer, [20.0] * 10, limit=5.0)
    assert clock.asked == [20.0, 20.0]
    assert (found.items, found.p95_ms) == (1, 20_000.0)


def test_no_time_is_no_latency() -> None:
    with pytest.raises(ValueError, match="no time"):
        of_seconds([])
    assert timing.LIMIT == 5.0

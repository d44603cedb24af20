"""The works: what is compared, and how fast it shall be."""

from __future__ import annotations

from dataclasses import dataclass

RATES = (1e-5, 2e-5, 3e-5, 5e-5, 1e-4, 2e-4, 3e-4, 5e-4)
"""Eight settings: what a search over the learning rate of the last block would try."""


@dataclass(frozen=True)
class Work:
    """A work.

    Attributes:
        rows: whose.
        method: see :func:`benchmarks.tune.student.load`.
        epochs: passes over the rows, where the command names no updates.
        rates: the peak learning rate of every setting, each fitted from the same start.
        targets: how many times as fast as TRL and as the plain loop it shall at least be.
        memory: peak memory at most, as a share of TRL's.
    """

    rows: str
    method: str
    epochs: int
    rates: tuple[float, ...]
    targets: tuple[float, float]
    memory: float | None = None


WORKS = {
    "lora-pubmedqa": Work("pubmedqa", "lora", 1, (2e-4,), (2.0, 1.0), 0.6),
    "lora-medquad": Work("medquad", "lora", 1, (2e-4,), (1.5, 1.0)),
    "last-pubmedqa": Work("pubmedqa", "last", 3, (1e-4,), (6.0, 2.5)),
    "settings-pubmedqa": Work("pubmedqa", "last", 3, RATES, (20.0, 8.0)),
    "last-medquad": Work("medquad", "last", 3, (1e-4,), (2.0, 1.5)),
}

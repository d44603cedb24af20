"""Randomness that a seed decides and that leaves no trace outside."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Draw torch's random numbers from ``seed`` while the block runs, then go on as before."""
    import torch

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield

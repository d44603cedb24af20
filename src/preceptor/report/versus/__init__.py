"""Runs set side by side: what differs between them, their scores, and the paired differences.

The first run is the one that the others are held against.
"""

from __future__ import annotations

from preceptor.report.versus.found import (
    Apart,
    Change,
    DataLine,
    Reading,
    RunDifference,
    RunFacts,
    RunScore,
    Versus,
)

__all__ = [
    "Apart",
    "Change",
    "DataLine",
    "Reading",
    "RunDifference",
    "RunFacts",
    "RunScore",
    "Versus",
]

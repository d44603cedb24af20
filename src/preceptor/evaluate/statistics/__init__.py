"""Statistics of arms: intervals, paired comparisons, correction for many, power.

One file an idea: :mod:`.variance` (what a mean varies by and how wide its interval is),
:mod:`.intervals` (means and paired differences), :mod:`.holm`, :mod:`.mcnemar` and :mod:`.power`.
"""

from __future__ import annotations

from preceptor.evaluate.statistics.holm import holm
from preceptor.evaluate.statistics.intervals import (
    LEVEL,
    Difference,
    Interval,
    Verdict,
    interval,
    mean_interval,
    paired_difference,
)
from preceptor.evaluate.statistics.mcnemar import mcnemar
from preceptor.evaluate.statistics.power import detectable, items_needed, seeds_needed

__all__ = [
    "LEVEL",
    "Difference",
    "Interval",
    "Verdict",
    "detectable",
    "holm",
    "interval",
    "items_needed",
    "mcnemar",
    "mean_interval",
    "paired_difference",
    "seeds_needed",
]

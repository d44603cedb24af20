"""How a judge of labels does where the labels are known, before it may reject anything."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from preceptor.data.example import Example

_LUCK = 0.05
"""a judge that named the commonest label alone would do as well in this share of trials"""


@dataclass(frozen=True)
class Trial:
    """How a judge of labels did on human examples.

    Attributes:
        hits: examples whose label it found.
        n: examples.
        commonest: the share of the commonest label.
    """

    hits: int
    n: int
    commonest: float

    @property
    def passed(self) -> bool:
        """Whether it is better than the commonest label, by more than luck (binomial test)."""
        from scipy.stats import binomtest

        test = binomtest(self.hits, self.n, self.commonest, alternative="greater")
        return bool(test.pvalue < _LUCK)

    @property
    def told(self) -> str:
        """The figures in words."""
        found = f"{self.hits} of {self.n} human examples"
        against = f"(always the commonest label: {self.commonest:.0%})"
        end = "" if self.passed else "; that is too little to judge by, and nothing was rejected"
        return f"{found} {against}{end}"


def commonest_share(examples: Sequence[Example]) -> float:
    """The share of the commonest label."""
    return max(Counter(one.target for one in examples).values()) / len(examples)

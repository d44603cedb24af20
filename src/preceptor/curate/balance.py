"""Label balance: as many rows of every label as the wanted distribution has, and no more."""

from __future__ import annotations

import math
from collections import Counter
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator

from preceptor.curate.filter import Material, RowFilter, needs_labels
from preceptor.data.candidate import Rejection
from preceptor.data.example import Example
from preceptor.data.sampling import allot, label_counts, label_of
from preceptor.settings import Settings

unfit = needs_labels
_PARTS = 1_000_000
"""shares are counted in millionths"""


def _check_shares(value: Any) -> Any:
    if value in ("human", "even"):
        return value
    shares = list(value.values()) if isinstance(value, dict) else []
    numbers = [one for one in shares if isinstance(one, int | float) and 0 <= one < math.inf]
    if not shares or len(numbers) < len(shares) or sum(numbers) == 0:
        raise ValueError("human, even, or shares of labels, none negative ({yes: 0.6, no: 0.4})")
    return value


Shares = Annotated[Literal["human", "even"] | dict[str, float], BeforeValidator(_check_shares)]


class BalanceSettings(Settings):
    """Keep of every label its share of the wanted rows and reject what comes beyond it. Each
    label is counted by itself: to keep what is surest would keep the easy labels."""

    to: Shares = "human"
    """the shares: `human`, those of the labelled training examples; `even`, all labels alike; or
    your own (`{yes: 0.6, no: 0.3, maybe: 0.1}`; a label that is left out gets none)"""


class BalanceFilter(RowFilter):
    """Counts what it let pass of every label, against the label's quota."""

    def __init__(self, settings: BalanceSettings, material: Material) -> None:
        self.quotas = quotas(settings, material)
        self._wanted = material.wanted
        self._passed: Counter[str] = Counter()

    def verdict(self, example: Example) -> Rejection | None:
        """Reject what comes after its label's quota is full."""
        label = label_of(example)
        quota = self.quotas.get(label, 0)
        if self._passed[label] < quota:
            self._passed[label] += 1
            return None
        detail = f"{label}: {quota} of the {self._wanted} rows wanted, and they are there"
        figures = {"quota": float(quota), "wanted": float(self._wanted)}
        return Rejection("over its share", detail, figures)

    def lacking(self) -> dict[str, int]:
        """How many rows of each label are still wanted."""
        return {label: quota - self._passed[label] for label, quota in self.quotas.items()}


def quotas(settings: BalanceSettings, material: Material) -> dict[str, int]:
    """Rows wanted of every label; they sum to all rows wanted (largest remainder).

    Where there are no human rows, `human` has no shares and all labels are alike.
    """
    labels = material.task.labels
    counts = label_counts(material.human)
    if settings.to == "even" or not counts:
        parts = dict.fromkeys(labels, 1)
    elif settings.to == "human":
        parts = {label: counts.get(label, 0) for label in labels}
    else:
        whole = sum(settings.to.values())
        parts = {label: round(_PARTS * settings.to.get(label, 0) / whole) for label in labels}
    return allot(parts, material.wanted, f"balance-{material.seed}")


def make(settings: BalanceSettings, material: Material) -> BalanceFilter:
    """The filter of one arm and seed."""
    return BalanceFilter(settings, material)

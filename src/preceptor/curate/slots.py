"""Texts that leave out what their input says: missing slots."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pydantic import Field, field_validator

from preceptor.curate.filter import Material, RowFilter
from preceptor.data.candidate import Rejection
from preceptor.data.example import Example
from preceptor.data.words import normalise
from preceptor.settings import Settings
from preceptor.tasks import AnyTask, TextTask


class SlotsSettings(Settings):
    """Reject a text that says fewer of its input's values than people's texts do.

    Off by default: what a value is, only the study can say. Of slot error rate (Wen et al., 2015,
    arXiv:1508.01745), which counts values that are missing or superfluous, it is the first part.
    """

    values: str
    """regular expression, whose groups are the values in the task's input as it is shown: '=
    ([^|)]+?) [|)]' finds "cheap" in "offer( price = cheap )". A text says a value that stands in it
    word for word, case and punctuation aside"""
    quantile: float = Field(0.1, ge=0, lt=1)
    """a text must say as large a share of its values as all but this share of the human texts"""

    @field_validator("values")
    @classmethod
    def _has_groups(cls, values: str) -> str:
        try:
            groups = re.compile(values).groups
        except re.error as error:
            raise ValueError(f"no regular expression: {error}") from error
        if not groups:
            raise ValueError("no group ( ) in it that a value would be")
        return values


def unfit(task: AnyTask, operation: str) -> str:
    """Why texts cannot be held against their inputs; empty where they can."""
    return "" if isinstance(task, TextTask) else "the task has labels, and no text says its input"


class SlotsFilter(RowFilter):
    """Knows which share of their values people say."""

    def __init__(self, settings: SlotsSettings, material: Material) -> None:
        self._values, self._task = re.compile(settings.values), material.task
        shares = [share for one in material.human if (share := self._said(one)[0]) is not None]
        self._human, self._least = _usual(shares, settings.quantile)

    @property
    def notes(self) -> list[str]:
        """What people say, and what is asked of made texts."""
        usual = f"{self._human:.0%} of the values" if self._human is not None else "no values"
        return [f"human texts say {usual}; a made one must say {self._least:.0%}"]

    def verdict(self, example: Example) -> Rejection | None:
        """Reject a text that leaves out values, with those that it leaves out."""
        share, missing = self._said(example)
        if share is None or share >= self._least:
            return None
        figures = {"said": round(share, 4), "least": round(self._least, 4)}
        return Rejection("slots missing", f"not said: {', '.join(missing)}", figures)

    def _said(self, example: Example) -> tuple[float | None, list[str]]:
        """The share of an input's values that its text says, and the others; None without any."""
        values = values_in(self._values, self._task.show(example))
        text = f" {_plain(str(example.target))} "
        missing = [value for value in values if f" {_plain(value)} " not in text]
        return (1 - len(missing) / len(values) if values else None), missing


def values_in(pattern: re.Pattern[str], shown: str) -> list[str]:
    """The different values in an input as it is shown, in its order."""
    found = (value for match in pattern.finditer(shown) for value in match.groups() if value)
    return list(dict.fromkeys(value.strip() for value in found if value.strip()))


def problem(settings: SlotsSettings, task: AnyTask, human: Sequence[Example]) -> str:
    """What is wrong with the expression, by the human examples; empty where nothing is."""
    pattern = re.compile(settings.values)
    if any(values_in(pattern, task.show(one)) for one in human):
        return ""
    return f"{settings.values!r} finds nothing in any of the {len(human)} human inputs"


def _plain(text: str) -> str:
    return normalise(text.replace("_", " "))


def _usual(shares: Sequence[float], quantile: float) -> tuple[float | None, float]:
    """The mean share, and the one that all but a share of them reach."""
    import numpy as np

    if not shares:
        return None, 0.0
    least = np.quantile(shares, quantile, method="lower")
    return float(np.mean(shares)), float(least)


def make(settings: SlotsSettings, material: Material) -> SlotsFilter:
    """The filter of one arm and seed."""
    return SlotsFilter(settings, material)

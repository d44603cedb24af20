"""A tuned teacher reads back the labels of what it wrote."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from pydantic import Field

from preceptor.curate.filter import Believe
from preceptor.data.candidate import Rejection
from preceptor.data.example import Example
from preceptor.settings import Settings


class TunedLabels(Settings):
    """Have the arm's teacher, where it is tuned, read what it wrote: the same weights, tuned on the
    same human examples to tell labels, must find the label that was written for. A tuned teacher
    may write well and heed the label little. No calls are made; annotated rows pass, since their
    labels are this teacher's own."""

    by: Literal["tuned"]
    probability: float = Field(0.0, ge=0, le=1)
    """reject also where the label is the likeliest, but less likely than this"""


class ReadBackFilter:
    """Has the tuned teacher of the arm tell the labels of what it wrote.

    Attributes:
        figures: probability of the label, by the example's id.
    """

    def __init__(self, settings: TunedLabels, believe: Believe) -> None:
        self._settings, self._believe = settings, believe
        self.figures: dict[str, dict[str, float]] = {}

    def judge(self, examples: Sequence[Example]) -> list[Rejection | None]:
        """Reject where another label is likelier."""
        found = self._believe(examples, "reading labels back")
        return [self._verdict(*one) for one in zip(examples, found, strict=True)]

    def _verdict(self, example: Example, believed: Mapping[str, float]) -> Rejection | None:
        likeliest = max(believed, key=lambda label: believed[label])
        probability = believed[str(example.target)]
        self.figures[example.id] = {"probability": round(probability, 4)}
        if likeliest == example.target and probability >= self._settings.probability:
            return None
        detail = f"{example.target} {probability:.2f}, {likeliest} {believed[likeliest]:.2f}"
        return Rejection("label not read back", detail, self.figures[example.id])


class OwnLabels:
    """Lets all pass: the labels are those of the teacher that would judge them."""

    def judge(self, examples: Sequence[Example]) -> list[Rejection | None]:
        """No objection."""
        return [None] * len(examples)

"""Meta talk and broken text: a teacher that speaks about its answer, leaks its prompt, stutters."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from preceptor.curate.fields import TakenOver, texts_of
from preceptor.curate.filter import Material, RowFilter, needs_writing
from preceptor.curate.signs import Sign, signs
from preceptor.data.candidate import Rejection
from preceptor.data.example import Example
from preceptor.settings import Settings

_ALONE = 2
"""human texts that must show a sign: a single one may be a mishap of the data"""


unfit = needs_writing


class MetaSettings(Settings):
    """Reject text in which the teacher talks about its answer or repeats its prompt, and broken
    text: placeholders, chat marks, stutters, endless lists, text that was cut off or wrongly
    decoded. Phrases are looked for in English."""

    repeats: int = Field(3, ge=2)
    """reject where one run of four words stands this often"""
    items: int = Field(20, ge=5)
    """reject a row of this many items of one or two words, or a numbered list of as many"""
    style: float = Field(0.01, gt=0, le=1)
    """a sign that this share of the human texts shows, two of them at least, is their style and
    is not looked for"""


class MetaFilter(RowFilter):
    """Looks for all signs that are not the human examples' own style."""

    def __init__(self, settings: MetaSettings, material: Material) -> None:
        human = [text for one in material.human for text in texts_of(one, material.task).values()]
        self._taken_over = TakenOver(material)
        found = signs(material.task, human, settings.repeats, settings.items)
        usual = max(_ALONE, settings.style * len(human))
        self._signs = {name: sign for name, sign in found.items() if _count(sign, human) < usual}

    def verdict(self, example: Example) -> Rejection | None:
        """Reject on the first sign in a field that was not taken over from a human example."""
        for text in self._taken_over.written(example).values():
            for reason, find in self._signs.values():
                shown = find(text)
                if shown is not None:
                    return Rejection(reason, shown)
        return None


def _count(sign: Sign, texts: Sequence[str]) -> int:
    return sum(sign[1](text) is not None for text in texts)


def make(settings: MetaSettings, material: Material) -> MetaFilter:
    """The filter of one arm and seed."""
    return MetaFilter(settings, material)

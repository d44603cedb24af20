"""Meta talk and broken text: a teacher that speaks about its answer, or stutters."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from pydantic import Field

from preceptor.curate.filter import Material
from preceptor.data.candidate import Rejection
from preceptor.data.example import Example
from preceptor.settings import Settings

_META = re.compile(
    r"""
    ^\W*(sure|certainly|of\ course|okay|absolutely)\b[,!.:]   # Sure! ...
    | \bhere(?:'s|\ is|\ are)\ (?:a|an|the|another|one|some|my|your)\ (?:\w+\ ){0,3}
        (?:text|message|version|rewrite|rewritten|rewording|example|question|paraphrase|response)
    | \b(?:rewritten|reworded|new)\ (?:text|version|message|wording)\s*:
    | \b(?:the|this)\ (?:\w+\ )?(?:text|sentence)s?\ (?:is|are|was|were|has|aims|conveys|means
        |contains|could|uses|refers|describes|requires|mentions)\b
    | \b(?:re|para)phras(?:e|es|ed|ing)\b | \breword(?:s|ed|ing)\b
    | \bas\ an?\ (?:ai|language\ model)\b
    | \b(?:i\ cannot|i\ can't|i'm\ unable\ to)\ (?:help|assist|provide|write|generate)\b
    | \b(?:in\ other\ words|the\ text\ above|the\ following\ (?:text|message))\b
    | \[(?:your|patient|doctor|insert|name)[^\]]*\]           # [Your Name]
    | <\|?/?(?:im_start|im_end|assistant|user|system|text)\|?>
    """,
    re.IGNORECASE | re.VERBOSE,
)


class MetaSettings(Settings):
    """Reject text in which the teacher talks about its answer, and text that repeats itself."""

    repeats: int = Field(3, ge=2)
    """reject where one run of four words stands this often"""


class MetaFilter:
    """Phrases of assistants, chat marks, placeholders, and repeated runs of words."""

    def __init__(self, settings: MetaSettings, material: Material) -> None:
        self._repeats = settings.repeats
        self._human = {text for example in material.human for text in _texts(example)}

    def judge(self, examples: Sequence[Example]) -> list[Rejection | None]:
        """Reject on the first sign in a field that was not taken over from a human example."""
        return [self._judge(example) for example in examples]

    def _judge(self, example: Example) -> Rejection | None:
        for text in _texts(example):
            if text in self._human:
                continue
            match = _META.search(text)
            if match:
                return Rejection("meta talk", match.group().strip())
            run = self._stutter(text)
            if run:
                return Rejection("repeats itself", run)
        return None

    def _stutter(self, text: str) -> str | None:
        words = text.casefold().split()
        runs = Counter(zip(words, words[1:], words[2:], words[3:], strict=False))
        run, times = runs.most_common(1)[0] if runs else ((), 0)
        return " ".join(run) if times >= self._repeats else None


def _texts(example: Example) -> list[str]:
    return [*example.inputs.values(), *example.extra.values()]


def make(settings: MetaSettings, material: Material) -> MetaFilter:
    """The filter of one arm and seed."""
    return MetaFilter(settings, material)

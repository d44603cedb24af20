"""How a label is read back from what a model wrote."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Literal

AnswersSetting = Literal["strict", "drllama_llm", "drllama_student"]
_JOINT = r"(?:[_-]+\s*|\s+(?:[_-]+\s+)?)"
_JOINTS = re.compile(rf"(?<=\w){_JOINT}(?=\w)")
STUDENT_CUE = "the answer to the question given the context is"


def strict(text: str, labels: Sequence[str]) -> str | None:
    """The first label that stands in the text as whole words; None if there is none.

    Case is ignored, and so is what joins a label's words: "side effect" is `side_effect`.
    A mark at a label's end is the label's own: "-1" is not `1`, and "A-" is `A-`.
    Where two labels begin at one place ("no" and "no effect") the longer one is read.
    """
    ordered = sorted(labels, key=len, reverse=True)
    pattern = "|".join(f"({_words(label)})" for label in ordered)
    match = re.search(rf"(?<!\w)(?:{pattern})(?!\w)", text, re.IGNORECASE)
    return None if match is None else ordered[(match.lastindex or 1) - 1]


def fold(label: str) -> str:
    """A label without case and without what joins its words: what strict reading tells apart."""
    return _JOINTS.sub(" ", " ".join(label.split())).casefold()


def _words(label: str) -> str:
    words = _JOINT.join(re.escape(word) for word in _JOINTS.split(label.strip()))
    # A minus before a number that follows no word is its sign.
    return rf"(?<!(?<!\w)-){words}" if label[:1].isdigit() else words


def drllama_llm(text: str, labels: Sequence[str]) -> str | None:
    """Dr. LLaMA's reading of a large model: the first word alone.

    Contains "yes": yes; else contains "no": no; else maybe (the authors' notebook). It never
    fails to read, and it reads "not" and "unknown" as "no".
    """
    words = text.split()
    return _yes_no_maybe(words[0] if words else "")


def drllama_student(text: str, labels: Sequence[str]) -> str | None:
    """Dr. LLaMA's reading of a student.

    Of the text after "the answer to the question given the context is", the first of up to
    100 words that contains "yes" or "no" decides; else maybe (the authors' notebook).
    """
    _, cue, after = text.lower().partition(STUDENT_CUE)
    for word in (after if cue else text).split()[:100]:
        reading = _yes_no_maybe(word)
        if reading != "maybe":
            return reading
    return "maybe"


def _yes_no_maybe(word: str) -> str:
    lowered = word.lower()
    if "yes" in lowered:
        return "yes"
    return "no" if "no" in lowered else "maybe"


READERS: dict[AnswersSetting, Callable[[str, Sequence[str]], str | None]] = {
    "strict": strict,
    "drllama_llm": drllama_llm,
    "drllama_student": drllama_student,
}

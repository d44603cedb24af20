"""The words of a text, by which texts are compared: leaks, duplicates, near-duplicates."""

from __future__ import annotations

import re
import unicodedata
from functools import cache

_SINGLE = r"\u3040-\u30ff\u3400-\u9fff"
_SINGLE_MARKED = r"\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"
"""scripts without spaces between words, where every character counts as a word: Chinese and
Japanese; Thai, Lao, Burmese and Khmer, whose characters take marks"""
_VARIATION = "\ufe00-\ufe0f\U000e0100-\U000e01ef"
"""variation selectors: marks that choose a picture (an emoji in colour), not a meaning"""
_PLAIN = re.compile(r"\w+")
"""what :func:`_words` comes to in ASCII, five times as fast"""


def words_of(text: str) -> list[str]:
    r"""The words of a text, case, punctuation, white space and Unicode forms aside.

    A word keeps its combining marks (Unicode category M): the vowels of Hindi and of pointed
    Arabic are such, and \w leaves them out.
    """
    folded = _folded(text)
    return _pattern(folded).findall(folded)


def has_words(text: str) -> bool:
    """Whether a text has a word; faster than to list them."""
    folded = _folded(text)
    return _pattern(folded).search(folded) is not None


def _pattern(folded: str) -> re.Pattern[str]:
    return _PLAIN if folded.isascii() else _words()


def normalise(text: str) -> str:
    """A text as its words with one space between them; one without words (an emoji) as it is,
    white space aside."""
    words = words_of(text)
    if words:
        return " ".join(words)
    return " ".join(re.sub(f"[{_VARIATION}]", "", _folded(text)).split())


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()


@cache
def _words() -> re.Pattern[str]:
    """A character of the scripts without spaces; or letters, with marks anywhere but first."""
    marks, letter = f"[{_marks()}]", rf"[^\W{_SINGLE}{_SINGLE_MARKED}]"
    return re.compile(
        rf"{letter}+(?:{marks}+{letter}*)*|[{_SINGLE}]|(?=\w)[{_SINGLE_MARKED}]{marks}*"
    )


def _marks() -> str:
    """All of category M but the variation selectors, which alone lie beyond U+1F000."""
    variation = re.compile(f"[{_VARIATION}]")
    return "".join(
        mark
        for mark in map(chr, range(0x300, 0x1F000))
        if unicodedata.category(mark)[0] == "M" and not variation.match(mark)
    )

"""Signs of text that no human wrote for the task: what assistants say, and broken text.

Each sign has a name of its own, so that one that is the human examples' style can be left out.
The phrases are English; the marks of broken text are of any language.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial
from operator import eq

from preceptor.data.words import normalise, words_of
from preceptor.tasks import AnyTask, ChoiceTask

Sign = tuple[str, Callable[[str], str | None]]
"""the reason of a rejection, and what finds the sign in a text: the words that show it, or None"""

_TALK = {
    "opener": r"^\W*(?:sure|certainly|of\ course|okay|absolutely)\b[,!.:]",
    "announcement": r"""\bhere(?:'s|\ is|\ are)\ (?:a|an|the|another|one|some|my|your)\s
        (?:\w+\ ){0,3}
        (?:text|message|version|rewrite|rewritten|rewording|example|question|paraphrase|response)
        | \b(?:rewritten|reworded|revised|new|original)\ (?:text|version|message|wording)\s*
        (?::|\bis\b|\bwas\b)""",
    "about the text": r"""\b(?:the|this)\ (?:\w+\ )?(?:text|sentence)s?\ (?:is|are|was|were|has|aims
        |conveys|means|contains|could|can|uses|refers|describes|requires|requests|mentions)\b
        | \bin\ other\ words\b | \bthe\ text\ above\b | \bthe\ following\ (?:text|message)\b""",
    "rewording": r"\b(?:re|para)-?phras(?:e|es|ed|ing)\b | \bphrased\b | \breword\w*",
    "definition": r"""\b(?:is|are)\ an?\ (?:\w+\ ){0,2}(?:word|verb|noun|phrase|expression|idiom
        |metaphor)\ (?:that|which|used|of)\b | \bmetaphorical\ | \bclassic\ example\ of\b
        | \bhumorous\ example\b""",
    "machine": r"""\bas\ an?\ (?:ai|language\ model)\b | \bai\ (?:assistant|(?:language\ )?model)\b
        | \bi(?:'m|\ am)\ (?:just\ )?an?\ (?:ai|chat\ ?bot|bot|language\ model)\b | \bsmollm\b""",
    "refusal": r"""\bi(?:\ cannot|\ can't|'m\ unable\ to|\ am\ unable\ to|'m\ not\ able\ to)\s
        (?:help|assist|provide|write|generate|fulfill|comply)\b""",
    "offer": r"""\b(?:ready|here|happy|glad|designed|always\ here)\ to\ (?:help|assist)\ (?:you|with
        |refine)\b | \b(?:i'm|i\ am)\ (?:ready|here)\ to\ (?:help|assist)\b
        | \b(?:what|how)\ (?:can|may)\ i\ (?:help|assist)\b | \bassist\ you\ (?:with|today|best)\b
        | \bplease\ (?:go\ ahead\ and\ )?(?:provide|share)\ (?:me\ )?(?:with\ )?
        (?:the|your)\ text""",
    "order": r"""\b(?:re)?write\ (?:one|a|another|the|this|two|your)\ (?:\w+\ ){0,2}(?:text|message
        |example|sentence|question|version)s?\b | \bwrite\ only\ this\ form\b
        | \bkeeping\ its\ meaning\b | \brewrite\ the\ following\b | \bfor\ which\ the\ answer\ is\b
        | \b(?:text|message|example)\ of\ the\ kind\b""",
}
_MARKS = {
    "placeholder": r"""\[(?:your|my|the|patient|doctor|dr|insert|name|date|time|company|clinic
        |hospital|phone|address|e-?mail|number|age|medication|medicine|drug|condition|recipient
        |sender|first|last|full|specific|city|topic|xx+)\b[^\]\n]{0,40}\]
        | <(?:name|date|time|number|your\ \w+)> | \{(?:name|date|time|number)\} | \{\{[^}]{1,40}\}\}
        | \bx{4,}\b | \bxx/xx\b | (?<!_)_{3,}(?!_)""",
    "chat marks": r"""<\|?/?(?:im_start|im_end|endoftext|assistant|user|system|text|think|eot_id
        |begin_of_text|end_of_text)\|?> | </s> | \[/?INST\] | <</?SYS>> | ^\#{2,}\ \w
        | ^(?:assistant|user|system|human)\s*: | ```""",
    "mojibake": r"""\ufffd | [\x00-\x08\x0b\x0c\x0e-\x1f\x80-\x9f] | â(?:€|\x80)
        | Ã[\x80-\xbf€™œ©¨¤¶¼±³¢] | Â[\xa0-\xbf] | ï»¿""",
}
_FLAGS = re.IGNORECASE | re.VERBOSE | re.MULTILINE
_SCRIPTS = {
    "Cyrillic": "\u0400-\u052f",
    "Hebrew": "\u0590-\u05ff",
    "Arabic": "\u0600-\u06ff\u0750-\u077f",
    "Devanagari": "\u0900-\u097f",
    "Bengali": "\u0980-\u09ff",
    "Tamil": "\u0b80-\u0bff",
    "Thai": "\u0e00-\u0e7f",
    "Georgian": "\u10a0-\u10ff",
    "Hangul": "\uac00-\ud7af\u1100-\u11ff",
    "Kana": "\u3040-\u30ff",
    "Han": "\u3400-\u9fff",
    "Latin": "a-zA-Z\u00c0-\u024f",
}
"""scripts that are looked for; Greek letters stand in science of any language"""
_LETTERS = {name: re.compile(f"[{letters}]") for name, letters in _SCRIPTS.items()}
_QUOTES = ('"', "“", "”")
_ENDS = re.compile(r"(?:\(|\b(?:the|an|and|or|but|because|your|their|whose))\Z", re.IGNORECASE)
"""what no sentence ends with"""
_SYLLABLES = re.compile(r"([^\W\d_])\1{5,}|([^\W\d_]{2,4}?)\2{4,}")
_LETTERS_OF_CRY = 6
"""aaaaaa, hahahahaha; a word of fewer letters has none of these"""
_CYCLES = {1: 4, 2: 5, 3: 5}
"""words of a run, and how often it stands in a row to be a stutter: people write "no no no" too"""
_NUMBERED = re.compile(r"^\s*\d{1,3}[.)]\s", re.MULTILINE)
_AGAIN = 4
"""times that one item stands in a row of them"""
_LONG = 5
"""words; a shorter description of a label may be said by chance"""


def signs(task: AnyTask, human: Iterable[str], repeats: int, items: int) -> dict[str, Sign]:
    """All signs by name.

    Args:
        task: its labels and what it says of them are what a prompt can leak.
        human: the human texts, for the scripts in which they are.
        repeats: how often a run of four words makes a stutter.
        items: how many items make an endless list.
    """
    known = {name for text in human for name in _scripts(text)}
    found: dict[str, Sign] = {}
    if isinstance(task, ChoiceTask):
        found["leaked prompt"] = ("leaked prompt", partial(_search, _leak(task)))
    found |= {
        "stutter": ("repeats itself", partial(_stutter, repeats)),
        "cycle": ("repeats itself", _cycle),
        "cut off": ("cut off", _cut_off),
        "long list": ("endless list", partial(_enumeration, items)),
        "other script": ("other script", partial(_foreign, known)),
    }
    phrases = _phrases(task)
    if phrases:
        found["told of the task"] = ("leaked prompt", partial(_told, phrases))
    for name, pattern in {**_TALK, **_MARKS}.items():
        reason = name if name in _MARKS else "meta talk"
        found[name] = (reason, partial(_search, re.compile(pattern, _FLAGS)))
    return found


def _search(pattern: re.Pattern[str], text: str) -> str | None:
    match = pattern.search(text)
    return match[0].strip() if match else None


def _leak(task: ChoiceTask) -> re.Pattern[str]:
    """Labels as only a prompt names them: "labelled refill", "Label: refill", new_symptom."""
    any_label = "|".join(map(re.escape, sorted(task.labels, key=len, reverse=True)))
    coded = "|".join(re.escape(label) for label in task.labels if re.search(r"\w_\w", label))
    named = r"\b(?:labell?ed|label|category|class|kind)"
    patterns = [
        rf"""{named}\s*(?::|=|as|is)?\s*["'“]?(?:{any_label})\b""",
        rf"""["“](?:{any_label})["”]""",
        rf"""^\W*(?:{any_label})["”*]*\s*:""",
        *([rf"\b(?:{coded})\b"] if coded else []),
    ]
    return re.compile("|".join(patterns), _FLAGS)


def _phrases(task: AnyTask) -> list[str]:
    """What a prompt says of the task and of each label, where that is long enough to be known."""
    meanings = task.descriptions.values() if isinstance(task, ChoiceTask) else ()
    told = [task.about, *meanings]
    return [normalise(phrase) for phrase in told if len(words_of(phrase)) >= _LONG]


def _told(phrases: Iterable[str], text: str) -> str | None:
    wording = f" {normalise(text)} "
    return next((phrase for phrase in phrases if f" {phrase} " in wording), None)


def _stutter(repeats: int, text: str) -> str | None:
    """A run of four words that stands too often, or one of seven that stands twice; for the
    length of the text too: in 200 words of an abstract a term may well come three times."""
    words = text.casefold().split()
    for length, least, share in ((4, repeats, 0.25), (7, 2, 0.4)):
        shifted = [words[start:] for start in range(length)]
        runs = Counter(zip(*shifted, strict=False))
        run, times = runs.most_common(1)[0] if runs else ((), 0)
        if times >= least and times * length >= share * len(words):
            return " ".join(run)
    return None


def _cycle(text: str) -> str | None:
    """Letters, syllables or a run of up to three words again and again in a row."""
    words = words_of(text)
    for word in words:
        if len(word) >= _LETTERS_OF_CRY and _SYLLABLES.search(word):
            return word
    for length, times in _CYCLES.items():
        row = 0
        for place, is_same in enumerate(map(eq, words, words[length:])):
            row = row + 1 if is_same and not words[place].isdigit() else 0
            if row >= length * (times - 1):
                return " ".join(words[place - row + 1 : place + length + 1])
    return None


def _cut_off(text: str) -> str | None:
    """A text that ends where no sentence does, or with a quotation that never does."""
    text = text.strip()
    if _ENDS.search(text[-12:]):
        return text[-20:]
    is_open = text[:1] in _QUOTES and not any(mark in text[1:] for mark in _QUOTES)
    return text[:20] if text and is_open else None


def _enumeration(items: int, text: str) -> str | None:
    """Very many short items in a row between commas, or one again and again; a numbered list."""
    if len(_NUMBERED.findall(text)) >= items:
        return f"a list of {items} or more"
    if text.count(",") < _AGAIN - 1:
        return None
    row: list[str] = []
    for item in text.casefold().split(","):
        words = words_of(item)
        row = [*row, " ".join(words)] if 0 < len(words) <= 2 and not item.isdigit() else []
        if len(row) >= items or row.count(row[-1] if row else "") >= _AGAIN:
            return ", ".join(row)
    return None


def _scripts(text: str) -> set[str]:
    if text.isascii():
        return {"Latin"}
    return {name for name, letters in _LETTERS.items() if letters.search(text)}


def _foreign(known: set[str], text: str) -> str | None:
    """Letters of a script that no human text has; Latin names may stand among those of another."""
    found = set() if text.isascii() else _scripts(text)
    new = sorted(found - known - ({"Latin"} if len(found) > 1 else set()))
    return "".join(_LETTERS[new[0]].findall(text))[:20] if new and known else None

"""Data inside a prompt: in a frame that it cannot close, and without a model's control tokens."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from preceptor.store.fingerprint import fingerprint

_ANGLE = r"(?:[|｜][^<>\n]{1,64}|[^<>\s][^<>\n]{0,63}[|｜]|/?\w+)>"
_SQUARE = r"/?(?:INST|THINK|IMG|[gs]?MASK|CLS|SEP|PAD|UNK|BOS|EOS|[A-Z]+(?:_[A-Z]+)+)\]"
_CONTROL = re.compile(rf"<(?={_ANGLE})|\[(?={_SQUARE})")
_DEFUSED = re.compile(rf"(<) (?={_ANGLE})|(\[) (?={_SQUARE})")

_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u2060-\u2064\ufeff]")


def defuse(text: str) -> str:
    r"""The text with a space in all that could be a control token: ``<|im_end|>``, ``[INST]``.

    A server that reads its own chat template's tokens reads them wherever they stand: llama.cpp
    and vLLM turn a conversation into one string and tokenise it with control tokens on, so a
    text that holds ``<|im_end|>\n<|im_start|>system`` ends its message and begins another
    (seen with xllamacpp and SmolLM2; a test counts the tokens). Which tokens a server has is
    not known here, so all that look like one are taken apart: a name in angle brackets, with
    or without bars, and the few in square brackets. The space can be seen by whoever reads
    the prompt, and no tokenizer drops it, as some drop zero-width characters.
    """
    return _CONTROL.sub(lambda match: f"{match[0]} ", text)


def restore(text: str) -> str:
    """An answer's text without the spaces of :func:`defuse`, where the model copied them."""
    return _DEFUSED.sub(lambda match: match[0][0], text)


def defused(value: Any) -> Any:
    """The same JSON value, every string in it through :func:`defuse`."""
    if isinstance(value, str):
        return defuse(value)
    if isinstance(value, Mapping):
        return {key: defused(one) for key, one in value.items()}
    if isinstance(value, Sequence):
        return [defused(one) for one in value]
    return value


def tag_for(texts: Iterable[str]) -> str:
    """The name of a tag that none of these texts can open or close: "text", if it can be.

    Where a text holds that tag, however disguised (spaces, capitals, look-alikes, invisible
    characters), the tag gets an ending made from the hash of the texts. The same texts give
    the same tag, so that a cached answer is found again.
    """
    folded = unicodedata.normalize("NFKC", _INVISIBLE.sub("", "\n".join(texts))).casefold()
    name = "text"
    while re.search(rf"<\W{{0,8}}{name}", folded):
        name = f"text-{fingerprint([name, folded])[:8]}"
    return name


def strings_of(value: Any) -> Iterable[str]:
    """All strings within a JSON value, but for the names of its keys."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from strings_of(one)
    elif isinstance(value, Sequence):
        for one in value:
            yield from strings_of(one)


_FRAMED = re.compile(r"<(text(?:-[0-9a-f]{8})?)>(.*)</\1>", re.DOTALL)


def unframed(text: str) -> str:
    """An answer's text without the frame around it, where the model copied that too."""
    match = _FRAMED.fullmatch(text.strip())
    return match[2].strip() if match else text

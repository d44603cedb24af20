"""What a teacher's answer says: tolerant about how it is written, strict about what it means."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from preceptor.data.candidate import Rejection
from preceptor.llm.frame import restore, unframed
from preceptor.llm.prompt import spoken
from preceptor.llm.schema import first_object

_Found = list[tuple[str, str]]


def read_fields(text: str, fields: Sequence[str]) -> dict[str, str] | Rejection:
    """Read a JSON object with these keys, or ``Name: value`` parts; a lone field may come bare.

    Reading is tolerant about code fences, case, bold marks, line breaks within a value and
    words around an object, and strict about meaning: every field must be there, once, as text
    and not empty. An answer that could be read in two ways is not read.
    """
    found = _from_object(text, fields)
    if found is None:
        found = _from_parts(text.strip(), fields)
    if isinstance(found, Rejection):
        return found
    values = dict(found)
    missing = [field for field in fields if not values.get(field)]
    if missing:
        return Rejection("unparseable", f"no {' and no '.join(missing)} in the answer")
    if len(found) != len(fields):
        return Rejection("unparseable", "a field stands there more than once")
    return values


_FENCE = re.compile(r"^```[\w-]*[ \t]*$", re.MULTILINE)
_FENCED = re.compile(r"^```[\w-]*[ \t]*\n((?:(?!```).)*)```[ \t]*$", re.MULTILINE | re.DOTALL)


def _from_object(text: str, fields: Sequence[str]) -> _Found | Rejection | None:
    """The values of a JSON object; None where there is no object with any of the fields.

    For a lone field the object must be all of the answer: elsewhere braces may be its text's
    own.
    """
    read = first_object(text)
    if read is None:
        return None
    pairs, around = read
    names = _names(fields)
    found = [(names[name], one) for key, one in pairs if (name := _folded(key)) in names]
    beside = _FENCE.sub("", around).strip()
    if not found or (len(fields) == 1 and beside):
        return None
    if "{" in beside or _marker(fields).search(beside):
        return Rejection("unparseable", "an object stands there, and fields beside it")
    odd = [field for field, value in found if not _is_text(value)]
    if odd:
        return Rejection("unparseable", f"{' and '.join(odd)}: no text")
    return [(field, restore(unframed(value.strip()))) for field, value in found]


def _is_text(value: Any) -> bool:
    # Half a surrogate pair, written as \ud83d, cannot be kept in a file.
    return isinstance(value, str) and not re.search("[\ud800-\udfff]", value)


def _from_parts(text: str, fields: Sequence[str]) -> _Found:
    """The values of ``Name: value`` parts.

    What stands before the first name is left out, and of a lone field only a line that
    announces it: all else may be its text, in which a name at a line's start is no other field.
    """
    text = _unfenced(text, _marker(fields))
    before, *rest = _marker(fields).split(text)
    if len(fields) == 1 and (not rest or not _ANNOUNCED.fullmatch(before)):
        return [(fields[0], _clean(text))]
    names = _names(fields)
    return [
        (names[_folded(name)], _clean(value))
        for name, value in zip(rest[::2], rest[1::2], strict=True)
    ]


_ANNOUNCED = re.compile(r"(?:[^\n]*:)?\s*")


def _unfenced(text: str, marker: re.Pattern[str]) -> str:
    """What a code fence holds, where it holds all of the answer but words around it."""
    block = _FENCED.search(text)
    if block is None:
        return text
    around = f"{text[: block.start()]}\n{text[block.end() :]}"
    if around.strip() and (not marker.search(block[1]) or marker.search(around)):
        return text
    return block[1].strip()


def _marker(fields: Sequence[str]) -> re.Pattern[str]:
    """A field's name at a line's start, with its colon."""
    names = "|".join(re.escape(name) for name in _names(fields))
    return re.compile(rf"^[\s*#>-]*({names})[\s*]*:[\s*]*", re.IGNORECASE | re.MULTILINE)


def _names(fields: Sequence[str]) -> dict[str, str]:
    return {_folded(field): field for field in fields}


def _folded(name: str) -> str:
    return spoken(name).casefold()


_QUOTED = re.compile(r"""["“«]([^"“”«»]+)["”»]""")
_QUOTED_ABOVE = re.compile(r"""["“«]([^"“”«»]+[.!?…])["”»][ \t]*\n\s*\n[^"“”«»]*""")
"""a quoted sentence, and a comment as a paragraph below it"""


def _clean(value: str) -> str:
    """Without bold marks, and without quotes around the whole, with a comment below it or not.

    A text that only begins with something in quotes is left as it is.
    """
    value = unframed(value.strip().strip("*").strip())
    quoted = _QUOTED.fullmatch(value) or _QUOTED_ABOVE.fullmatch(value)
    return restore(quoted[1].strip() if quoted else value)

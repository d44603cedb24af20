"""Markdown in which text from data and models stands as text: nothing of it becomes markup."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

_SPECIAL = re.compile(r"([\\`*_\[\]|~$])")
_LEADING = re.compile(r"^(?:(\d+)(?=[.)](?:\s|$))|(?=[#+=-]))")
"""what would open a list or a heading at the start of a line"""


class Md(str):
    """Text that is Markdown already."""

    __slots__ = ()


def escaped(value: object) -> Md:
    """A value as plain text on one line; what is Markdown already stays as it is."""
    if isinstance(value, Md):
        return value
    text = _SPECIAL.sub(r"\\\1", " ".join(str(value).split()))
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return Md(_LEADING.sub(lambda found: f"{found[1] or ''}\\", text))


def code(value: object) -> Md:
    """A name as code on one line, whatever is in it."""
    text = " ".join(str(value).split()) or " "
    fence = "`" * (_longest(text) + 1)
    pad = " " if text[0] == "`" or text[-1] == "`" else ""
    # A pipe would end a cell of a table even here, and a backslash before it is shown elsewhere.
    return Md(f"{fence}{pad}{text}{pad}{fence}") if "|" not in text else escaped(text)


def block(text: str, language: str = "") -> Md:
    """Lines as a block of code."""
    fence = "`" * max(3, _longest(text) + 1)
    return Md(f"{fence}{language}\n{text.rstrip()}\n{fence}")


def _longest(text: str) -> int:
    """The most backticks in a row."""
    return max((len(run) for run in re.findall("`+", text)), default=0)


def table(heads: Sequence[object], rows: Sequence[Sequence[object]], numbers: int = 0) -> Md:
    """A table; the last ``numbers`` columns are set to the right."""
    sides = ["---"] * (len(heads) - numbers) + ["---:"] * numbers
    lines = [heads, [Md(side) for side in sides], *rows]
    return Md("\n".join(f"| {' | '.join(escaped(cell) for cell in line)} |" for line in lines))


def bullets(items: Sequence[object]) -> Md:
    """A list."""
    return Md("\n".join(f"- {escaped(item)}" for item in items))


def settings(values: Mapping[str, Any]) -> Md:
    """Settings on one line, as ``rank 8, alpha 32``."""
    told = {key: value for key, value in values.items() if value not in (None, {}, [], "")}
    return Md(", ".join(f"{escaped(key)} {_value(value)}" for key, value in told.items()) or "none")


def _value(value: Any) -> Md:
    simple = isinstance(value, str | int | float) and not isinstance(value, bool)
    return code(value if simple else json.dumps(value, ensure_ascii=False))


def rendered(template: str, values: Mapping[str, Any]) -> str:
    """A template of this folder; every value in it is text unless it is :class:`Md`."""
    text = _environment().get_template(template).render(values)
    return re.sub(r"\n{3,}", "\n\n", text)


@cache
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=False,  # for HTML; `finalize` does it for Markdown
        finalize=escaped,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )

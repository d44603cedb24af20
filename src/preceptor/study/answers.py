"""The cache of answers as `preceptor cache` shows it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict
from io import StringIO
from typing import Any

from preceptor.llm.inventory import LIMIT_VARIABLE, Holding, Inventory, Kept

_UNITS = ("B", "kB", "MB", "GB", "TB")


def shown(found: Inventory) -> str:
    """What is there by model, as a table for the terminal."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table("model", "answers", "tokens", "size", "last used")
    for one in found.models:
        table.add_row(escape(plain(one.model)), *_figures(one))
    console = Console(file=StringIO(), width=120)
    console.print(table if found.models else "no answers are kept")
    limit = "no limit" if found.limit == float("inf") else f"limit {size(found.limit)}"
    told = f"{found.path}: {size(found.bytes)} on disk, {limit} ({LIMIT_VARIABLE})"
    removed = f"; {found.removed:,} answers were removed so far" if found.removed else ""
    console.print(told + removed, markup=False, highlight=False, soft_wrap=True)
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


def _figures(one: Holding) -> Sequence[str]:
    return f"{one.answers:,}", f"{one.tokens:,}", size(one.bytes), day(one.used)


def answer_shown(one: Kept) -> str:
    """One kept answer with its request, for the terminal."""
    lines = [f"key {one.key}", f"model {one.model}, last used {day(one.used)}"]
    for message in one.request["messages"]:
        lines += [f"--- {message['role']}", message["content"]]
    told = {name: one.request[name] for name in ("parameters", "sample")}
    lines += [f"--- {told}", f"--- {one.failure or 'answer'}", one.text]
    lines.append(f"--- {one.prompt_tokens:,} + {one.completion_tokens:,} tokens")
    return plain("\n".join(lines))


def as_json(one: Inventory | Kept) -> dict[str, Any]:
    """The same as JSON values."""
    return one.as_dict() if isinstance(one, Inventory) else asdict(one)


def plain(text: str) -> str:
    """Text with what could steer a terminal (a model wrote it) made visible."""
    return "".join(one if one.isprintable() or one in "\n\t" else repr(one)[1:-1] for one in text)


def size(number: float) -> str:
    """Bytes as ``1.2 GB`` (decimal units)."""
    step = 0
    while number >= 999.5 and step < len(_UNITS) - 1:
        number, step = number / 1000, step + 1
    return f"{number:.{0 if step == 0 or number >= 100 else 1}f} {_UNITS[step]}"


def day(seconds: int) -> str:
    """A time as its date, here."""
    return time.strftime("%Y-%m-%d", time.localtime(seconds))

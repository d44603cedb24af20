"""Made data on a terminal: the original beside what was made of it, differences marked."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from preceptor.report.frame.blocks import Field, Pair, Segment
from preceptor.report.sections.accounts import reason_title
from preceptor.report.sections.samples import WHOLE, pair_of
from preceptor.study.inspect import Found, Made, plain

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.text import Text

MOST = 100
"""rows that are shown where nobody says how many"""
_WIDE = 100
"""columns from which the original stands beside and not above"""
_STYLES = {"del": "red strike", "ins": "green underline"}
_MARKS = {"del": ("[-", "-]"), "ins": ("{+", "+}")}
"""those of wdiff, where there are no colours"""


def browse(found: Found, console: Console | None = None) -> None:
    """Print the rows; paged where stdout is a terminal.

    No text is read as markup, and none reaches the terminal with a control character in it.
    """
    from rich.console import Console

    console = console or Console(highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        _print(console, found)
        return
    os.environ.setdefault("LESS", "FRX")  # as git does: colours, and no paging of one screen
    with console.pager(styles=console.color_system is not None):
        _print(console, found)


def _print(console: Console, found: Found) -> None:
    from rich.text import Text

    kept = sum(one["verdict"] == "kept" for one in found.rows)
    cut = "" if len(found.rows) == found.matching else f"; the first {len(found.rows):,}"
    told = f"{found.matching:,} of {found.of:,} made examples{cut}"
    console.print(Text(f"{told}: {kept:,} kept, {len(found.rows) - kept:,} rejected"))
    for one in found.rows:
        for part in _shown(one, found, console):
            console.print(part, soft_wrap=not console.is_terminal)


def _shown(one: Made, found: Found, console: Console) -> Iterator[RenderableType]:
    from rich.text import Text

    pair = pair_of(found.texts, one.seed, one.row, WHOLE)
    yield Text()
    yield _head(one)
    if why := _why(one):
        yield Text(plain(why), "dim")
    if not any(part.after for part in pair.fields) and one["verdict"] != "kept":
        yield Text(f"{plain(_title(pair))}\n{_joined(part.before for part in pair.fields)}")
        yield Text(f"The teacher's answer:\n{plain(one['raw']) or '(nothing)'}")
    elif console.is_terminal and console.width >= _WIDE:
        yield _side_by_side(pair)
    else:
        yield from _stacked(pair, console.is_terminal)


def _head(one: Made) -> Text:
    from rich.text import Text

    text = Text().append(plain(one["id"]), "bold")
    text.append(f"  {plain(one['target']) or '(no label)'}", "cyan")
    if one["verdict"] == "kept":
        text.append("  kept", "green")
    else:
        text.append(f"  rejected: {plain(reason_title(one['reason']))}", "red")
        text.append(f" ({plain(one['filter'])})")
    if one["decision"]:
        text.append(f"  a person's decision: {plain(one['decision'])}", "magenta")
    return text


def _why(one: Made) -> str:
    figures = json.loads(one["figures"] or "{}")
    measured = [f"{name.replace('_', ' ')} {value:.4g}" for name, value in figures.items()]
    return "; ".join(filter(None, [one["detail"], *measured]))


def _title(pair: Pair) -> str:
    return f"{pair.before_title} ({pair.before_label})" if pair.before_label else pair.before_title


def _joined(parts: Iterator[Sequence[Segment]]) -> str:
    return plain("\n".join("".join(part.text for part in segments) for segments in parts))


def _side_by_side(pair: Pair) -> RenderableType:
    from rich.table import Table
    from rich.text import Text

    grid = Table.grid(padding=(0, 3), expand=True)
    grid.add_column(ratio=1)
    grid.add_column(ratio=1)
    grid.add_row(Text(plain(_title(pair)), "dim"), Text(pair.operation.capitalize(), "dim"))
    for part in pair.fields:
        after = Text("(left as it was)", "dim") if part.same else _text(part, "after", styled=True)
        grid.add_row(_text(part, "before", styled=True), after)
    return grid


def _stacked(pair: Pair, styled: bool) -> Iterator[Text]:
    from rich.text import Text

    yield Text(f"- {plain(_title(pair))}", "dim")
    for part in pair.fields:
        yield _text(part, "before", styled)
    yield Text(f"+ {pair.operation}", "dim")
    for part in pair.fields:
        yield Text("(left as it was)", "dim") if part.same else _text(part, "after", styled)


def _text(part: Field, side: str, styled: bool) -> Text:
    """One side of a field, with its name where the text alone does not tell."""
    from rich.text import Text

    text = Text().append(f"{plain(part.name)}: ", "bold")
    for segment in part.before if side == "before" else part.after:
        begin, end = ("", "") if styled else _MARKS.get(segment.change, ("", ""))
        style = _STYLES.get(segment.change, "") if styled else ""
        text.append(f"{begin}{plain(segment.text)}{end}", style)
    return text

"""Tables as files: CSV for programs, Markdown and LaTeX for texts."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate

from preceptor.report.frame.blocks import Column, Raw, Row, Table, Value
from preceptor.report.read.numbers import DASH

_MARKS = {"better": "▲", "worse": "▼"}
_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>#|~&$])")
_LATEX = {
    "\\": r"\textbackslash{}",
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "−": "$-$",
    "–": "--",
    "—": "---",
    "…": r"\ldots{}",
    "·": r"$\cdot$",
    "×": r"$\times$",
    "±": r"$\pm$",
    "▲": r"$\blacktriangle$",
    "▼": r"$\blacktriangledown$",
    "\u00a0": "~",
}


def to_csv(tables: Sequence[Table]) -> str:
    """Tables of one name as one CSV; an interval takes two more columns."""
    names = dict.fromkeys(name for table in tables for name in _csv_names(table))
    out = io.StringIO()
    writer = csv.DictWriter(out, list(names), lineterminator="\n", restval="")
    writer.writeheader()
    writer.writerows(row for table in tables for row in _csv_rows(table))
    return out.getvalue()


def _has_interval(value: Value) -> bool:
    return value.low is not None or value.high is not None


def _csv_names(table: Table) -> Iterator[str]:
    yield from (name for name, _ in table.context)
    for index, column in enumerate(table.columns):
        yield column.key
        if any(_has_interval(row.values[index]) for row in table.rows):
            yield from (f"{column.key}_low", f"{column.key}_high")


def _csv_rows(table: Table) -> Iterator[dict[str, Raw]]:
    for row in table.rows:
        out: dict[str, Raw] = dict(table.context)
        for column, value in zip(table.columns, row.values, strict=True):
            out[column.key] = value.raw
            if _has_interval(value):
                out |= {f"{column.key}_low": value.low, f"{column.key}_high": value.high}
        yield out


def to_markdown(tables: Sequence[Table]) -> str:
    """Tables as Markdown, one below the other, each with its caption and its notes."""
    return "\n".join(_markdown(table) for table in tables)


def _markdown(table: Table) -> str:
    heads = [_plain(_titled(column)) for column in table.columns]
    rules = ["---:" if column.numeric else ":---" for column in table.columns]
    rows = [[_plain(_said(value)) for value in row.values] for row in table.rows]
    lines = [f"| {' | '.join(cells)} |" for cells in (heads, rules, *rows)]
    notes = ["", _plain(" ".join(table.notes))] if table.notes else []
    return "\n".join([f"**{_plain(table.caption)}**", "", *lines, *notes, ""])


def _titled(column: Column) -> str:
    return f"{column.group}: {column.title}" if column.group else column.title


def _said(value: Value) -> str:
    """A field on one line: its text, its mark, its tag, its interval."""
    parts = (value.text, _MARKS.get(value.mark, ""), value.tag and f"({value.tag})")
    under = value.under and f"({value.under})"
    return " ".join(part for part in (*parts, under) if part) if value.text else DASH


def _plain(text: str) -> str:
    """Text that Markdown shows as it stands, on one line."""
    return _MARKDOWN.sub(r"\\\1", _line(text))


def _line(text: str) -> str:
    """Line breaks and control characters as blanks; blanks that do not break stay."""
    return "".join(one if one.isprintable() or one == "\u00a0" else " " for one in text)


def to_latex(tables: Sequence[Table]) -> str:
    """Tables as LaTeX, for the packages booktabs and amssymb, which hold rules and marks."""
    head = "% \\usepackage{booktabs,amssymb}\n"
    several = len(tables) > 1
    labels = [f"{table.name}-{n}" if several else table.name for n, table in enumerate(tables, 1)]
    return head + "\n".join(map(_latex, tables, labels))


def _latex(table: Table, label: str) -> str:
    columns = "".join("r" if column.numeric else "l" for column in table.columns)
    safe = re.sub(r"[^A-Za-z0-9-]", "-", label)
    lines = [
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{_escaped(table.caption)}}}",
        rf"\label{{tab:{safe}}}",
        rf"\begin{{tabular}}{{{columns}}}",
        r"\toprule",
        *_latex_heads(table),
        r"\midrule",
        *_latex_rows(table.rows),
        r"\bottomrule",
        r"\end{tabular}",
        *(rf"\par\smallskip{{\footnotesize {_escaped(note)}}}" for note in table.notes),
        r"\end{table}",
    ]
    return "\n".join([*lines, ""])


def _latex_heads(table: Table) -> Iterator[str]:
    """The headings, shared ones above their own with a rule each."""
    if any(group for group, _ in table.heads):
        ends = list(accumulate(len(columns) for _, columns in table.heads))
        groups = [(one[0], len(one[1]), end) for one, end in zip(table.heads, ends, strict=True)]
        yield _latex_line(
            rf"\multicolumn{{{width}}}{{c}}{{{_escaped(group)}}}" if group else "&" * (width - 1)
            for group, width, _ in groups
        )
        rules = [(end - width + 1, end) for group, width, end in groups if group]
        yield " ".join(rf"\cmidrule(lr){{{first}-{last}}}" for first, last in rules)
    yield _latex_line(_escaped(column.title) for column in table.columns)


def _latex_rows(rows: Sequence[Row]) -> Iterator[str]:
    for row in rows:
        if row.kind == "total":
            yield r"\midrule"
        yield _latex_line(map(_latex_field, row.values))


def _latex_field(value: Value) -> str:
    main = _escaped(_said(Value(value.text, mark=value.mark, tag=value.tag)))
    return f"{main} {{\\scriptsize({_escaped(value.under)})}}" if value.under else main


def _latex_line(cells: Iterable[str]) -> str:
    return f"{' & '.join(cells)} \\\\"


def _escaped(text: str) -> str:
    """Text that LaTeX sets as it stands, on one line."""
    return "".join(_LATEX.get(letter, letter) for letter in _line(text))

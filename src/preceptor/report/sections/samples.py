"""Made examples beside what they came from, and what was rejected: a seeded sample."""

from __future__ import annotations

import difflib
import json
import random
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from preceptor.report.frame.blocks import Field, Pair, Rejection, Segment
from preceptor.report.read.results import Results
from preceptor.report.sections.accounts import asked, reason_title
from preceptor.store.tables import read_rows

LONGEST = 700
"""characters of one field that are shown; all of it stands in the Parquet file"""
WHOLE = sys.maxsize
_UNCHANGED = 200  # enough to know what it was
_CHANGED = "rewrite"
_LEADS = {_CHANGED: "Original", "annotate": "Text of the pool,"}


@dataclass
class Texts:
    """What the run folder holds of examples, and what of it could not be read.

    Attributes:
        human: the human examples by id, as table rows.
        made: (seed, row) of every made row, kept and rejected, by arm.
        problems: what is missing or damaged, in words.
    """

    human: dict[str, dict[str, Any]] = field(default_factory=dict)
    made: dict[str, list[tuple[int, dict[str, Any]]]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def read_texts(run: Path, results: Results) -> Texts:
    """Read the examples of a run; what cannot be read is told in ``problems``."""
    texts = Texts()
    for row in read_table(run, "data/examples.parquet", texts.problems):
        texts.human[row["id"]] = row
    for name, arm in asked(results).items():
        texts.made[name] = [
            (seed.seed, row)
            for seed in arm.seeds
            for row in read_table(run, f"{_folder(name, seed.seed, seed.path)}", texts.problems)
        ]
    return texts


def _folder(arm: str, seed: int, path: str | None) -> str:
    return f"{path or f'arms/{arm}/seed-{seed}'}/made.parquet"


def read_table(run: Path, name: str, problems: list[str]) -> list[dict[str, Any]]:
    """The rows of a Parquet file of a run; none, and a problem, where it cannot be read."""
    import pyarrow as pa

    if not (run / name).is_file():
        problems.append(f"{name} is not in the run folder.")
        return []
    try:
        return read_rows(run / name)
    except (OSError, pa.ArrowException) as error:
        problems.append(f"{name} cannot be read: {error}")
        return []


def pairs(texts: Texts, arm: str, size: int = 5, seed: int = 0, skip: int = 0) -> list[Pair]:
    """A sample of an arm's kept rows, drawn by ``seed`` over all seeds of the study.

    Args:
        texts: the run's examples.
        arm: whose rows.
        size: how many.
        seed: of the draw.
        skip: so many of the draw are left out, for a sample that goes on where another ended.
    """
    kept = [(k, row) for k, row in texts.made.get(arm, []) if row.get("verdict") == "kept"]
    order = list(range(len(kept)))
    random.Random(f"{seed}/{arm}").shuffle(order)
    drawn = sorted(order[skip : skip + size])
    return [replace(pair_of(texts, *kept[index]), arm=arm) for index in drawn]


def rejections(
    texts: Texts, arm: str, per_reason: int = 5, seed: int = 0
) -> dict[str, list[Rejection]]:
    """A sample of an arm's rejected answers, by reason, the commonest reason first."""
    found: dict[str, list[tuple[int, dict[str, Any]]]] = {}
    for k, row in texts.made.get(arm, []):
        if row.get("verdict") != "kept":
            found.setdefault(str(row.get("reason") or "no reason"), []).append((k, row))
    chance = random.Random(f"{seed}/{arm}/rejected")
    return {
        reason: [
            _rejection(texts, arm, reason, k, row)
            for k, row in chance.sample(rows, min(per_reason, len(rows)))
        ]
        for reason, rows in sorted(found.items(), key=lambda item: (-len(item[1]), item[0]))
    }


def pair_of(texts: Texts, seed: int, row: Mapping[str, Any], longest: int = LONGEST) -> Pair:
    """A made row beside the human example that it came from.

    Args:
        texts: the human examples.
        seed: the draw seed that the row was made under.
        row: a row of ``made.parquet``.
        longest: characters of a field that are shown.
    """
    parents = [str(parent) for parent in row.get("parents") or []]
    source = closest(texts, parents, row.get("target"))
    before, after = fields_of(source), fields_of(row)
    # What the human example has besides its inputs (an annotator's guess, say) is shown only
    # where the teacher wrote its own.
    seen = {*json.loads(source.get("inputs") or "{}"), *after}
    operation = str(row.get("operation") or "made")
    marked = operation == _CHANGED
    return Pair(
        id=str(row.get("id", "")),
        operation=operation,
        before_title=_title(operation, parents, source),
        before_label=str(source.get("target") or ""),
        after_label=str(row.get("target") or ""),
        fields=tuple(
            _field(name, before.get(name, ""), after.get(name, ""), marked, longest)
            for name in dict.fromkeys([*before, *after])
            if name in seen
        ),
        seed=seed,
    )


def closest(texts: Texts, parents: list[str], label: object) -> dict[str, Any]:
    """The parent to show: the first of the made row's own label, else the first known one."""
    known = [texts.human[parent] for parent in parents if parent in texts.human]
    same = [row for row in known if row.get("target") == label]
    return next(iter(same or known), {})


def _title(operation: str, parents: list[str], source: Mapping[str, Any]) -> str:
    if not parents:
        return "Made without an example"
    lead = _LEADS.get(operation, "Made after")
    if not source:
        return f"{lead} {parents[0]} (not found among the examples)"
    more = f" and {len(parents) - 1} more" if len(parents) > 1 else ""
    return f"{lead} {source['id']}{more}"


def fields_of(row: Mapping[str, Any]) -> dict[str, str]:
    """What a row says, inputs first; empty fields are left out."""
    parts = {**json.loads(row.get("inputs") or "{}"), **json.loads(row.get("extra") or "{}")}
    return {name: str(text) for name, text in parts.items() if str(text).strip()}


def _field(name: str, before: str, after: str, marked: bool, longest: int) -> Field:
    title = name.replace("_", " ")
    if before == after:
        return Field(title, (Segment(clip(before, _UNCHANGED)),), (), same=True)
    if not (marked and before and after):
        return Field(title, _whole(before, longest), _whole(after, longest))
    return Field(title, *diff(clip(before, longest), clip(after, longest)))


def _whole(text: str, longest: int) -> tuple[Segment, ...]:
    return (Segment(clip(text, longest)),) if text else ()


def clip(text: str, limit: int = LONGEST) -> str:
    """The beginning of a long text, with what is left out counted; a tenth more is let pass."""
    if len(text) <= limit * 1.1:
        return text
    blank = text.rfind(" ", limit - 30, limit)
    head = text[: blank if blank > 0 else limit].rstrip()
    return f"{head} … ({len(text) - len(head):,} more characters)"


def diff(before: str, after: str) -> tuple[tuple[Segment, ...], tuple[Segment, ...]]:
    """Two texts compared word by word: what went is ``del`` in the first, what came ``ins``."""
    old, new = _tokens(before), _tokens(after)
    matcher = difflib.SequenceMatcher(
        None, [t.strip() for t in old], [t.strip() for t in new], autojunk=False
    )
    first: list[Segment] = []
    second: list[Segment] = []
    for kind, i1, i2, j1, j2 in matcher.get_opcodes():
        equal = kind == "equal"
        _append(first, "".join(old[i1:i2]), "" if equal else "del")
        _append(second, "".join(new[j1:j2]), "" if equal else "ins")
    return tuple(first), tuple(second)


def _tokens(text: str) -> list[str]:
    """Words and marks, each with the blanks behind it."""
    return re.findall(r"(?:\w+(?:['’-]\w+)*|[^\w\s]|^)\s*", text)


def _append(segments: list[Segment], text: str, change: str) -> None:
    """Add a stretch; blanks at its end stay outside the mark."""
    if change and text != text.rstrip():
        _append(segments, text.rstrip(), change)
        text, change = text[len(text.rstrip()) :], ""
    if text and segments and segments[-1].change == change:
        text = segments.pop().text + text
    if text:
        segments.append(Segment(text, change))


def _rejection(texts: Texts, arm: str, reason: str, seed: int, row: Mapping[str, Any]) -> Rejection:
    # What labels by probability writes nothing: its label is its answer.
    labelled = f"label: {row.get('target')}" if row.get("operation") == "annotate" else ""
    raw = str(row.get("raw") or (labelled if row.get("target") else ""))
    pair = replace(pair_of(texts, seed, row), arm=arm)
    read = bool(fields_of(row))
    return Rejection(
        reason=reason_title(reason),
        detail=clip(str(row.get("detail") or ""), 300),
        raw="" if read and _told_by(fields_of(row), raw) else clip(raw),
        origin=_asked_about(texts, row),
        seed=seed,
        arm=arm,
        label=str(row.get("target") or ""),
        pair=pair if read else None,
    )


def _told_by(fields: Mapping[str, str], raw: str) -> bool:
    """Whether the row that was read of an answer leaves little of it out."""
    rest = raw
    for text in sorted(fields.values(), key=len, reverse=True):
        rest = rest.replace(text.strip(), "")
    return len(rest) <= 40


def _asked_about(texts: Texts, row: Mapping[str, Any]) -> str:
    parents: Iterable[Any] = row.get("parents") or []
    origin = next((str(parent) for parent in parents), "")
    shown = "\n".join(fields_of(texts.human.get(origin, {})).values())
    return f"{origin}: {clip(shown, 300)}" if shown else origin

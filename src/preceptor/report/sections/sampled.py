"""The section of made examples beside what they came from, with what it can be searched by."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from preceptor.report.frame.blocks import (
    Block,
    Bullets,
    Finder,
    Fold,
    Heading,
    Pair,
    Prose,
    Rejection,
    walk,
)
from preceptor.report.read.numbers import plural
from preceptor.report.read.results import Results
from preceptor.report.sections import annotated, samples
from preceptor.report.sections.accounts import asked

WITHHELD = "The texts of this data are not shown (publish_texts: false in the study)."
OPEN, MORE = 5, 15
"""kept rows of an arm that are shown at once, and behind a fold"""
_SAMPLED = (
    "A sample of what every arm's teacher wrote, drawn with a fixed seed over all seeds of the "
    "study: kept rows, and up to five answers for each reason of rejection. All rows are in "
    "made.parquet of each arm; preceptor inspect shows them. In rewritten rows the words that "
    "differ are marked. An arm that mixes others has their rows."
)
_ANNOTATED = (
    "An annotated text stands under the label that it has in the data, where it has one, and under "
    "the one that it was given."
)


def blocks(run: Path, results: Results) -> Iterator[Block]:
    """What the section holds; nothing where no teacher wrote a row."""
    if not asked(results):
        return
    if not results.report.publish_texts:
        yield Prose((WITHHELD,))
        return
    texts = samples.read_texts(run, results)
    yield Prose((_SAMPLED, *([_ANNOTATED] if annotated.annotated(results) else [])))
    if texts.problems:
        yield Bullets(tuple(texts.problems))
    drawn = [block for arm in asked(results) for block in _of_arm(texts, arm)]
    yield from _finder(drawn)
    yield from drawn


def _of_arm(texts: samples.Texts, arm: str) -> Iterator[Block]:
    drawn, rejected = samples.pairs(texts, arm, OPEN), samples.rejections(texts, arm)
    if not drawn and not rejected:
        return
    yield Heading(arm)
    if not drawn:
        yield Prose(("Nothing that the teacher wrote for this arm was kept.",))
    yield from drawn
    if more := samples.pairs(texts, arm, MORE, skip=OPEN):
        yield Fold(f"{plural(len(more), 'more row')} kept for {arm}", tuple(more))
    if rejected:
        shown = tuple(item for items in rejected.values() for item in items)
        yield Fold(f"Rejected for {arm}: up to five answers for each reason", shown)


def _finder(drawn: list[Block]) -> Iterator[Finder]:
    """The search, where there is anything to be searched."""
    found = [block for block in walk(drawn) if isinstance(block, Pair | Rejection)]
    rejected = [one for one in found if isinstance(one, Rejection)]
    labels = [one.after_label if isinstance(one, Pair) else one.label for one in found]
    if found:
        yield Finder(
            arms=tuple(dict.fromkeys(one.arm for one in found)),
            labels=tuple(sorted({label for label in labels if label})),
            reasons=tuple(sorted({one.reason for one in rejected})),
        )

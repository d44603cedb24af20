"""How varied made texts are beside human ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import fmean

from preceptor.report.frame.blocks import Column, Row, Table, Value, missing, words
from preceptor.report.read.arms import Diversity, Varied
from preceptor.report.read.results import Results
from preceptor.report.sections.accounts import asked, number

_FIGURES: dict[str, tuple[str, str]] = {
    "distinct_1": ("1 word", "Distinct runs of"),
    "distinct_2": ("2 words", "Distinct runs of"),
    "distinct_3": ("3 words", "Distinct runs of"),
    "self_bleu": ("Self-BLEU", ""),
    "spread": ("Spread", ""),
}
_AID = (
    "Distinct (distinct-n): different runs of 1, 2 or 3 words over all runs; more is more varied.",
    "Self-BLEU: how much of a text stands in the others, from 0 to 1; less is more varied.",
    "Spread: the mean cosine distance of two texts' MiniLM embeddings; more is wider in meaning.",
    "Made texts well below the human ones repeat themselves; a spread well above theirs may mean "
    "that they left the domain.",
    "All figures hang on how many texts there are: compare the two rows of an arm, not two arms.",
)


def diversity_table(results: Results) -> Table | None:
    """Made beside human texts for every arm that a teacher wrote; None if none was measured."""
    measured = {
        name: found
        for name, arm in asked(results).items()
        if (found := [s.diversity for s in arm.seeds if s.diversity and s.diversity.texts > 1])
    }
    if not measured:
        return None
    notes = dict.fromkeys(one.note for found in measured.values() for one in found if one.note)
    return Table(
        name="diversity",
        caption="How varied kept made texts are beside as many human ones, means over seeds; "
        "only fields that the teacher wrote.",
        columns=(
            Column("arm", "Arm", numeric=False),
            Column("by", "Written by", numeric=False),
            Column("texts", "Texts"),
            *(Column(name, title, group=group) for name, (title, group) in _FIGURES.items()),
        ),
        rows=tuple(row for name, found in measured.items() for row in _rows(name, found)),
        notes=(*_AID, *(f"{note[:1].upper()}{note[1:]}." for note in notes)),
    )


def _rows(arm: str, found: Sequence[Diversity]) -> list[Row]:
    sides: dict[str, Callable[[Diversity], Varied]] = {
        "people": lambda one: one.human,
        "the teacher": lambda one: one.made,
    }
    texts = fmean(one.texts for one in found)
    return [
        Row(
            (
                words(arm),
                words(by),
                number(texts),
                *(_mean([getattr(side(one), name) for one in found]) for name in _FIGURES),
            )
        )
        for by, side in sides.items()
    ]


def _mean(values: Sequence[float | None]) -> Value:
    known = [value for value in values if value is not None]
    return Value(f"{fmean(known):.3f}", fmean(known)) if known else missing("not measured")

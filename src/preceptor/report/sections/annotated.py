"""Texts of the pool that a teacher labelled or answered, and how often its labels are true."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from statistics import fmean

from preceptor.report.frame.blocks import (
    Block,
    Column,
    Fold,
    Heading,
    Prose,
    Row,
    Table,
    Value,
    missing,
    words,
)
from preceptor.report.read.arms import Arm
from preceptor.report.read.measures import is_text
from preceptor.report.read.numbers import count, listed, plural
from preceptor.report.read.results import Results
from preceptor.report.read.sources import source_of
from preceptor.report.sections.accounts import number
from preceptor.report.sections.confusion import MANY_LABELS, counts_table, label_scores
from preceptor.report.sections.teaching import percent, ranged

_HIDDEN = (
    "The true labels of the pool were hidden from everything that makes or chooses anything here; "
    "they are looked at after the fact."
)
_UNKNOWN = "no true label of its rows is known"


def annotated(results: Results) -> dict[str, Arm]:
    """The arms that annotate texts of the pool."""
    return {
        name: arm for name, arm in results.arms.items() if any(seed.annotated for seed in arm.seeds)
    }


def blocks(results: Results) -> Iterator[Block]:
    """What annotation gave: sizes, labels, and confusions behind folds."""
    arms = annotated(results)
    if not arms:
        return
    yield Heading(f"Texts that a teacher {'answered' if is_text(results) else 'labelled'}")
    if any(seed.known for arm in arms.values() for seed in arm.seeds):
        yield Prose((_hidden(results),))
    yield _sizes(arms)
    yield from _by_label(results, arms)
    for name, arm in arms.items():
        if counts := confusions(arm, results.task.labels):
            seeds = plural(sum(1 for seed in arm.seeds if seed.confusion), "seed")
            shown = counts_table(
                results.task.labels,
                counts,
                f"{name}, kept rows: ",
                seeds,
                (("arm", name),),
                said="given",
                prefix="annotated-",
            )
            yield Fold(f"{name}: which labels were given for which", (shown,))


def _hidden(results: Results) -> str:
    gold = [name for name in results.arms if source_of(results, name) == "gold"]
    if not gold:
        return _HIDDEN
    told = f"the arm {gold[0]} is" if len(gold) == 1 else f"the arms {listed(gold)} are"
    return f"{_HIDDEN} Only {told} trained on them."


def _sizes(arms: dict[str, Arm]) -> Table:
    known = any(seed.known for arm in arms.values() for seed in arm.seeds)
    table = Table(
        name="annotated",
        caption="Annotated texts by arm, means over seeds.",
        columns=(
            Column("arm", "Arm", numeric=False),
            Column("seeds", "Seeds"),
            Column("pool", "Texts in the pool"),
            Column("annotated", "Annotated"),
            Column("kept", "Kept"),
            Column("known", "True label known", group="Of the kept rows"),
            Column("label_accuracy", "Labelled right, %", group="Of the kept rows"),
        ),
        rows=tuple(_row(name, arm) for name, arm in arms.items()),
        notes=("Below the share labelled right, the lowest and the highest seed.",)
        if known
        else (),
    )
    return table if known else table.without("known", "label_accuracy")


def _row(name: str, arm: Arm) -> Row:
    seeds = [seed for seed in arm.seeds if seed.annotated]
    return Row(
        (
            words(name),
            number(len(seeds)),
            *(
                number(fmean(getattr(seed, key) for seed in seeds), _rounded)
                for key in ("pool", "annotated", "kept", "known")
            ),
            ranged([seed.label_accuracy for seed in seeds], percent, _UNKNOWN),
        )
    )


def _rounded(value: float) -> str:
    return count(round(value, 1))


def confusions(arm: Arm, labels: list[str]) -> list[list[int]]:
    """Kept rows by true and given label, summed over seeds; [] where no true label is known.

    Returns:
        One row per true label; columns: the labels, then a last one of zeros.
    """
    pairs = Counter[tuple[str, str]]()
    for seed in arm.seeds:
        for true, given, times in seed.confusion:
            pairs[true, given] += times
    if not pairs:
        return []
    return [[*(pairs[true, given] for given in labels), 0] for true in labels]


def _by_label(results: Results, arms: dict[str, Arm]) -> Iterator[Block]:
    """How many rows of every label were kept, and how many of them are right."""
    labels = results.task.labels
    given = {name: arm for name, arm in arms.items() if any(seed.labels for seed in arm.seeds)}
    if is_text(results) or not given:
        return
    counts = {name: confusions(arm, labels) for name, arm in given.items()}
    columns = [
        column
        for name in given
        for column in (
            Column(f"kept {name}", "Kept", group=name),
            Column(f"right {name}", "Right, %", group=name),
        )
    ]
    table = Table(
        name="annotated-labels",
        caption="Kept annotated rows by the label that they were given, means over seeds; right: "
        "the share of them whose true label it is, counts summed over seeds.",
        columns=(Column("label", "Label", numeric=False), *columns),
        rows=tuple(_label_row(i, labels[i], given, counts) for i in range(len(labels))),
    )
    yield Fold("Annotated rows by label", (table,)) if len(labels) > MANY_LABELS else table


def _label_row(
    index: int, label: str, arms: dict[str, Arm], counts: dict[str, list[list[int]]]
) -> Row:
    fields: list[Value] = []
    for name, arm in arms.items():
        kept = fmean(seed.labels.get(label, 0) for seed in arm.seeds if seed.annotated)
        right = label_scores(counts[name], index)["precision"] if counts[name] else None
        why = "no row was given this label" if counts[name] else _UNKNOWN
        shown = missing(why) if right is None else Value(percent(right), right)
        fields += [number(kept, lambda mean: count(round(mean))), shown]
    return Row((words(label), *fields))

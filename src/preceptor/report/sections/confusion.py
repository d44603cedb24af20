"""Which labels are hard: scores per label and what is taken for what."""

from __future__ import annotations

from preceptor.report.frame.blocks import (
    Block,
    Column,
    Fold,
    Prose,
    Row,
    Table,
    Value,
    missing,
    words,
)
from preceptor.report.read.groups import Group, arms_of, chosen
from preceptor.report.read.numbers import count, plural
from preceptor.report.read.results import Results
from preceptor.report.words.verdict import group_title

MANY_LABELS = 24
"""beyond so many labels a confusion matrix is no longer read; its largest errors are listed"""
_ABSENT = "neither true nor predicted anywhere"


def pooled(results: Results, group: Group, arm: str) -> list[list[int]]:
    """The confusion counts of an arm's chosen cells, summed over seeds; [] if none fits.

    Returns:
        One row per true label; columns: the labels, then unparsed.
    """
    labels = len(results.task.labels)
    tables = [m.confusion for _, m in chosen(results, group, arm) if _fits(m.confusion, labels)]
    if not tables:
        return []
    return [
        [sum(table[i][j] for table in tables) for j in range(labels + 1)] for i in range(labels)
    ]


def _fits(confusion: list[list[int]], labels: int) -> bool:
    return len(confusion) == labels > 0 and all(len(row) == labels + 1 for row in confusion)


def label_scores(confusion: list[list[int]], index: int) -> dict[str, float | None]:
    """Precision, recall and F1 of one label from pooled counts; None where there is no ratio."""
    hit = confusion[index][index]
    support, predicted = sum(confusion[index]), sum(row[index] for row in confusion)
    both = support + predicted
    return {
        "precision": hit / predicted if predicted else None,
        "recall": hit / support if support else None,
        "f1": 2 * hit / both if both else None,
    }


def labels_table(results: Results, group: Group) -> Table | None:
    """F1 per label and arm, from counts pooled over seeds."""
    by_arm = {arm: pooled(results, group, arm) for arm in arms_of(results, group)}
    by_arm = {arm: counts for arm, counts in by_arm.items() if counts}
    if not by_arm:
        return None
    return Table(
        name="labels",
        caption=f"{group_title(results, group)}: F1 by label, %, counts summed over seeds.",
        columns=(
            Column("label", "Label", numeric=False),
            *(Column(arm, arm) for arm in by_arm),
            Column("support", "Test items"),
        ),
        rows=tuple(_label_row(results, i, by_arm) for i in range(len(results.task.labels))),
        context=(("student", group[0]), ("reading", group[1])),
        notes=("Test items: summed over seeds, the same items once per seed.",),
    )


def _label_row(results: Results, index: int, by_arm: dict[str, list[list[int]]]) -> Row:
    support = max(sum(counts[index]) for counts in by_arm.values())
    scores = [
        _ratio(label_scores(counts, index)["f1"], _ABSENT, heat=True) for counts in by_arm.values()
    ]
    label = words(results.task.labels[index])
    return Row((label, *scores, Value(count(support), support)))


def _ratio(value: float | None, why: str, heat: bool = False) -> Value:
    if value is None:
        return missing(why)
    return Value(f"{100 * value:.1f}", value, heat=value if heat else None)


def confusion_folds(results: Results, group: Group) -> list[Block]:
    """A confusion matrix per arm, that of the best cell's arm unfolded."""
    best = next((cell.arm for cell, _ in chosen(results, group) if cell.id == results.best), None)
    return [
        Fold(f"{arm}: what was taken for what", (_confusion(results, group, arm),), arm == best)
        for arm in arms_of(results, group)
    ]


def _confusion(results: Results, group: Group, arm: str) -> Block:
    counts = pooled(results, group, arm)
    if not counts:
        return Prose(("The results hold no confusion counts that fit the task's labels.",))
    seeds = plural(sum(1 for _ in chosen(results, group, arm)), "seed")
    title = f"{group_title(results, group)}, {arm}"
    context = (("student", group[0]), ("reading", group[1]), ("arm", arm))
    return counts_table(results.task.labels, counts, f"{title}: ", seeds, context)


def counts_table(
    labels: list[str],
    counts: list[list[int]],
    lead: str,
    seeds: str,
    context: tuple[tuple[str, str], ...],
    *,
    said: str = "predicted",
    prefix: str = "",
) -> Table:
    """Confusion counts as a matrix; of many labels the largest errors alone.

    Args:
        labels: those of the task.
        counts: one row per true label; columns: the labels, then unparsed.
        lead: what the counts are of, before the caption's own words.
        seeds: how many seeds they are summed over, in words.
        context: the columns that the CSV has before the others.
        said: what the labels in the columns are ("given").
        prefix: of the CSV file's name.
    """
    if len(counts) > MANY_LABELS:
        return _errors_table(labels, counts, (lead, seeds), context, f"{prefix}errors")
    heads = [*labels, "unparsed"] if any(row[-1] for row in counts) else labels
    return Table(
        name=f"{prefix}confusion",
        caption=f"{lead}true labels in rows, {said} in columns, summed over {seeds}.",
        columns=(
            Column("true", "True label", numeric=False),
            *(Column(f"{said} {label}", label) for label in heads),
            Column("recall", "Recall, %"),
        ),
        rows=(
            *(_confusion_row(labels, counts, i, len(heads)) for i in range(len(labels))),
            _precision_row(counts, len(heads), said),
        ),
        context=context,
        style="matrix",
    )


def _confusion_row(labels: list[str], counts: list[list[int]], index: int, width: int) -> Row:
    support = sum(counts[index])
    fields = [
        Value(
            str(number) if number else "·",
            number,
            mark="diagonal" if index == column else "zero" if not number else "",
            heat=number / support if support else None,
        )
        for column, number in enumerate(counts[index][:width])
    ]
    recall = _ratio(label_scores(counts, index)["recall"], "nothing has this label")
    return Row((words(labels[index]), *fields, recall))


def _precision_row(counts: list[list[int]], width: int, said: str) -> Row:
    found = [label_scores(counts, index)["precision"] for index in range(len(counts))]
    values = [_ratio(value, f"never {said}") for value in found]
    values += [missing("not a label")] * (width - len(counts))
    return Row((words("Precision, %"), *values, missing("see the table above")), kind="total")


def _errors_table(
    labels: list[str],
    counts: list[list[int]],
    told: tuple[str, str],
    context: tuple[tuple[str, str], ...],
    name: str,
) -> Table:
    names = [*labels, "unparsed"]
    errors = [
        (number, label, names[column])
        for index, label in enumerate(labels)
        for column, number in enumerate(counts[index])
        if number and column != index
    ]
    errors.sort(key=lambda error: -error[0])
    columns = (
        Column("true", "True label", numeric=False),
        Column("predicted", "Taken for", numeric=False),
        Column("count", "Times"),
    )
    rows = tuple(Row((words(t), words(p), Value(str(n), n))) for n, t, p in errors[:MANY_LABELS])
    caption = f"{told[0]}largest errors of {len(errors)} kinds, summed over {told[1]}."
    return Table(name, caption, columns, rows, context)

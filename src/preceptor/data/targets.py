"""Whether the targets of some splits are what a task can use."""

from __future__ import annotations

import re
from collections.abc import Sequence

from preceptor.data.example import Example
from preceptor.data.problems import Problems, did_you_mean, listed, short
from preceptor.data.sampling import label_counts, label_of
from preceptor.data.splits import Splits

SEPARATORS = re.compile(r"[;|,/+&]")
"""what stands between labels where a row has more than one"""
_NO_VALIDATION = "There is no validation split: nothing can be chosen on it."


def check_labels(splits: Splits, labels: Sequence[str]) -> list[str]:
    """Hold the targets against the labels of a choice task.

    Returns:
        What the report should say: labels without an example in a split, no validation split.

    Raises:
        DataError: unknown labels, more than one label on a row, a split with just one label,
            an empty train or test split, fewer train rows than labels; all of them at once.
    """
    problems = Problems("the data")
    notes: list[str] = []
    for name, examples in splits.labelled().items():
        _check_targets(splits, examples, labels, problems)
        notes += _check_spread(name, examples, labels, problems)
    problems.raise_if_any()
    return notes


def check_texts(splits: Splits) -> list[str]:
    """Hold the targets against a text task.

    Returns:
        What the report should say: no validation split.

    Raises:
        DataError: examples without an answer, an empty train or test split; all at once.
    """
    problems = Problems("the data")
    for name, examples in splits.labelled().items():
        if not examples and name != "validation":
            problems.add(
                f"the {name} split is empty",
                expected="examples",
                fix="divide the data otherwise (data.split), or check the file",
            )
        for example in examples:
            if not label_of(example).strip():
                problems.add(
                    "an example without an answer",
                    where=f"{splits.place(example)}, {splits.target_name}",
                    expected="text",
                )
    problems.raise_if_any()
    return [] if splits.validation else [_NO_VALIDATION]


def _check_targets(
    splits: Splits, examples: list[Example], labels: Sequence[str], problems: Problems
) -> None:
    bad: dict[str, list[Example]] = {}
    for example in examples:
        if example.target not in labels:
            bad.setdefault(label_of(example), []).append(example)
    for target, rows in bad.items():
        more = f" and {len(rows) - 1} more rows" if len(rows) > 1 else ""
        several = _several(target, labels)
        problems.add(
            "more than one label on a row" if several else "unknown label",
            where=f"{splits.place(rows[0])}{more}, {splits.target_name}",
            found=short(target) if target else "no label",
            expected="one label a row" if several else f"one of: {listed(labels)}",
            fix="split the rows, or choose one label for each"
            if several
            else did_you_mean(target, labels) or "correct it, or add it to task.labels",
        )


def _several(target: str, labels: Sequence[str]) -> bool:
    known = {label.casefold() for label in labels}
    parts = [part.strip().casefold() for part in SEPARATORS.split(target)]
    return len(parts) > 1 and set(parts) <= known


def _check_spread(
    name: str, examples: list[Example], labels: Sequence[str], problems: Problems
) -> list[str]:
    counts = label_counts(examples)
    if not examples and name == "validation":
        return [_NO_VALIDATION]
    if len(counts) < 2:
        problems.add(
            f"the {name} split has just one label" if counts else f"the {name} split is empty",
            found=", ".join(f"{label} ({count} rows)" for label, count in counts.items()) or None,
            expected="examples of at least two labels",
            fix="divide the data otherwise (data.split), or check the file",
        )
        return []
    absent = [label for label in labels if label not in counts]
    if name == "train" and len(examples) < len(labels):
        problems.add(
            "fewer labelled rows than labels",
            where="the train split, as the seed drew it",
            found=f"{len(examples)} rows for {len(labels)} labels: {len(absent)} labels have no"
            f" example ({listed(absent, 3)})",
            expected=f"at least {len(labels)} rows, which could hold one of each",
            fix=f"set data.train.per_label: 1, or a data.train.limit of {len(labels)} or more",
        )
        return []
    return [f"No {name} example has the label {listed(absent)}."] if absent else []

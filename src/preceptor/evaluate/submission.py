"""Scores of answers that somebody else's model gave."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from preceptor.data.example import Example
from preceptor.data.files import read_json, read_text
from preceptor.data.problems import Problems, did_you_mean, listed, short
from preceptor.errors import DataError
from preceptor.evaluate.metrics import score
from preceptor.evaluate.written import hold
from preceptor.tasks.answers import READERS, AnswersSetting

Answered = list[tuple[str, str, str]]
"""place, id, text"""


def score_file(
    path: Path, test: Sequence[Example], labels: Sequence[str], answers: AnswersSetting = "strict"
) -> dict[str, Any]:
    """Score a file of answers on a test split.

    Args:
        path: a JSON object of id to text (.json), objects with id and text (.jsonl), or one
            text a line in the order of the test split (any other ending).
        test: the test split.
        labels: the task's labels.
        answers: how a label is read from a text.

    Returns:
        What :func:`preceptor.evaluate.metrics.score` returns.

    Raises:
        DataError: the file cannot be read, or its ids are not those of the test split.
    """
    texts = _texts(path, [example.id for example in test])
    read = [READERS[answers](texts[example.id], labels) for example in test]
    return score(_targets(test, labels), read, labels)


def score_written(path: Path, references: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """Score a file of written texts against references.

    Args:
        path: the texts, as :func:`score_file` takes them.
        references: the right texts of every item by its id, in the test's order.

    Returns:
        What :attr:`preceptor.evaluate.written.Held.metrics` has.

    Raises:
        DataError: the file cannot be read, its ids are not those of the references, or there is
            nothing to score.
    """
    if not references:
        raise DataError("there is nothing to score", found="no references")
    texts = _texts(path, list(references))
    return hold([texts[name] for name in references], list(references.values())).metrics


def score_field(examples: Sequence[Example], field: str, labels: Sequence[str]) -> dict[str, Any]:
    """Score a field of the data (an annotator's answers) against the targets.

    Args:
        examples: the examples.
        field: an input or extra field; what is not exactly a label, case and white space
            aside, counts as unparsed.
        labels: the task's labels.

    Raises:
        DataError: an example lacks the field.
    """
    by_fold = {label.casefold(): label for label in labels}
    answers = [_field(example, field).strip().casefold() for example in examples]
    return score(_targets(examples, labels), list(map(by_fold.get, answers)), labels)


def _field(example: Example, field: str) -> str:
    there = {**example.inputs, **example.extra}
    if field not in there:
        raise DataError(
            "an example lacks the field",
            where=f"id {example.id}",
            found=f"fields {listed(there)}",
            expected=field,
            fix=did_you_mean(field, there),
        )
    return there[field]


def _targets(examples: Sequence[Example], labels: Sequence[str]) -> list[str]:
    if not examples:
        raise DataError("there is nothing to score", found="no examples")
    targets = [example.target or "" for example in examples]
    unknown = sorted(set(targets) - set(labels))
    if unknown:
        raise DataError(
            "unknown label in the data", found=listed(unknown), expected=f"one of: {listed(labels)}"
        )
    return targets


def _texts(path: Path, ids: Sequence[str]) -> dict[str, str]:
    """The text of every id.

    Raises:
        DataError: ids that are missing, unknown or named twice, and whatever else is wrong.
    """
    if not path.is_file():
        raise DataError("there is no file of answers", where=str(path))
    problems = Problems(path.name)
    if path.suffix == ".json":
        answered = _from_object(path, problems)
    elif path.suffix == ".jsonl":
        answered = list(_from_lines_of_json(path, problems))
    else:
        return _from_lines(path, ids)
    _compare(path, answered, ids, problems)
    problems.raise_if_any()
    return {name: text for _, name, text in answered}


def _from_object(path: Path, problems: Problems) -> Answered:
    value = read_json(path)
    if not isinstance(value, dict):
        raise DataError(
            "a .json file of answers is not an object",
            where=str(path),
            found=short(value),
            expected='{"id": "text", ...}',
        )
    for name, text in value.items():
        if not isinstance(text, str):
            problems.add("an answer is not text", where=f"{path}, id {name}", found=short(text))
    return [(f"{path}, id {name}", name, str(text)) for name, text in value.items()]


def _from_lines_of_json(path: Path, problems: Problems) -> Iterable[tuple[str, str, str]]:
    for number, line in enumerate(read_text(path).split("\n"), 1):
        place = f"{path}:{number}"
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except json.JSONDecodeError as error:
            problems.add(f"a line is not JSON: {error.msg}", where=place, found=short(line))
            continue
        known = isinstance(value, dict) and {"id", "text"} <= set(value)
        if known and isinstance(value["text"], str):
            yield place, str(value["id"]), value["text"]
        else:
            problems.add(
                "a line is not an answer",
                where=place,
                found=short(line),
                expected='{"id": ..., "text": "..."}',
            )


def _from_lines(path: Path, ids: Sequence[str]) -> dict[str, str]:
    lines = read_text(path).removesuffix("\n").split("\n")
    if len(lines) != len(ids):
        raise DataError(
            "a file of answers has another number of lines than the test split has items",
            where=str(path),
            found=f"{len(lines)} lines",
            expected=f"{len(ids)}, one a test item, in its order",
            fix="answers that hold line breaks go into .jsonl, with id and text",
        )
    return dict(zip(ids, lines, strict=True))


def _compare(path: Path, answered: Answered, ids: Sequence[str], problems: Problems) -> None:
    counts = Counter(name for _, name, _ in answered)
    known = set(ids)
    for place, name, _ in answered:
        if counts[name] > 1:
            problems.add("a duplicate id", where=place, found=name, expected="one answer an id")
        elif name not in known:
            problems.add("an id that the test split lacks", where=place, found=name)
    missing = [name for name in ids if name not in counts]
    if missing:
        problems.add(
            f"{len(missing)} test items have no answer",
            where=str(path),
            found=f"{len(known & set(counts))} of {len(ids)} ids",
            expected=f"also {listed(missing, 5)}",
            fix="give every test item an answer, be it an empty text",
        )

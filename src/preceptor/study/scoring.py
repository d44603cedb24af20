"""Scoring anybody's answers on a test split, as the command line asks for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from preceptor.data.readers.pubmedqa import PubmedqaSettings, read
from preceptor.errors import PreceptorError
from preceptor.evaluate.submission import score_field, score_file
from preceptor.study.named import path_of
from preceptor.tasks.answers import AnswersSetting

_LABELS = ("yes", "no", "maybe")


def score_answers(
    file: Path | None,
    data: str,
    protocol: Literal["official", "drllama"],
    answers: AnswersSetting,
    field: str | None,
) -> dict[str, Any]:
    """Score a file of answers, or a field of the data, on PubMedQA's test split.

    Args:
        file: the answers; None where a field is scored.
        data: ``pubmedqa:PATH``, the publisher's ori_pqal.json.
        protocol: which rows are the test split.
        answers: how a label is read from a text.
        field: a field of the data to score in place of a file.

    Returns:
        accuracy, macro_f1, n, unparsed, per_label and confusion.

    Raises:
        PreceptorError: neither or both of file and field, or an unknown reader.
        DataError: the data or the answers cannot be used.
    """
    if (file is None) == (field is None):
        raise PreceptorError(
            "score takes a file of answers or --field, one of the two",
            found="neither" if file is None else "both",
        )
    test = read(_settings(data, protocol), Path()).test
    if field is not None:
        return score_field(test, field, _LABELS)
    return score_file(Path(file or ""), test, _LABELS, answers)


def _settings(data: str, protocol: Literal["official", "drllama"]) -> PubmedqaSettings:
    path = path_of(data, "pubmedqa", "the publisher's ori_pqal.json")
    return PubmedqaSettings(reader="pubmedqa", path=path, protocol=protocol)


def shown(found: dict[str, Any]) -> str:
    """The scores as lines for the terminal."""
    lines = [
        f"accuracy  {found['accuracy']:.3f}",
        f"macro-F1  {found['macro_f1']:.3f}",
        f"answers   {found['n']}, of them unparsed {found['unparsed']}",
    ]
    lines += [
        f"{label:<9} F1 {one['f1']:.3f}  precision {one['precision']:.3f}"
        f"  recall {one['recall']:.3f}  support {one['support']}"
        for label, one in found["per_label"].items()
    ]
    return "\n".join(lines)

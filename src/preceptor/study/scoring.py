"""Scoring anybody's answers on a test split, as the command line asks for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from preceptor.data.problems import Problems
from preceptor.data.readers.pubmedqa import PubmedqaSettings, read
from preceptor.data.rows import Reading, Row, read_rows
from preceptor.data.values import text_of
from preceptor.errors import PreceptorError
from preceptor.evaluate.submission import score_field, score_file, score_written
from preceptor.evaluate.written import ROUGES
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


def score_texts(file: Path | None, references: Path, besides: str | None = None) -> dict[str, Any]:
    """Score a file of written texts: BLEU, chrF, ROUGE, exact match and length ratio.

    Args:
        file: the texts: a JSON object of id to text, JSONL with id and text, or one text a line
            in the references' order.
        references: a table (CSV, TSV, JSONL, Parquet; also gzipped) of ``id`` with ``references``
            (a list of texts, or one), ``target`` (one text) or both; all count.
        besides: what else was named to score, which does not go with references.

    Returns:
        What :attr:`preceptor.evaluate.written.Held.metrics` has.

    Raises:
        PreceptorError: there is no file of texts, or something else was named too.
        DataError: the texts or the references cannot be used.
    """
    if file is None or besides:
        raise PreceptorError(
            "score takes a file of written texts with --references, and neither --data nor --field",
            found=f"also {besides}" if besides else "no file",
        )
    problems = Problems(str(references))
    rows = read_rows(references, Reading(), problems)
    found: dict[str, list[str]] = {}
    for row in rows:
        name = text_of(row.values.get("id")).strip()
        right = _right(row)
        if not name or not right or name in found:
            problems.add(
                "a row is no item with references",
                where=row.place,
                found=f"id {name!r}, {len(right)} references",
                expected="an id of its own, and references or a target",
            )
        found[name] = right
    problems.raise_if_any()
    return score_written(file, found)


def _right(row: Row) -> list[str]:
    """All right texts of a row, each once."""
    several = row.values.get("references")
    values = [row.values.get("target"), *(several if isinstance(several, list) else [several])]
    texts = [text_of(value).strip() for value in values]
    return list(dict.fromkeys(text for text in texts if text))


def _settings(data: str, protocol: Literal["official", "drllama"]) -> PubmedqaSettings:
    path = path_of(data, "pubmedqa", "the publisher's ori_pqal.json")
    return PubmedqaSettings(reader="pubmedqa", path=path, protocol=protocol)


def shown(found: dict[str, Any]) -> str:
    """The scores as lines for the terminal."""
    return _shown_texts(found) if "bleu" in found else _shown_labels(found)


def _shown_texts(found: dict[str, Any]) -> str:
    rouges = [f"ROUGE-{name[5:]}      {100 * found[name]:.2f}" for name in ROUGES]
    lines = [
        f"BLEU         {found['bleu']:.2f}",
        f"chrF         {found['chrf']:.2f}",
        *rouges,
        f"exact match  {100 * found['exact_match']:.2f} %",
        f"length ratio {found['length_ratio']:.2f}",
        f"texts        {found['n']}",
    ]
    return "\n".join([*lines, *(f"{name}: {how}" for name, how in found["signatures"].items())])


def _shown_labels(found: dict[str, Any]) -> str:
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

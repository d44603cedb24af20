"""The token rows of every work, made once and given to all contenders alike.

Read from a folder outside the repository: ``pubmedqa/ori_pqal.json`` and
``pubmedqa/test_ground_truth.json`` (the publisher's files), ``medquad/medquad.csv.gz``.
"""

from __future__ import annotations

import csv
import gzip
import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple


class TokenRow(NamedTuple):
    """A prompt, its answer and one end token.

    Attributes:
        tokens: all of them.
        first: the first supervised one; all from there on are.
    """

    tokens: list[int]
    first: int


Pair = tuple[str, str]


def read(
    source: str, data: Path, tokenizer: Any, count: int, max_length: int, *, shortest: bool
) -> list[TokenRow]:
    """Rows of one source, drawn by a fixed seed.

    Args:
        source: ``pubmedqa`` or ``medquad``.
        data: the folder with both.
        tokenizer: the student's.
        count: how many.
        max_length: MedQuAD's rows are cut to so many tokens (a cut one has no end token);
            longer PubMedQA rows, whose answer stands at the end, are left out.
        shortest: take the shortest rows instead: for a smoke test only.

    Raises:
        ValueError: there are fewer rows.
    """
    pairs = SOURCES[source](data)
    random.Random(0).shuffle(pairs)
    made = (_row(tokenizer, prompt, answer) for prompt, answer in pairs)
    if source == "medquad":
        kept = [TokenRow(row.tokens[:max_length], row.first) for row in made]
        kept = [row for row in kept if row.first < len(row.tokens)]
    else:
        kept = [row for row in made if len(row.tokens) <= max_length]
    if shortest:
        kept.sort(key=lambda row: len(row.tokens))
    if len(kept) < count:
        raise ValueError(f"{source} has {len(kept)} rows of at most {max_length} tokens")
    return kept[:count]


def pubmedqa_prompt(item: dict[str, Any]) -> str:
    """lm-evaluation-harness's prompt of an item."""
    return f"Abstract: {chr(10).join(item['CONTEXTS'])}\nQuestion: {item['QUESTION']}\nAnswer:"


def pubmedqa_items(data: Path, *, test: bool) -> list[dict[str, Any]]:
    """The official test's 500 expert-labelled items, or the 500 others."""
    folder = data / "pubmedqa"
    items = json.loads((folder / "ori_pqal.json").read_text("utf-8"))
    official = json.loads((folder / "test_ground_truth.json").read_text("utf-8"))
    return [item for key, item in items.items() if (key in official) == test]


def _pubmedqa(data: Path) -> list[Pair]:
    items = pubmedqa_items(data, test=False)
    return [(pubmedqa_prompt(item), f" {item['final_decision']}") for item in items]


def _medquad(data: Path) -> list[Pair]:
    path = data / "medquad" / "medquad.csv.gz"
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        rows = [(row["question"].strip(), row["answer"].strip()) for row in csv.DictReader(file)]
    return [(question, f"\n{answer}") for question, answer in rows if question and answer]


SOURCES: dict[str, Callable[[Path], list[Pair]]] = {"pubmedqa": _pubmedqa, "medquad": _medquad}


def _row(tokenizer: Any, prompt: str, answer: str) -> TokenRow:
    # SmolLM2 puts no token in front; prompt and answer are encoded apart, so that training and
    # generation start from the same tokens.
    before = tokenizer(prompt, add_special_tokens=False, verbose=False)["input_ids"]
    after = tokenizer(answer, add_special_tokens=False, verbose=False)["input_ids"]
    return TokenRow([*before, *after, tokenizer.eos_token_id], len(before))


def account(rows: Sequence[TokenRow]) -> dict[str, float]:
    """What the rows are like."""
    lengths = [len(row.tokens) for row in rows]
    return {
        "rows": len(rows),
        "tokens": sum(lengths),
        "longest": max(lengths),
        "supervised": sum(len(row.tokens) - row.first for row in rows),
    }

"""Whether a teacher and a student read and write the same tokens."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from preceptor.errors import PreceptorError
from preceptor.models.files import remembered
from preceptor.models.tokens import encode_text
from preceptor.models.weights import Weights
from preceptor.store.fingerprint import fingerprint

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_FILLER = re.compile(r"\[PAD\d+\]")
"""llama.cpp's name for an entry of a head that no token has"""
_PROBE = "Is it 12 °C?\n Yes, naïve reader."
"""read by both: of one vocabulary, texts can still be cut into other tokens, or begin otherwise"""


def check_vocabulary(student: PreTrainedTokenizerBase, teacher: PreTrainedTokenizerBase) -> int:
    """Refuse a teacher that reads or writes other tokens than its student.

    Args:
        student: the student's tokenizer.
        teacher: the teacher's.

    Returns:
        Tokens that both know, for :attr:`preceptor.tune.distil.Distil.tokens`.

    Raises:
        PreceptorError: they differ, with both sizes, or with what they make of the same text.
    """
    own, other = _tokens(student.get_vocab()), _tokens(teacher.get_vocab())
    if own != other:
        different = sum(own.get(token) != place for token, place in other.items())
        raise _differs(
            f"{len(other)} tokens, {different} of which the student does not have at this place",
            f"the {len(own)} tokens of the student",
        )
    if student.eos_token_id != teacher.eos_token_id:
        raise _differs(
            f"answers that end in {teacher.eos_token}", f"{student.eos_token}, as the student's"
        )
    read = [encode_text(one, _PROBE) for one in (teacher, student)]
    if read[0] != read[1]:
        raise _differs(f"{_PROBE!r} as {read[0]}", f"{read[1]}, as the student reads it")
    return max(own.values()) + 1


def _differs(found: str, expected: str) -> PreceptorError:
    return PreceptorError(
        "the teacher's tokenizer is not the student's, whose tokens it shall teach",
        found=found,
        expected=expected,
        fix="distil from a teacher of the student's family, or teach by annotate or create alone",
    )


def _tokens(vocabulary: Mapping[str, int]) -> dict[str, int]:
    return {token: n for token, n in vocabulary.items() if not _FILLER.fullmatch(token)}


def known_vocabulary(weights: Weights) -> tuple[int, str] | None:
    """How many tokens some weights have and a hash of them, by a look at their files alone.

    Args:
        weights: found, not fetched; from the hub nothing is asked.

    Returns:
        None where the files do not tell: a hub's, and a tokenizer without tokenizer.json.
    """
    if weights.parts:
        return known_vocabulary(weights.parts[0])
    if weights.gguf is not None:
        fact = remembered(weights.gguf, "vocabulary", _of_gguf)
    elif weights.path is not None and (weights.path / "tokenizer.json").is_file():
        fact = remembered(weights.path / "tokenizer.json", "vocabulary", _of_json)
    else:
        return None
    size, _, digest = fact.partition(" ")
    return (int(size), digest) if digest else None


def _fact(vocabulary: Mapping[str, int]) -> str:
    tokens = _tokens(vocabulary)
    return f"{len(tokens)} {fingerprint(sorted(tokens.items()))}"


def _of_gguf(path: Path) -> str:
    from gguf import GGUFReader

    field = GGUFReader(path).get_field("tokenizer.ggml.tokens")
    return "" if field is None else _fact({token: n for n, token in enumerate(field.contents())})


def _of_json(path: Path) -> str:
    value: dict[str, Any] = json.loads(path.read_text("utf-8"))
    listed = value["model"].get("vocab")
    if isinstance(listed, list):  # Unigram: each with its score
        listed = {token: n for n, (token, _) in enumerate(listed)}
    added = {one["content"]: one["id"] for one in value.get("added_tokens", ())}
    return _fact({**listed, **added}) if listed else ""

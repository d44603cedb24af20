"""Which models can be which student, as far as their config tells."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from preceptor.errors import WeightsError

Kind = Literal["decoder", "encoder", "seq2seq"]
"""`decoder`: continues a prompt with an answer. `encoder`: reads a text and chooses a label.
`seq2seq`: an encoder reads a text, a decoder writes an answer."""

_EXAMPLES = {
    "decoder": "a decoder (smollm2)",
    "encoder": "an encoder (minilm)",
    "seq2seq": "an encoder-decoder model (a BART's or T5's folder or hub id; minilm+minilm)",
}
_DECODER_MARKS = ("ForCausalLM", "LMHeadModel")
_ENCODER_MARKS = (
    "ForMaskedLM",
    "ForPreTraining",
    "ForQuestionAnswering",
    "ForSequenceClassification",
    "ForTokenClassification",
)
# Families whose folders often name the bare model ("BertModel"), which has no mark.
_ENCODER_TYPES = {"albert", "bert", "camembert", "deberta", "deberta-v2", "distilbert"}
_ENCODER_TYPES |= {"electra", "ernie", "eurobert", "modernbert", "mpnet", "nomic_bert"}
_ENCODER_TYPES |= {"roberta", "xlm-roberta"}


def kind_of(config: dict[str, Any]) -> str | None:
    """decoder, encoder or seq2seq, by a model's config.json; None where that does not tell.

    Args:
        config: the parsed config.json.
    """
    name = next(iter(config.get("architectures") or []), "")
    if config.get("is_encoder_decoder"):
        return "seq2seq"
    if config.get("model_type") in _ENCODER_TYPES:
        return "decoder" if config.get("is_decoder") else "encoder"
    if name.endswith(_DECODER_MARKS):
        return "decoder"
    return "encoder" if name.endswith(_ENCODER_MARKS) else None


def check_kind(path: Path, kind: Kind) -> None:
    """Refuse weights that are plainly of another kind; reads config.json alone.

    Args:
        path: a GGUF file (always a decoder here) or a model folder.
        kind: what the weights shall be used as.

    Raises:
        WeightsError: they are of another kind, or config.json cannot be read.
    """
    found = "decoder" if path.suffix == ".gguf" else kind_of(read_config(path / "config.json"))
    if found is not None and found != kind:
        raise wrong_kind(str(path), found, kind)


def wrong_kind(where: str, found: str, kind: Kind) -> WeightsError:
    """The error for weights that cannot be ``kind``."""
    use = f"use it as kind: {found}, or " if found in _EXAMPLES else ""
    return WeightsError(
        f"these weights cannot be used as {kind} student",
        where=where,
        found=found,
        expected=kind,
        fix=f"{use}name {_EXAMPLES[kind]}",
    )


def read_config(config: Path) -> dict[str, Any]:
    """A JSON object of a model folder.

    Raises:
        WeightsError: the file cannot be read.
    """
    try:
        value: dict[str, Any] = json.loads(config.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise WeightsError(f"{config.name} cannot be read: {error}", where=str(config)) from error
    if not isinstance(value, dict):
        raise WeightsError(f"{config.name} holds no JSON object", where=str(config))
    return value

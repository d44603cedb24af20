"""Which models can be which student, as far as their config tells."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from preceptor.errors import WeightsError

Kind = Literal["decoder", "encoder"]
"""`decoder`: reads a prompt and writes an answer. `encoder`: reads a text and chooses a label."""

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
    found = "decoder" if path.suffix == ".gguf" else kind_of(_read(path / "config.json"))
    if found is not None and found != kind:
        raise wrong_kind(str(path), found, kind)


def wrong_kind(where: str, found: str, kind: Kind) -> WeightsError:
    """The error for weights that cannot be ``kind``."""
    fix = {
        "decoder": "use it as an encoder student, or name a decoder (smollm2)",
        "encoder": "use it as a decoder student, or name an encoder (minilm)",
    }[kind]
    return WeightsError(
        f"these weights cannot be used as {kind} student",
        where=where,
        found=found,
        expected=kind,
        fix=fix,
    )


def _read(config: Path) -> dict[str, Any]:
    try:
        value: dict[str, Any] = json.loads(config.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise WeightsError(f"config.json cannot be read: {error}", where=str(config)) from error
    return value

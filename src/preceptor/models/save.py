"""A tuned model as a folder that PEFT or transformers loads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from preceptor.errors import WeightsError
from preceptor.models.decoder import load_decoder
from preceptor.models.encoder import load_encoder
from preceptor.models.kinds import Kind
from preceptor.models.quiet import quiet
from preceptor.models.weights import Weights, resolve
from preceptor.store.atomic import new_folder, write_json

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

BASE = "base.json"


def save(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, folder: Path, weights: Weights
) -> None:
    """Write a tuned model, its tokenizer and what it was tuned from.

    An adapter is written without its base: ``PeftModel.from_pretrained`` loads it onto the
    base that ``adapter_config.json`` names (the exported folder of a GGUF). Any other model is
    written whole. ``base.json`` holds the base's reference, hash and note.

    Args:
        model: a student after training, with or without a PEFT adapter.
        tokenizer: its tokenizer.
        folder: where to; appears whole, and replaces what was there.
        weights: what the student was loaded from.
    """
    kind: Kind = "decoder" if model.can_generate() else "encoder"
    base = weights.pinned()
    record = {
        "kind": kind,
        "labels": None if kind == "decoder" else list(model.config.id2label.values()),
        "adapter": _is_adapter(model),
        "ref": base.ref,
        "identity": base.identity(),
        "note": base.note,
    }
    with new_folder(folder) as draft, quiet():
        _write(model, draft, base)
        tokenizer.save_pretrained(draft)
        write_json(draft / BASE, record)


def _is_adapter(model: Any) -> bool:
    return hasattr(model, "peft_config")


def _write(model: Any, draft: Path, weights: Weights) -> None:
    if not _is_adapter(model):
        model.save_pretrained(draft)
        return
    for config in model.peft_config.values():
        config.base_model_name_or_path = weights.hub_id or str(weights.folder)
        config.revision = weights.revision
    # By default PEFT asks the hub whether the vocabulary has grown; it cannot have here.
    model.save_pretrained(draft, save_embedding_layers=False)
    (draft / "README.md").unlink()  # PEFT's card says "More Information Needed" 40 times


def load_saved(folder: Path) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Load what :func:`save` wrote, in eval mode, with its base in fp32.

    Raises:
        WeightsError: the folder is none that ``save`` wrote, or the base is gone or not the
            one that the adapter was trained on.
    """
    record = _record(folder)
    whole = Weights(str(folder), folder)
    if not record["adapter"]:
        return _load(whole, record)
    base = resolve(record["ref"])
    _check_same(folder, record["identity"], base)
    model, _ = _load(base, record)
    return _with_adapter(model, folder), _tokenizer(folder)


def _record(folder: Path) -> dict[str, Any]:
    path = folder / BASE
    if not path.is_file():
        raise WeightsError(
            "no model that this program saved", where=str(folder), expected=f"{BASE} in it"
        )
    record: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return record


def _check_same(folder: Path, identity: dict[str, str], base: Weights) -> None:
    found = base.identity()
    if found != identity:
        raise WeightsError(
            "this adapter was trained on other base weights",
            where=f"{folder}, base {base.ref}",
            found=json.dumps(found),
            expected=json.dumps(identity),
            fix="put back the base that it was trained on",
        )


def _load(
    weights: Weights, record: dict[str, Any]
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    if record["kind"] == "decoder":
        return load_decoder(weights)
    return load_encoder(weights, record["labels"])


def _with_adapter(model: PreTrainedModel, folder: Path) -> PreTrainedModel:
    from peft import PeftModel

    with quiet():
        adapted: PreTrainedModel = PeftModel.from_pretrained(model, folder)
    return adapted.eval()


def _tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(folder)

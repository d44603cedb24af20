"""A tuned model as a folder: an adapter, the trained tensors, or all of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from warnings import catch_warnings, filterwarnings

from preceptor.errors import PreceptorError, WeightsError
from preceptor.models.anatomy import is_tied, student_kind, untie
from preceptor.models.decoder import load_decoder
from preceptor.models.encoder import load_encoder
from preceptor.models.parameters import trained
from preceptor.models.quiet import quiet
from preceptor.models.seq2seq import load_seq2seq
from preceptor.models.weights import Weights, resolve
from preceptor.store.atomic import new_folder, write_json

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

BASE = "base.json"
TRAINED = "trained.safetensors"

Form = Literal["adapter", "trained", "whole"]
"""What a saved folder holds: a PEFT adapter, the trained tensors, or all of the model."""


def save(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, folder: Path, weights: Weights
) -> None:
    """Write a tuned model, its tokenizer and what it was tuned from.

    What was not trained is not written: of an adapter ``PeftModel.from_pretrained`` loads it
    onto the base that ``adapter_config.json`` names (the exported folder of a GGUF); of a model
    with frozen parameters ``trained.safetensors`` holds the others, by their names. A model
    that was trained whole is written whole, and so is a pair of encoders, some of whose weights
    were drawn and are in no file. ``base.json`` holds the form, the base's reference,
    hash and note, and whether the head shares the embedding's weights.

    Args:
        model: a student after training, with or without a PEFT adapter; what is trainable in it
            is what was trained.
        tokenizer: its tokenizer.
        folder: where to; appears whole, and replaces what was there.
        weights: what the student was loaded from.
    """
    kind, base, form = student_kind(model), weights.pinned(), form_of(model, weights)
    record = {
        "kind": kind,
        "labels": list(model.config.id2label.values()) if kind == "encoder" else None,
        "form": form,
        "tied": is_tied(model),
        "ref": base.ref,
        "rounded": base.rounded,
        "identity": base.identity(),
        "note": base.note,
    }
    with new_folder(folder) as draft, quiet():
        _WRITERS[form](model, draft, base)
        tokenizer.save_pretrained(draft)
        write_json(draft / BASE, record)


def form_of(model: PreTrainedModel, weights: Weights) -> Form:
    """What :func:`save` writes of a model that was tuned from these weights."""
    if hasattr(model, "peft_config"):
        return "adapter"
    if weights.parts:
        return "whole"
    frozen = any(not value.requires_grad for value in model.parameters())
    return "trained" if frozen else "whole"


def _write_whole(model: Any, draft: Path, weights: Weights) -> None:
    model.save_pretrained(draft)


def _write_trained(model: Any, draft: Path, weights: Weights) -> None:
    from safetensors.torch import save_file

    save_file(
        {name: value.detach().contiguous() for name, value in trained(model).items()},
        draft / TRAINED,
    )


def _write_adapter(model: Any, draft: Path, weights: Weights) -> None:
    for config in model.peft_config.values():
        config.base_model_name_or_path = weights.hub_id or str(weights.folder)
        config.revision = weights.revision
    # By default PEFT asks the hub whether the vocabulary has grown; it cannot have here.
    model.save_pretrained(draft, save_embedding_layers=False)
    (draft / "README.md").unlink()  # PEFT's card says "More Information Needed" 40 times


_WRITERS: dict[Form, Callable[[Any, Path, Weights], None]] = {
    "adapter": _write_adapter,
    "trained": _write_trained,
    "whole": _write_whole,
}


def load_saved(folder: Path) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Load what :func:`save` wrote, in eval mode, with its base in fp32.

    Raises:
        WeightsError: the folder is none that ``save`` wrote, or the base is gone or not the
            one that the student was tuned from.
    """
    record = record_of(folder)
    if record["form"] == "whole":
        return _load(Weights(str(folder), folder), record)
    base = base_of(folder, record)
    model, _ = _load(base, record)
    if record["form"] == "adapter":
        return _with_adapter(model, folder), _tokenizer(folder)
    if not record["tied"]:
        untie(model)
    _put(model, folder / TRAINED)
    return model, _tokenizer(folder)


def export(folder: Path, out: Path) -> None:
    """Write a saved student as a whole model that ``from_pretrained`` and this program load.

    An adapter that was trained beside 4-bit weights is added to the weights in full precision.

    Args:
        folder: what :func:`save` wrote.
        out: where to; must not exist.

    Raises:
        WeightsError: as for :func:`load_saved`; or the student is a prefix, which is no part of
            any weights and cannot be merged into them.
        PreceptorError: there is something at ``out``.
    """
    if out.exists():
        raise PreceptorError("there is something at this place already", where=str(out))
    record = record_of(folder)
    model, tokenizer = _unrounded(folder, record) if record["rounded"] else load_saved(folder)
    if record["form"] == "adapter":
        model = _merged(model, folder)
    with new_folder(out) as draft, quiet():
        _write_whole(model, draft, resolve(record["ref"]))
        tokenizer.save_pretrained(draft)
        write_json(draft / BASE, {**record, "form": "whole", "rounded": False})


def _unrounded(
    folder: Path, record: dict[str, Any]
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """The student with its base in full precision: 4-bit layers take no sum of an adapter."""
    base = replace(base_of(folder, record), rounded=False)
    return _with_adapter(_load(base, record)[0], folder), _tokenizer(folder)


def _merged(model: Any, folder: Path) -> PreTrainedModel:
    if model.active_peft_config.is_prompt_learning:
        raise WeightsError(
            "a prefix cannot be merged: it is read beside the weights, not added to them",
            where=str(folder),
            fix="use the saved folder as it is, with its base, or tune with another method",
        )
    with quiet():
        merged: PreTrainedModel = model.merge_and_unload(safe_merge=True)
    return merged


def record_of(folder: Path) -> dict[str, Any]:
    """What ``base.json`` of a saved model says.

    Raises:
        WeightsError: the folder is none that :func:`save` wrote.
    """
    path = folder / BASE
    if not path.is_file():
        raise WeightsError(
            "no model that this program saved", where=str(folder), expected=f"{BASE} in it"
        )
    record: dict[str, Any] = json.loads(path.read_text("utf-8"))
    if not {"form", "rounded"} <= record.keys():
        raise WeightsError(
            "this model was saved by an earlier version of this program",
            where=str(path),
            fix="run the study again with --redo",
        )
    return record


def base_of(folder: Path, record: dict[str, Any]) -> Weights:
    """The weights that a saved model was tuned from.

    Raises:
        WeightsError: they are gone, or are no longer the same.
    """
    base = replace(resolve(record["ref"]), rounded=record["rounded"])
    _check_same(folder, record["identity"], base)
    return base


def _check_same(folder: Path, identity: dict[str, str], base: Weights) -> None:
    found = base.identity()
    if found != identity:
        raise WeightsError(
            "this student was tuned from other base weights",
            where=f"{folder}, base {base.ref}",
            found=json.dumps(found),
            expected=json.dumps(identity),
            fix="put back the base that it was tuned from",
        )


def _load(
    weights: Weights, record: dict[str, Any]
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    if record["kind"] == "encoder":
        return load_encoder(weights, record["labels"])
    return load_decoder(weights) if record["kind"] == "decoder" else load_seq2seq(weights)


def _put(model: PreTrainedModel, file: Path) -> None:
    """Copy trained tensors into a base; they alone are trainable afterwards, as they were."""
    import torch
    from safetensors.torch import load_file

    tensors, places = load_file(file), dict(model.named_parameters())
    unknown = [
        name
        for name, value in tensors.items()
        if name not in places or places[name].shape != value.shape
    ]
    if unknown:
        raise WeightsError(
            "the base has no such tensors",
            where=str(file),
            found=", ".join(unknown[:3]),
            fix="load it with the version of transformers that it was trained with",
        )
    model.requires_grad_(False)
    with torch.no_grad():
        for name, value in tensors.items():
            places[name].copy_(value)
            places[name].requires_grad_(True)


def _with_adapter(model: PreTrainedModel, folder: Path) -> PreTrainedModel:
    from peft import PeftModel

    try:
        # BOFT warns that its kernel is missing even where the adapter needs none.
        with quiet(), catch_warnings():
            filterwarnings("ignore", message="(Failed to load the CUDA|Setting boft_n)")
            adapted: PreTrainedModel = PeftModel.from_pretrained(model, folder)
    except RuntimeError as error:  # BOFT without that kernel builds other shapes than it saved
        raise WeightsError(
            f"PEFT cannot load this adapter here: {error}", where=str(folder)
        ) from error
    return adapted.eval()


def _tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(folder)

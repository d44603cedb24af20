"""How many bytes a model's weights take on disk."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from preceptor.models.parameters import trained
from preceptor.models.save import base_of, form_of, record_of
from preceptor.models.weights import Weights

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_WEIGHTS = "*.safetensors"


def stored_bytes(model: PreTrainedModel, weights: Weights) -> int:
    """Bytes of a tuned model's weights as :func:`preceptor.models.save.save` writes them.

    With an adapter or with frozen parts that is what was trained and the files of the base, which
    it needs too (of a GGUF those of its exported folder, which is what is loaded).

    Args:
        model: after training, on disk or not.
        weights: what it was loaded from.
    """
    form = form_of(model, weights)
    if form == "whole":
        return _bytes(model.state_dict())
    own = trained(model) if form == "trained" else _adapter(model)
    return _bytes(own) + file_bytes(weights.folder)


def saved_bytes(folder: Path) -> int:
    """The same of a saved model.

    Args:
        folder: what ``save`` wrote.

    Raises:
        WeightsError: it is none that ``save`` wrote, or its base is gone or another.
    """
    record, own = record_of(folder), file_bytes(folder)
    return own if record["form"] == "whole" else own + file_bytes(base_of(folder, record).folder)


def file_bytes(folder: Path) -> int:
    """Bytes of all safetensors in a folder."""
    return sum(path.stat().st_size for path in folder.glob(_WEIGHTS))


def _adapter(model: Any) -> dict[str, Any]:
    from peft import get_peft_model_state_dict

    tensors: dict[str, Any] = get_peft_model_state_dict(model, save_embedding_layers=False)
    return tensors


def _bytes(tensors: dict[str, Any]) -> int:
    """A matrix that two names share counts once."""
    by_place = {(value.data_ptr(), value.numel()): value for value in tensors.values()}
    return sum(value.numel() * value.element_size() for value in by_place.values())

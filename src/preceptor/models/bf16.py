"""What makes bf16 autocast fast on a CPU, without another result than autocast's own.

Under autocast torch casts a frozen matrix anew at every use, and keeps the copy until the backward
pass; casting it once gives the very same numbers. Attention by matrix products is
:mod:`preceptor.models.attention`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from preceptor.models.attention import by_products

if TYPE_CHECKING:
    from torch import nn

_LAYERS = ("Linear", "Conv1D")
"""layers of which autocast rounds the matrix before it does anything with it"""


@contextmanager
def prepared(model: nn.Module, precision: str) -> Iterator[None]:
    """While the block runs the model is ready for autocast; what runs in it must be under autocast.

    The frozen matrices of linear layers are held in bf16. An embedding, and a head that shares
    its matrix, stay: a looked-up row is not rounded. So do layers that an adapter changes by more
    than a sum (BOFT, DoRA), whose rotation or norm is taken of the matrix itself.

    Args:
        model: with or without a PEFT adapter; back as it was after the block.
        precision: nothing is done unless it is ``bf16``.
    """
    if precision != "bf16":
        yield
        return
    with _rounded(model), by_products(model):
        yield


@contextmanager
def _rounded(model: nn.Module) -> Iterator[None]:
    import torch

    kept = [(one, one.data) for one in _matrices(model)]
    for value, data in kept:
        value.data = data.to(torch.bfloat16)
    try:
        yield
    finally:
        for value, data in kept:
            value.data = data


def _matrices(model: nn.Module) -> list[Any]:
    import torch

    if not _adds_only(model):
        return []
    looked_up = {id(one.weight) for one in model.modules() if isinstance(one, torch.nn.Embedding)}
    layers = [one for one in model.modules() if type(one).__name__ in _LAYERS]
    found = {id(layer.weight): layer.weight for layer in layers}
    return [
        value
        for key, value in found.items()
        if key not in looked_up and not value.requires_grad and value.dtype == torch.float32
    ]


def _adds_only(model: nn.Module) -> bool:
    configs = getattr(model, "peft_config", {}).values()
    return all(
        one.is_prompt_learning or (one.peft_type == "LORA" and not one.use_dora) for one in configs
    )

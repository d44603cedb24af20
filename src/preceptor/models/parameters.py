"""How large a model is and how much of it is trained."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn


def trained(model: nn.Module) -> dict[str, nn.Parameter]:
    """The trainable parameters by name; a tied matrix stands once, an adapter is included."""
    return {name: value for name, value in model.named_parameters() if value.requires_grad}


def count_parameters(model: nn.Module) -> tuple[int, int]:
    """Trainable and all parameters; a tied matrix counts once, an adapter is included."""
    sizes = [(value.requires_grad, _size(value)) for value in model.parameters()]
    return sum(size for moves, size in sizes if moves), sum(size for _, size in sizes)


def _size(value: nn.Parameter) -> int:
    # bitsandbytes packs two of its 4-bit numbers into one
    packed = getattr(value, "quant_state", None)
    return value.numel() if packed is None else int(packed.shape.numel())

"""How large a model is and how much of it is trained."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn


def count_parameters(model: nn.Module) -> tuple[int, int]:
    """Trainable and all parameters; a tied matrix counts once, an adapter is included."""
    sizes = [(value.requires_grad, value.numel()) for value in model.parameters()]
    return sum(size for trained, size in sizes if trained), sum(size for _, size in sizes)

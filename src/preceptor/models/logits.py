"""Logits where they are needed and nowhere else.

A language model's head is its largest matrix product (vocabulary x width), and training on an
answer or scoring a label needs it at a few positions of hundreds. A hook in front of the head
keeps those positions alone; all that a family does behind its head (scaling, soft caps) goes on
as it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from torch import Tensor, nn


def logits_at(model: nn.Module, inputs: dict[str, Tensor], at: Tensor, sparse: bool) -> Tensor:
    """Run a decoder and return its logits at chosen positions.

    Args:
        model: a decoder or an encoder-decoder model, with or without an adapter.
        inputs: ``input_ids`` and ``attention_mask``, [rows, tokens]; of an encoder-decoder model
            ``decoder_input_ids`` beside them, or in place of ``input_ids`` ``encoder_outputs``.
        at: [rows, tokens] (of the decoder), true where logits are wanted.
        sparse: compute no others; only where :func:`can_be_sparse` says so.

    Returns:
        [positions, vocabulary], row by row, fp32.
    """
    if not sparse:
        return _whole(model, inputs)[at].float()
    with selecting(model, at):
        return _whole(model, inputs).float()


@contextmanager
def selecting(model: nn.Module, at: Tensor) -> Iterator[None]:
    """While the block runs the head sees the hidden states at ``at`` alone, [positions, width]."""
    head = model.get_output_embeddings()  # type: ignore[operator]
    handle = head.register_forward_pre_hook(lambda _, args: (args[0][at], *args[1:]))
    try:
        yield
    finally:
        handle.remove()


_TRIED: WeakKeyDictionary[nn.Module, bool] = WeakKeyDictionary()


def can_be_sparse(model: nn.Module) -> bool:
    """Whether logits at chosen positions are this model's own; tried once, on three tokens."""
    if model not in _TRIED:
        _TRIED[model] = _is_sparse(model)
    return _TRIED[model]


def _is_sparse(model: nn.Module) -> bool:
    import torch

    if model.get_output_embeddings() is None:  # type: ignore[operator]
        return False
    device = next(model.parameters()).device
    tokens = torch.arange(3, device=device)[None]
    inputs = {"input_ids": tokens, "attention_mask": torch.ones_like(tokens)}
    if model.config.is_encoder_decoder:  # type: ignore[union-attr]
        inputs["decoder_input_ids"] = tokens
    at = tokens != 1
    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            alone = logits_at(model, inputs, at, sparse=True)
            whole = logits_at(model, inputs, at, sparse=False)
    finally:
        model.train(training)
    return alone.shape == whole.shape and torch.allclose(alone, whole, rtol=1e-3, atol=1e-4)


def _whole(model: nn.Module, inputs: dict[str, Tensor]) -> Tensor:
    logits: Tensor = model(**inputs, use_cache=False).logits
    return logits

"""What a language-model head is given, kept apart from what it makes of it.

The hidden states that enter a head are small (width x 4 bytes a position) where its logits are
large (vocabulary x 4 bytes). Of a model that no longer changes the states can be kept and the
logits be made of them when they are needed; all that a family does behind its head (scaling, soft
caps) is done by the model itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor, nn


class _ReachedError(Exception):
    """Carries hidden states out of a forward pass whose head need not run."""

    def __init__(self, states: Tensor) -> None:
        self.states = states


def entering_head(model: nn.Module, inputs: dict[str, Tensor], at: Tensor) -> Tensor:
    """The hidden states that the head is given at chosen positions; the head does not run.

    Args:
        model: as for :func:`preceptor.models.logits.logits_at`, one that can be sparse.
        inputs: the same.
        at: [rows, tokens], true where states are wanted.

    Returns:
        [positions, width], row by row, without gradient.
    """
    import torch

    def stop(_: Any, args: tuple[Any, ...]) -> None:
        raise _ReachedError(args[0][at])

    handle = _head(model).register_forward_pre_hook(stop)
    try:
        with torch.no_grad():
            model(**inputs, use_cache=False)
    except _ReachedError as reached:
        return reached.states
    finally:
        handle.remove()
    raise RuntimeError("the model ran without its head")


def logits_of(model: nn.Module, states: Tensor) -> Tensor:
    """The logits that the model makes of such states; its blocks run on one token, for nothing.

    Args:
        model: the one that they are from, in the same precision.
        states: [positions, width].

    Returns:
        [positions, vocabulary], fp32, without gradient.
    """
    import torch

    token = torch.zeros((1, 1), dtype=torch.long, device=states.device)
    inputs = {"input_ids": token, "attention_mask": torch.ones_like(token)}
    if model.config.is_encoder_decoder:  # type: ignore[union-attr]
        inputs["decoder_input_ids"] = token
    handle = _head(model).register_forward_pre_hook(lambda _, args: (states, *args[1:]))
    try:
        with torch.no_grad():
            logits: Tensor = model(**inputs, use_cache=False).logits
    finally:
        handle.remove()
    return logits.float()


def vocabulary_size(model: nn.Module) -> int:
    """Logits of a position, with the entries that pad a head in some families."""
    head, config = _head(model), model.config
    return int(config.vocab_size if head is None else head.weight.shape[0])  # type: ignore[union-attr,arg-type]


def head_width(model: nn.Module) -> int:
    """Numbers of a hidden state that enters the head."""
    return int(_head(model).weight.shape[1])


def _head(model: nn.Module) -> Any:
    return model.get_output_embeddings()  # type: ignore[operator]

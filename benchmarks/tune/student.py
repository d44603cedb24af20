"""The student that every contender trains: the same weights, the same parameters trainable."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor, nn

LORA = {"r": 8, "lora_alpha": 16, "lora_dropout": 0.0, "target_modules": "all-linear"}
"""Rank and scale are PEFT's usual ones. No dropout: the losses shall be comparable."""


def load(weights: str, method: str, seed: int) -> tuple[Any, int]:
    """A decoder with the right parameters trainable, and its pad token.

    Preceptor's loader for all, so that where the weights lie in memory is the same for all.

    Args:
        weights: a folder or a name that Preceptor knows.
        method: ``lora`` (all linear layers) or ``last`` (the last block, the final norm
            and an untied head: Preceptor's ``unfreeze`` as it stands by default).
        seed: draws LoRA's first matrices.
    """
    import torch

    from preceptor.models.decoder import load_decoder
    from preceptor.models.weights import resolve

    model, tokenizer = load_decoder(resolve(weights))
    torch.manual_seed(seed)
    prepared = _lora(model) if method == "lora" else _last(model)
    return prepared, tokenizer.pad_token_id


def _lora(model: Any) -> Any:
    from peft import LoraConfig, get_peft_model

    return get_peft_model(model, LoraConfig(task_type="CAUSAL_LM", **LORA))


def _last(model: Any) -> Any:
    from torch import nn

    model.requires_grad_(False)
    model.config.tie_word_embeddings = False
    model.lm_head.weight = nn.Parameter(model.lm_head.weight.detach().clone())
    model.model.layers[-1].requires_grad_(True)
    model.model.norm.requires_grad_(True)
    return model


def trainable(model: nn.Module) -> dict[str, Tensor]:
    """A copy of what is trained, to begin every setting from."""
    return {n: p.detach().clone() for n, p in model.named_parameters() if p.requires_grad}


def restore(model: nn.Module, state: dict[str, Tensor]) -> None:
    """Put the copy back."""
    import torch

    with torch.no_grad():
        for name, value in model.named_parameters():
            if name in state:
                value.copy_(state[name])
                value.grad = None

"""Attention by batched matrix products, for bf16 on a CPU.

torch's own attention for a CPU (2.13) gains nothing from a processor's bf16 instructions: with 350
tokens a forward and a backward pass take 12 ms in either precision, and 5 ms by the matrix
products here (AVX512-BF16, 2 cores). As in FlashAttention (Dao et al. 2022, arXiv:2205.14135),
nothing of [tokens, tokens] is kept for the backward pass: the probabilities are computed again.
Scores are rounded to bf16 before the softmax, as by transformers' eager attention.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor, nn

NAME = "preceptor_bf16"
_LARGEST = 1024 * 1024
"""scores of a head, above which torch's own attention is taken: it works through them in parts"""


@contextmanager
def by_products(model: nn.Module) -> Iterator[None]:
    """While the block runs, on a CPU, attend by matrix products under bf16 autocast.

    Without effect on a model that attends by anything else than torch's own function, or that is
    made of several models.
    """
    config: Any = getattr(model, "config", None)
    on_cpu = next(model.parameters()).device.type == "cpu"
    own = getattr(config, "_attn_implementation", None) == "sdpa" and not config.sub_configs
    if not on_cpu or not own:
        yield
        return
    _register()
    config._attn_implementation = NAME
    try:
        yield
    finally:
        config._attn_implementation = "sdpa"


@cache
def _register() -> None:
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import sdpa_mask

    AttentionInterface.register(NAME, _attend)
    AttentionMaskInterface.register(NAME, sdpa_mask)


def _attend(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    dropout: float = 0.0,
    scaling: float | None = None,
    is_causal: bool | None = None,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """What transformers asks of an attention: [rows, tokens, heads, width of a head]."""
    import torch
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    tokens, seen = query.shape[2], key.shape[2]
    special = dropout or any(kwargs.get(name) is not None for name in _NOT_HERE)
    lowered = torch.is_autocast_enabled("cpu") and torch.get_autocast_dtype("cpu") == torch.bfloat16
    alike = attention_mask is None or attention_mask.shape[1] == 1
    if tokens == 1 and alike and not special:
        return _attend_once(query, key, value, attention_mask, scaling), None
    if not lowered or special or tokens == 1 or tokens * seen > _LARGEST:
        found: tuple[Tensor, None] = sdpa_attention_forward(
            module, query, key, value, attention_mask, dropout, scaling, is_causal, **kwargs
        )
        return found
    query, key, value = (one.to(torch.bfloat16) for one in (query, key, value))
    causal = getattr(module, "is_causal", True) if is_causal is None else is_causal
    bias = _bias(attention_mask, causal, tokens, seen)
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    out = _attention().apply(query, key, value, bias, scale)
    return out.transpose(1, 2).contiguous(), None


def _attend_once(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, scaling: float | None
) -> Tensor:
    """One token's attention by torch's own: the heads that share keys stand as so many tokens.

    With a mask, transformers copies the keys for each of them: half of the time of a step of 64
    rows (2 cores), where this takes a quarter of it.
    """
    from torch.nn.functional import scaled_dot_product_attention

    rows, heads, _, width = query.shape
    grouped = query.reshape(rows, key.shape[1], -1, width)
    out = scaled_dot_product_attention(grouped, key, value, attn_mask=mask, scale=scaling)
    return out.reshape(rows, 1, heads, -1)


_NOT_HERE = ("softcap", "position_bias", "cache", "s_aux")
"""what a family may want of its attention that is left to transformers"""


def _bias(mask: Tensor | None, causal: bool, tokens: int, seen: int) -> Tensor | None:
    """What is added to the scores, bf16, [rows or 1, 1, tokens, seen]."""
    import torch

    if mask is None:
        return _causal(tokens, seen) if causal else None
    lowest = torch.finfo(torch.bfloat16).min
    if mask.dtype == torch.bool:
        zeros = torch.zeros(mask.shape, dtype=torch.bfloat16)
        return zeros.masked_fill_(~mask, lowest)
    # A row without anything to see must not become a row of minus infinities, which give NaN.
    return mask.clamp(min=lowest).to(torch.bfloat16)


@lru_cache(maxsize=4)  # the blocks of a pass ask for the same one
def _causal(tokens: int, seen: int) -> Tensor:
    import torch

    lowest = torch.finfo(torch.bfloat16).min
    return torch.full((1, 1, tokens, seen), lowest, dtype=torch.bfloat16).triu_(1)


@cache
def _attention() -> Any:
    import torch

    class Attention(torch.autograd.Function):
        """softmax(scale Q K' + bias) V, several query heads to one of keys where there are."""

        @staticmethod
        def forward(ctx: Any, *given: Any) -> Tensor:
            query, key, value, bias, scale = given
            rows, heads, tokens, width = query.shape
            shared = rows * key.shape[1]  # heads of keys and values, of all rows
            flat = (query.reshape(shared, -1, width), key.flatten(0, 1), value.flatten(0, 1))
            weights = _weights(flat[0], flat[1], bias, scale, (rows, -1, tokens))
            ctx.save_for_backward(*flat, bias)
            ctx.scale, ctx.shapes = scale, (query.shape, key.shape, value.shape)
            return torch.bmm(weights, flat[2]).view(rows, heads, tokens, -1)

        @staticmethod
        def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
            query, key, value, bias = ctx.saved_tensors
            (rows, _, tokens, _), *_ = ctx.shapes
            weights = _weights(query, key, bias, ctx.scale, (rows, -1, tokens))
            grad = grads[0].reshape(len(query), -1, value.shape[-1])
            to_value = torch.bmm(weights.transpose(1, 2), grad)
            to_weights = torch.bmm(grad, value.transpose(1, 2))
            to_scores = torch._softmax_backward_data(to_weights, weights, -1, weights.dtype)
            to_query = torch.bmm(to_scores, key).mul_(ctx.scale)
            to_key = torch.bmm(to_scores.transpose(1, 2), query).mul_(ctx.scale)
            found = zip((to_query, to_key, to_value), ctx.shapes, strict=True)
            return (*(one.view(shape) for one, shape in found), None, None)

    return Attention


def _weights(
    query: Tensor, key: Tensor, bias: Tensor | None, scale: float, shape: tuple[int, int, int]
) -> Tensor:
    """The attention's probabilities, [heads of keys of all rows, queries that share one, seen]."""
    import torch

    scores = torch.bmm(query, key.transpose(1, 2)).mul_(scale)
    if bias is not None:
        scores.view(*shape, scores.shape[-1]).add_(bias)
    return torch.softmax(scores, -1)

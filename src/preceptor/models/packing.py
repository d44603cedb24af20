"""Who may see whom in one row of tokens: several texts side by side, or answers behind a prompt."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor, nn

SHARED = 0
"""the segment that all others of a row see: a prompt, in front of several answers"""


def additive(segments: Tensor, *, shared: bool) -> Tensor:
    """The attention mask of rows that are made of segments.

    A token sees those before it in its own segment and, with ``shared``, those of segment 0.
    The mask is a float one that is added to the scores: a bool one is taken for numbers under
    eager attention.

    Args:
        segments: [rows, tokens], the number of every token's segment.
        shared: whether segment 0 is seen by all.

    Returns:
        [rows, 1, tokens, tokens], 0 where a token is seen and the least float where not.
    """
    import torch

    order = torch.arange(segments.shape[1], device=segments.device)
    seen = segments[:, :, None] == segments[:, None, :]
    if shared:
        seen |= (segments == SHARED)[:, None, :]
    seen &= order[:, None] >= order[None]
    hidden = torch.full(seen.shape, torch.finfo(torch.float32).min, device=segments.device)
    return hidden.masked_fill(seen, 0.0)[:, None]


def reads_segments(model: nn.Module, longest: int) -> bool:
    """Whether a model heeds such a mask and position ids; tried on a few tokens.

    A window that attention slides over is lost under a mask of one's own, so no segment may be
    longer than it.

    Args:
        model: a decoder, with or without an adapter.
        longest: tokens of the longest segment.
    """
    import torch

    window = getattr(model.config, "sliding_window", None)
    kinds = getattr(model.config, "layer_types", None) or ["sliding_attention"]
    if window is not None and longest > window and "sliding_attention" in kinds:
        return False
    device = next(model.parameters()).device
    tokens = torch.tensor([[5, 6, 7, 8, 9, 8, 7]], device=device)
    segments = torch.tensor([[1, 1, 1, 1, 2, 2, 2]], device=device)
    position = torch.tensor([[0, 1, 2, 3, 0, 1, 2]], device=device)
    mask = additive(segments, shared=False)
    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            packed = model(
                input_ids=tokens, attention_mask=mask, position_ids=position, use_cache=False
            )
            alone = model(
                input_ids=tokens[:, 4:],
                attention_mask=torch.ones_like(tokens[:, 4:]),
                use_cache=False,
            )
    except (TypeError, ValueError, RuntimeError):
        return False
    finally:
        model.train(training)
    return torch.allclose(packed.logits[0, 4:], alone.logits[0], rtol=1e-3, atol=1e-4)

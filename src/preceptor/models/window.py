"""How much a model can see at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import PreTrainedConfig


def context_window(config: PreTrainedConfig) -> int | None:
    """Tokens that a model can see at once; None where its config sets no bound.

    RoBERTa and its kin lose the positions up to their pad token's.
    """
    window: int | None = getattr(config, "max_position_embeddings", None)
    if window is not None and config.model_type in _OFFSET_POSITIONS:
        return window - (config.pad_token_id or 0) - 1
    return window


_OFFSET_POSITIONS = frozenset(["camembert", "mpnet", "roberta", "xlm-roberta"])

"""Full fine-tuning: every parameter moves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from preceptor.models.kinds import Kind
from preceptor.settings import Settings

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

KINDS: tuple[Kind, ...] = ("decoder", "encoder", "seq2seq")


class FullSettings(Settings):
    """Every parameter is trained."""

    name: Literal["full"] = "full"
    learning_rate: float = Field(1e-4, gt=0)
    """peak learning rate; 1e-4 suits the small encoders that this is the default for"""


def attach(
    model: PreTrainedModel,
    settings: FullSettings,
    tokenizer: PreTrainedTokenizerBase | None = None,
) -> PreTrainedModel:
    """Make every parameter trainable."""
    model.requires_grad_(True)
    return model

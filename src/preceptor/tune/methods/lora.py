"""LoRA: low-rank updates of frozen matrices (Hu et al., 2021), through PEFT."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from preceptor.models.kinds import Kind
from preceptor.models.quiet import quiet
from preceptor.settings import Settings
from preceptor.tune.methods.targets import linear_layers, peft_frame, target_modules

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

KINDS: tuple[Kind, ...] = ("decoder", "encoder", "seq2seq")


class LoraSettings(Settings):
    """Low-rank updates of the linear layers; the base stays frozen."""

    name: Literal["lora"] = "lora"
    learning_rate: float = Field(2e-4, gt=0)
    """peak learning rate; 2e-4 is PEFT's and QLoRA's usual value, Dr. LLaMA used 5e-5"""
    rank: int = Field(8, ge=1)
    """rank of the update; Dr. LLaMA: 4"""
    alpha: float = Field(16, gt=0)
    """scale: the update is multiplied by alpha / rank; Dr. LLaMA: 32 to 256"""
    dropout: float = Field(0.05, ge=0, lt=1)
    """dropout on the update's input; Dr. LLaMA's notebook: 0.1"""
    targets: tuple[str, ...] | Literal["all-linear"] = "all-linear"
    """which linear layers are updated, by the end of their name; the second paper: q_proj and
    v_proj"""
    last_blocks: int | None = Field(None, ge=1)
    """update the last so many blocks alone; by default all"""
    dora: bool = False
    """DoRA (Liu et al., 2024): train the length of every weight column beside its direction;
    slower"""
    rslora: bool = False
    """rsLoRA (Kalajdzievski, 2023): divide alpha by the root of the rank, not by the rank, so
    that large ranks learn as fast as small ones"""


def attach(
    model: PreTrainedModel,
    settings: LoraSettings,
    tokenizer: PreTrainedTokenizerBase | None = None,
) -> PeftModel:
    """Freeze the model and add updates to its linear layers; a classifier's head stays trainable.

    The updates start as no change at all (B is zero). A is drawn from torch's random state:
    use :func:`preceptor.models.seeding.seeded`.

    Args:
        model: a decoder or a classifier; changed in place.
        settings: rank, scale, dropout and targets.
        tokenizer: not needed.

    Raises:
        SpecError: a target matches no linear layer of the model, or it has too few blocks.
    """
    from peft import LoraConfig, get_peft_model

    frame: dict[str, Any] = peft_frame(model)
    config = LoraConfig(
        **frame,
        r=settings.rank,
        lora_alpha=settings.alpha,
        lora_dropout=settings.dropout,
        use_dora=settings.dora,
        use_rslora=settings.rslora,
        target_modules=target_modules(model, settings.targets, settings.last_blocks),
        # GPT-2 keeps its matrices transposed; PEFT would find out by itself, with a warning.
        fan_in_fan_out="Conv1D" in linear_layers(model).values(),
    )
    with quiet():
        adapted: PeftModel = get_peft_model(model, config)
    return adapted.train(model.training)  # the new dropout would be on

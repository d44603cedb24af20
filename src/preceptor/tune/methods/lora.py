"""LoRA: low-rank updates of frozen matrices (Hu et al., 2021), through PEFT."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from preceptor.settings import Settings

if TYPE_CHECKING:
    pass


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
    """which linear layers are updated, by the end of their name"""

"""The settings of the fitting loop."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from preceptor.settings import Settings


class Budget(Settings):
    """How long every arm is trained: `steps` compares arms at equal updates (the fair way),
    `epochs` lets a larger arm train longer (the papers' way)."""

    steps: int | None = Field(None, ge=1)
    """number of optimiser updates, the same for every arm"""
    epochs: float | None = Field(None, gt=0)
    """passes over the arm's training set"""

    @model_validator(mode="after")
    def _one(self) -> Budget:
        if (self.steps is None) == (self.epochs is None):
            raise ValueError("give steps or epochs, one of the two")
        return self


class FitSettings(Settings):
    """The optimiser and the batches. AdamW; gradients are averaged over supervised tokens
    (decoders, seq2seq) or rows (classifiers) of a whole update, however it was cut into batches."""

    batch_tokens: int = Field(2048, ge=16)
    """tokens of one batch, padding (and a seq2seq student's targets) included; rows are sorted
    by length within a few batches. A row longer than this is a batch of its own. Dr. LLaMA: 1024"""
    batch_rows: int = Field(16, ge=1)
    """rows of one batch at most"""
    accumulation: int = Field(1, ge=1)
    """batches per update. Dr. LLaMA: 32"""
    layout: Literal["padded", "packed", "fixed"] = "padded"
    """how rows of like length become a batch: `padded` to the longest of them; `packed` one
    behind the other, without sight of each other (decoders); `fixed`: all padded to max_length,
    as in the selective-unfreezing paper"""
    trunk_cache: Literal["auto", "on", "off"] = "auto"
    """where only the last blocks of a decoder are trained, compute the hidden states below them
    once and keep them on disk: `auto` where that is exact, `on` or else refuse, `off` never"""
    trunk_cache_gb: float = Field(20, gt=0)
    """the most that the hidden states of one run may take on disk, in gigabytes"""
    validate_every: int | None = Field(None, ge=1)
    """look at the validation split after every so many updates, and end with the weights of the
    best look; without it the last weights count"""
    patience: int | None = Field(None, ge=1)
    """stop after so many looks without a better one"""
    schedule: Literal["linear", "cosine", "constant"] = "linear"
    """after the warm-up, fall linearly or along a half cosine to 0, or stay. Dr. LLaMA: linear"""
    warmup: float = Field(0.1, ge=0, lt=1)
    """share of the updates in which the learning rate rises linearly from 0"""
    weight_decay: float = Field(0.01, ge=0)
    """AdamW's decoupled weight decay, on matrices alone"""
    max_grad_norm: float = Field(1.0, gt=0)
    """gradients are clipped to this norm"""
    max_length: int = Field(1024, ge=8)
    """tokens of one example at most (of a seq2seq student's source and target each);
    `data.too_long` says what happens beyond"""
    precision: Literal["fp32", "bf16"] = "fp32"
    """bf16: forward and backward under bfloat16 autocast, weights and optimiser in fp32"""

    @model_validator(mode="after")
    def _looks(self) -> FitSettings:
        if self.patience is not None and self.validate_every is None:
            raise ValueError("patience counts looks: set validate_every too")
        return self

"""Prefix tuning: trained keys and values in front of every block's own (Li and Liang, 2021).

Through PEFT. An adapter that PEFT saved holds the finished keys and values: enough to predict
with, not to train on, since the projection that made them is not in it. To resume training, keep
the trainable parameters of the live model (``prompt_encoder.*``) with the optimiser's state.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field, model_validator

from preceptor.errors import SpecError
from preceptor.models.anatomy import student_kind
from preceptor.models.kinds import Kind
from preceptor.models.quiet import quiet
from preceptor.models.tokens import encode_prompt
from preceptor.models.window import context_window
from preceptor.settings import Settings
from preceptor.tune.methods.targets import check_kind

if TYPE_CHECKING:
    from peft import PeftModel
    from torch import Tensor
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

KINDS: tuple[Kind, ...] = ("decoder",)
"""Of encoders PEFT reaches BERT and RoBERTa alone, and neither trains nor saves their pooler; of
an encoder-decoder model it reaches the decoder alone."""


class PrefixSettings(Settings):
    """Trained keys and values that every block reads before its own; the base stays frozen.
    Decoders only."""

    name: Literal["prefix"] = "prefix"
    learning_rate: float = Field(5e-3, gt=0)
    """peak learning rate; 5e-3 is that of the best prefix in PEFT's method comparison
    (MetaMathQA, 50 tokens from a text), Dr. LLaMA used 5e-5"""
    virtual_tokens: int = Field(32, ge=1)
    """length of the prefix; it takes as many tokens of the context window. Dr. LLaMA: 32 to
    256"""
    projection: bool = False
    """make the prefix with a small network that is trained and thrown away afterwards, as Li and
    Liang do; steadier, slower, and not possible from a text"""
    initialise: Literal["random", "text"] = "random"
    """where the prefix starts: from random keys and values, or from those that the untuned model
    computes for `text`, so that it starts as if the text stood before every prompt"""
    text: str | None = None
    """what the prefix starts from, with `initialise: text`: repeated until it is
    `virtual_tokens` long, and cut there"""

    @model_validator(mode="after")
    def _one_start(self) -> PrefixSettings:
        if self.initialise == "text" and not (self.text or "").strip():
            raise ValueError("initialise: text needs a text")
        if self.initialise == "random" and self.text is not None:
            raise ValueError("text is used with initialise: text alone")
        if self.initialise == "text" and self.projection:
            raise ValueError("projection cannot start from a text: set initialise to random")
        return self


def attach(
    model: PreTrainedModel,
    settings: PrefixSettings,
    tokenizer: PreTrainedTokenizerBase | None = None,
) -> PeftModel:
    """Freeze the model and put a trained prefix before every block's keys and values.

    A random prefix is drawn from torch's random state: use
    :func:`preceptor.models.seeding.seeded`. Gradient checkpointing, with which prefixes do not
    work, is switched off.

    Args:
        model: a decoder; its weights stay as they are.
        settings: length, projection, start.
        tokenizer: the student's; needed with ``initialise: text``.

    Raises:
        SpecError: the student is no decoder, the prefix fills its window, or its family does
            not read a prefix.
        TypeError: there is a text and no tokenizer.
    """
    check_kind("prefix", KINDS, student_kind(model))
    _check_window(model, settings.virtual_tokens)
    start = None
    if settings.text is not None:
        if tokenizer is None:
            raise TypeError("a prefix that starts from a text needs the tokenizer")
        start = text_tokens(tokenizer, settings.text, settings.virtual_tokens)
    before = _probe(model)
    try:
        adapted = _build(model, settings, start)
        reached = bool((_probe(adapted) != before).any())
    except (ValueError, TypeError, RuntimeError) as error:
        raise _unfit(model, str(error)) from error
    if not reached:
        raise _unfit(model, "its predictions are the same with and without a prefix")
    return adapted


def text_tokens(tokenizer: PreTrainedTokenizerBase, text: str, count: int) -> list[int]:
    """The first ``count`` tokens of a text that is repeated, line by line, as often as needed."""
    copies, tokens = 1, encode_prompt(tokenizer, text)
    while len(tokens) < count:
        copies *= 2
        tokens = encode_prompt(tokenizer, "\n".join([text] * copies))
    return tokens[:count]


def _build(model: PreTrainedModel, settings: PrefixSettings, start: list[int] | None) -> PeftModel:
    import torch
    from peft import PrefixTuningConfig, get_peft_model
    from peft.tuners.cartridge.utils import initialize_kv_prefix_from_past_key_values

    config = PrefixTuningConfig(
        task_type="CAUSAL_LM",
        num_virtual_tokens=settings.virtual_tokens,
        prefix_projection=settings.projection,
    )
    with quiet(), torch.no_grad():
        model.gradient_checkpointing_disable()
        tokens = None if start is None else torch.tensor([start], device=model.device)
        states = None if tokens is None else model(tokens, use_cache=True).past_key_values
        adapted: PeftModel = get_peft_model(model, config)
        if states is not None:
            initialize_kv_prefix_from_past_key_values(adapted, past_key_values=states)
    return adapted.train(model.training)


def _probe(model: PreTrainedModel | PeftModel) -> Tensor:
    import torch

    training = model.training
    tokens = torch.arange(3, device=model.device)[None]
    model.eval()
    try:
        with torch.no_grad():
            logits: Tensor = model(
                input_ids=tokens, attention_mask=torch.ones_like(tokens), use_cache=False
            ).logits
    finally:
        model.train(training)
    return logits


def _check_window(model: PreTrainedModel, count: int) -> None:
    window = context_window(model.config)
    if window is not None and count >= window:
        raise SpecError(
            "method.virtual_tokens: the prefix fills the model's whole context window",
            found=count,
            expected=f"less than {window}, with room for the prompts",
        )


def _unfit(model: PreTrainedModel, reason: str) -> SpecError:
    return SpecError(
        f"method prefix does not work with {type(model).__name__}: {reason}",
        fix="choose another method, such as lora",
    )

"""LoRA: low-rank updates of frozen matrices (Hu et al., 2021), through PEFT."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from preceptor.errors import SpecError
from preceptor.models.quiet import quiet
from preceptor.settings import Settings

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel


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


def attach(model: PreTrainedModel, settings: LoraSettings) -> PeftModel:
    """Freeze the model and add updates to its linear layers; a classifier's head stays trainable.

    The updates start as no change at all (B is zero). A is drawn from torch's random state:
    use :func:`preceptor.models.seeding.seeded`.

    Args:
        model: a decoder or a classifier; changed in place.
        settings: rank, scale, dropout and targets.

    Raises:
        SpecError: a target matches no linear layer of the model.
    """
    from peft import LoraConfig, get_peft_model

    layers = _linear_layers(model)
    _check_targets(settings.targets, layers)
    named = settings.targets if isinstance(settings.targets, str) else list(settings.targets)
    config = LoraConfig(
        task_type="CAUSAL_LM" if model.can_generate() else "SEQ_CLS",
        modules_to_save=None if model.can_generate() else _head(model),
        r=settings.rank,
        lora_alpha=settings.alpha,
        lora_dropout=settings.dropout,
        target_modules=named,
        # GPT-2 keeps its matrices transposed; PEFT would find out by itself, with a warning.
        fan_in_fan_out="Conv1D" in layers.values(),
    )
    with quiet():
        return get_peft_model(model, config)


def _head(model: PreTrainedModel) -> list[str]:
    """What a classifier has beyond its encoder: trained whole and saved with the adapter.

    A pooler counts with it: encoders trained on masked words come without one, and a pooler
    drawn at random must neither stay untrained nor be drawn anew when the adapter is loaded.
    """
    outside = [item for item in model.named_children() if item[0] != model.base_model_prefix]
    pooler = [item for item in model.base_model.named_children() if item[0] == "pooler"]
    return [name for name, part in outside + pooler if any(True for _ in part.parameters())]


def _linear_layers(model: PreTrainedModel) -> dict[str, str]:
    kinds = {name: type(module).__name__ for name, module in model.named_modules()}
    return {name: kind for name, kind in kinds.items() if kind in ("Linear", "Conv1D")}


def _check_targets(targets: tuple[str, ...] | str, layers: dict[str, str]) -> None:
    if isinstance(targets, str):
        return
    for target in targets:
        # PEFT ignores a target without a match as long as another one has some.
        if not any(name == target or name.endswith(f".{target}") for name in layers):
            raise _no_such_layer(target, layers)


def _no_such_layer(target: str, layers: Iterable[str]) -> SpecError:
    parts = [name.split(".") for name in layers]
    ends = sorted({part[-1] for part in parts})
    longer = sorted({".".join(part[-2:]) for part in parts})
    near = difflib.get_close_matches(target, [*ends, *longer], n=1, cutoff=0.0)
    return SpecError(
        f"method.targets: the model has no linear layer named {target!r}",
        expected=", ".join(ends),
        fix=f"did you mean {near[0]!r}?",
    )

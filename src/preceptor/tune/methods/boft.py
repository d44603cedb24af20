"""BOFT: frozen matrices rotated by trained orthogonal ones (Liu et al., 2024), through PEFT."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal
from warnings import catch_warnings, filterwarnings

from pydantic import Field

from preceptor.errors import SpecError
from preceptor.models.kinds import Kind
from preceptor.models.quiet import quiet
from preceptor.settings import Settings
from preceptor.tune.methods.targets import linear_layers, peft_frame, target_modules

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

KINDS: tuple[Kind, ...] = ("decoder", "encoder", "seq2seq")


class BoftSettings(Settings):
    """Orthogonal rotations of the inputs of linear layers, and a scale for each of their
    outputs; the base stays frozen."""

    name: Literal["boft"] = "boft"
    learning_rate: float = Field(1e-4, gt=0)
    """peak learning rate; 1e-4 is that of BOFT in PEFT's method comparison (MetaMathQA). The
    second paper names none"""
    block_size: int = Field(4, ge=2)
    """width of the rotated groups of inputs; must divide every target's width. 4 is PEFT's
    default"""
    butterfly_factor: int = Field(1, ge=1)
    """how many rotations of regrouped inputs follow each other; 1 is plain OFT, whose groups
    never mix. More need PEFT's CUDA kernel (nvcc, ninja and gcc at run time)"""
    targets: tuple[str, ...] | Literal["all-linear"] = ("q_proj", "v_proj")
    """which linear layers are rotated, by the end of their name; q_proj and v_proj are the
    second paper's"""
    last_blocks: int | None = Field(None, ge=1)
    """rotate in the last so many blocks alone (the second paper: "a subset"); by default in
    all"""
    dropout: float = Field(0.0, ge=0, lt=1)
    """share of a layer's groups that a step leaves unrotated; must come to one group at least"""


def attach(
    model: PreTrainedModel,
    settings: BoftSettings,
    tokenizer: PreTrainedTokenizerBase | None = None,
) -> PeftModel:
    """Freeze the model and add rotations; a classifier's head stays trainable.

    The rotations start as no change at all (R is zero, the scale one).

    Args:
        model: a decoder or a classifier; changed in place.
        settings: block size, butterfly factor, targets.
        tokenizer: not needed.

    Raises:
        SpecError: a target matches no linear layer of the model or one of a kind that PEFT
            cannot rotate, the block size does not divide its width, the dropout would drop
            nothing, or PEFT built another butterfly factor than was asked for.
    """
    from peft import BOFTConfig, get_peft_model

    if "Conv1D" in linear_layers(model).values():
        raise SpecError(
            "method boft cannot rotate this model's layers",
            found=f"{type(model).__name__} with Conv1D layers",
            expected="Linear layers",
            fix="use lora, or another model",
        )
    frame: dict[str, Any] = peft_frame(model)
    config = BOFTConfig(
        **frame,
        boft_block_size=settings.block_size,
        boft_n_butterfly_factor=settings.butterfly_factor,
        boft_dropout=settings.dropout,
        target_modules=target_modules(model, settings.targets, settings.last_blocks),
    )
    try:
        # It warns that the kernel is missing even where the settings need none.
        with quiet(), catch_warnings():
            filterwarnings("ignore", message="(Failed to load the CUDA|Setting boft_n)")
            adapted: PeftModel = get_peft_model(model, config)
    except ValueError as error:
        raise _does_not_divide(error) from error
    _check_built(adapted, settings)
    return adapted.train(model.training)  # the new dropout would be on


def _does_not_divide(error: ValueError) -> SpecError:
    return SpecError(
        f"method boft: {error}",
        fix="choose a method.block_size that divides the width of every target",
    )


def _check_built(adapted: PeftModel, settings: BoftSettings) -> None:
    """Compare what was built with the settings: without its kernel PEFT builds factor 1."""
    from peft.tuners.boft.layer import BOFTLayer

    for name, layer in adapted.named_modules():
        if isinstance(layer, BOFTLayer):
            size, groups = settings.block_size, layer.in_features // settings.block_size
            asked = (settings.butterfly_factor, groups, size, size)
            _check_shape(name, tuple(layer.boft_R["default"].shape), asked)
            _check_dropout(name, settings.dropout, groups)


def _check_shape(layer: str, built: tuple[int, ...], asked: tuple[int, ...]) -> None:
    if built != asked:
        raise SpecError(
            f"method.butterfly_factor: {asked[0]} was asked for and PEFT built {built[0]}",
            where=layer,
            found=f"rotations of shape {built}",
            expected=asked,
            fix="set method.butterfly_factor to 1, or run where PEFT can build its CUDA kernel "
            "(a GPU, nvcc, ninja and gcc)",
        )


def _check_dropout(layer: str, dropout: float, groups: int) -> None:
    # PEFT rounds the number of groups down: a small share of few groups would be none.
    if dropout > 0 and int(dropout * groups) == 0:
        raise SpecError(
            "method.dropout: this share of the groups is less than one group",
            where=layer,
            found=f"{dropout} of {groups} groups",
            expected=f"0, or at least {1 / groups:.3g}",
        )

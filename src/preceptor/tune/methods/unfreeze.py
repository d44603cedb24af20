"""Selective unfreezing: the last blocks and the head move, all below them stays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from preceptor.errors import SpecError
from preceptor.models.anatomy import final_norm, head, is_tied, student_kind, untie
from preceptor.models.kinds import Kind
from preceptor.settings import Settings
from preceptor.tune.methods.targets import check_kind, last_of

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

KINDS: tuple[Kind, ...] = ("decoder", "encoder")


class UnfreezeSettings(Settings):
    """The last blocks, the final norm and the head are trained as they are."""

    name: Literal["unfreeze"] = "unfreeze"
    learning_rate: float = Field(3e-4, gt=0)
    """peak learning rate. The second paper names none; 3e-4 was the best of 3e-5, 1e-4, 3e-4 and
    1e-3 for SmolLM2-135M's last block and head on 96 MedQuAD rows (24 updates of 8; validation
    loss 2.53 before, 2.49, 2.41, 2.31 and 2.33 after)"""
    last_blocks: int = Field(1, ge=1)
    """how many of the last blocks are trained; the second paper: 1"""
    final_norm: bool = True
    """train the norm behind the last block, where a family has one"""
    head: Literal["untied", "tied", "frozen"] = "untied"
    """a decoder's output matrix. `untied`: trained, after it got weights of its own where it
    shared the input embedding's. `tied`: trained with the input embedding that it shares (the
    second paper probably did so); rules out the trunk cache. `frozen`: not trained. A
    classifier's head is always trained: leave `untied`"""


def attach(
    model: PreTrainedModel,
    settings: UnfreezeSettings,
    tokenizer: PreTrainedTokenizerBase | None = None,
) -> PreTrainedModel:
    """Freeze the model but for its last blocks and what runs behind them.

    Args:
        model: a decoder or a classifier; changed in place.
        settings: how many blocks, and what of the rest.
        tokenizer: not needed.

    Raises:
        SpecError: the student is of another kind, has fewer blocks or another kind of head.
    """
    check_kind("unfreeze", KINDS, student_kind(model))
    chosen = last_of(model, settings.last_blocks)
    _check_head(model, settings.head)
    model.requires_grad_(False)
    for name in chosen:
        model.get_submodule(name).requires_grad_(True)
    norm = final_norm(model)
    if settings.final_norm and norm is not None:
        norm.requires_grad_(True)
    if settings.head == "untied":
        untie(model)
    if settings.head != "frozen":
        head(model).requires_grad_(True)
    return model


def _check_head(model: PreTrainedModel, kind: str) -> None:
    if student_kind(model) == "encoder" and kind != "untied":
        raise SpecError(
            f"method.head: a classifier's head cannot be {kind}",
            expected="untied: it is new, shares no weights and is always trained",
        )
    if kind == "tied" and not is_tied(model):
        raise SpecError(
            "method.head: this model's head has weights of its own, so it cannot be trained tied",
            found=f"{type(model).__name__}, tie_word_embeddings: false",
            fix="set method.head to untied",
        )

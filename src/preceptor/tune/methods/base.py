"""No tuning: the student as it comes, to set the tuned ones beside."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from preceptor.models.anatomy import student_kind
from preceptor.models.kinds import Kind
from preceptor.settings import Settings
from preceptor.tune.methods.targets import check_kind

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

KINDS: tuple[Kind, ...] = ("decoder", "seq2seq")
"""A classifier comes without a head of its own."""


class BaseSettings(Settings):
    """Nothing is trained: the base model's own row in a comparison of methods. Decoders and
    seq2seq students only; give such a student `arms: [none]` and `seeds: 1`, since more would
    all be the same"""

    name: Literal["base"] = "base"


def attach(
    model: PreTrainedModel,
    settings: BaseSettings,
    tokenizer: PreTrainedTokenizerBase | None = None,
) -> PreTrainedModel:
    """Freeze the model.

    Raises:
        SpecError: the student is a classifier.
    """
    check_kind("base", KINDS, student_kind(model))
    model.requires_grad_(False)
    return model

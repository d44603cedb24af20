"""Which layers of a model a method changes, checked before anything is changed."""

from __future__ import annotations

import difflib
from collections.abc import Collection
from typing import TYPE_CHECKING, Literal

from preceptor.errors import SpecError
from preceptor.models.anatomy import blocks, head_names, student_kind
from preceptor.models.kinds import Kind

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_LINEAR = ("Linear", "Linear4bit", "Conv1D")
Targets = tuple[str, ...] | Literal["all-linear"]


def check_kind(method: str, kinds: Collection[Kind], kind: Kind) -> None:
    """Refuse a method that does not fit a kind of student; needs no model.

    Args:
        method: its name.
        kinds: the ``KINDS`` of its module.
        kind: the student's.

    Raises:
        SpecError: it does not fit.
    """
    if kind not in kinds:
        raise SpecError(
            f"method {method!r} cannot tune a student of kind {kind!r}",
            expected=f"a student of kind {' or '.join(sorted(kinds))}",
            fix="choose another method: full, lora and boft tune every kind",
        )


def peft_frame(model: PreTrainedModel) -> dict[str, object]:
    """What a LoRA or BOFT config needs to know of a student.

    A classifier's head is trained whole and saved with the adapter. A pooler counts with it:
    encoders trained on masked words come without one, and a pooler drawn at random must neither
    stay untrained nor be drawn anew when the adapter is loaded.

    Raises:
        SpecError: the student is a pair of encoders, whose cross-attention starts random.
    """
    kind = student_kind(model)
    if model.config.model_type == "encoder-decoder":
        raise SpecError(
            "a pair of encoders cannot be tuned by an adapter",
            found="cross-attention that starts random, and would stay so",
            fix="use method full",
        )
    if kind == "encoder":
        return {"task_type": "SEQ_CLS", "modules_to_save": head_names(model)}
    return {"task_type": "CAUSAL_LM" if kind == "decoder" else "SEQ_2_SEQ_LM"}


def linear_layers(model: PreTrainedModel) -> dict[str, str]:
    """Every linear layer's name and kind: Linear, its 4-bit form, or GPT-2's transposed Conv1D."""
    kinds = {name: type(module).__name__ for name, module in model.named_modules()}
    return {name: kind for name, kind in kinds.items() if kind in _LINEAR}


def target_modules(
    model: PreTrainedModel, targets: Targets, last_blocks: int | None
) -> list[str] | str:
    """A method's targets as PEFT takes them, each known to match a layer.

    Args:
        model: the student, without an adapter.
        targets: ends of layers' names, or "all-linear".
        last_blocks: only layers in the last so many blocks; None for all of the model.

    Returns:
        The targets as given, or every chosen layer by its full name: PEFT's own
        ``layers_to_transform`` is ignored beside "all-linear".

    Raises:
        SpecError: a target has no match, or the model has fewer blocks.
    """
    layers = list(linear_layers(model))
    if last_blocks is not None:
        layers = _within(model, layers, last_blocks)
    if targets == "all-linear":
        return targets if last_blocks is None else layers
    for target in targets:
        # PEFT ignores a target without a match as long as another one has some.
        if not any(_ends(name, target) for name in layers):
            raise _no_such_layer(target, layers)
    if last_blocks is None:
        return list(targets)
    return [name for name in layers if any(_ends(name, target) for target in targets)]


def last_of(model: PreTrainedModel, count: int) -> list[str]:
    """The dotted names of the last ``count`` blocks.

    Raises:
        SpecError: the model has fewer, or two stacks of them.
    """
    if student_kind(model) == "seq2seq":
        raise SpecError(
            "method.last_blocks: an encoder-decoder model has two stacks of blocks",
            fix="leave last_blocks out",
        )
    name, found = blocks(model)
    if count > len(found):
        raise SpecError(
            "method.last_blocks: the model has fewer blocks",
            found=count,
            expected=f"1 to {len(found)}",
        )
    return [f"{name}.{number}" for number in range(len(found) - count, len(found))]


def _within(model: PreTrainedModel, layers: list[str], last_blocks: int) -> list[str]:
    chosen = tuple(f"{name}." for name in last_of(model, last_blocks))
    return [name for name in layers if name.startswith(chosen)]


def _ends(name: str, target: str) -> bool:
    return name == target or name.endswith(f".{target}")


def _no_such_layer(target: str, layers: Collection[str]) -> SpecError:
    parts = [name.split(".") for name in layers]
    ends = sorted({part[-1] for part in parts})
    longer = sorted({".".join(part[-2:]) for part in parts})
    near = difflib.get_close_matches(target, [*ends, *longer], n=1, cutoff=0.0)
    return SpecError(
        f"method.targets: the model has no linear layer named {target!r}",
        expected=", ".join(ends),
        fix=f"did you mean {near[0]!r}?",
    )

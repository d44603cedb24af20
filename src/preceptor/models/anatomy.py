"""Where a model's repeated blocks, its final norm and its head lie, for any family.

Families name these parts as they like, so nothing here goes by name. The blocks are the longest
thing that a model repeats. What stands behind them is found by running three tokens through the
model and watching what runs after the last block.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from preceptor.errors import WeightsError
from preceptor.models.kinds import Kind

if TYPE_CHECKING:
    from torch import nn


def student_kind(model: Any) -> Kind:
    """Which kind of student a loaded model is, with or without a PEFT adapter."""
    if model.config.is_encoder_decoder:
        return "seq2seq"
    return "decoder" if model.can_generate() else "encoder"


def blocks(model: nn.Module) -> tuple[str, nn.ModuleList]:
    """The repeated blocks of a decoder or an encoder, first to last.

    Args:
        model: with or without a PEFT adapter.

    Returns:
        The list's dotted name in ``model`` ("model.layers", "transformer.h", ...) and the list.

    Raises:
        WeightsError: the model has two stacks (seq2seq), or repeats one block's weights.
    """
    from torch import nn

    config = _base(model).config
    count = getattr(config.get_text_config(), "num_hidden_layers", None)
    lists = [item for item in model.named_modules() if isinstance(item[1], nn.ModuleList)]
    found = [(name, part) for name, part in lists if len(part) == count]
    if not found or getattr(config, "is_encoder_decoder", False):
        raise WeightsError(
            "this model is not one stack of blocks",
            found=f"{type(_base(model)).__name__}, {len(found)} lists of {count} blocks",
            expected="a decoder or an encoder whose blocks have weights of their own",
        )
    # A list of experts inside a block can be as long, never as large.
    return max(found, key=lambda item: sum(value.numel() for value in item[1].parameters()))


def final_norm(model: nn.Module) -> nn.Module | None:
    """The norm between the last block and the head.

    Returns:
        It, or None where a family has none (BERT and its kin normalise within every block).
    """
    name = _norm_name(model, _behind(model))
    return None if name is None else model.get_submodule(name)


def head(model: nn.Module) -> nn.ModuleList:
    """All that runs behind the blocks and the final norm, in order.

    Of a decoder the output matrix (``get_output_embeddings``), behind OPT's ``project_out`` if
    there is one; of a classifier the pooler, if there is one, and what follows.
    """
    from torch import nn

    return nn.ModuleList([model.get_submodule(name) for name in head_names(model)])


def behind(model: nn.Module) -> nn.ModuleList:
    """All that runs behind the blocks, in order: the final norm, if there is one, and the head."""
    from torch import nn

    return nn.ModuleList([model.get_submodule(name) for name in _behind(model)])


def head_names(model: nn.Module) -> list[str]:
    """The dotted names of :func:`head`'s parts in ``model``."""
    found = _behind(model)
    norm = _norm_name(model, found)
    return [name for name in found if name != norm]


def is_tied(model: nn.Module) -> bool:
    """Whether a decoder's output matrix is its input embedding; False for a classifier."""
    base = _base(model)
    output = base.get_output_embeddings()
    return output is not None and output.weight is base.get_input_embeddings().weight


def untie(model: nn.Module) -> None:
    """Give a decoder's head a weight of its own, a copy of the embedding's, where it is tied.

    The config then says so, so that the model is saved and loaded again with both.
    """
    from torch import nn

    if not is_tied(model):
        return
    base = _base(model)
    output = base.get_output_embeddings()
    shared = output.weight
    output.weight = nn.Parameter(shared.detach().clone(), requires_grad=shared.requires_grad)
    base.config.tie_word_embeddings = False
    # What save_pretrained takes for one tensor under two names.
    base.all_tied_weights_keys = base.get_expanded_tied_weights_keys(all_submodels=True)


def _base(model: Any) -> Any:
    return model.get_base_model() if hasattr(model, "peft_config") else model


def _norm_name(model: nn.Module, behind: list[str]) -> str | None:
    # A norm that belongs to the head (ModernBERT has one) does not stand beside the blocks.
    beside = blocks(model)[0].rpartition(".")[0]
    for name in behind:
        kind = type(model.get_submodule(name)).__name__
        if "norm" in kind.lower() and name.rpartition(".")[0] == beside:
            return name
    return None


def _behind(model: nn.Module) -> list[str]:
    """The outermost parts with parameters that run after the last block, in order."""
    import torch

    names = {module: name for name, module in model.named_modules()}
    device = next(model.parameters()).device
    tokens = torch.arange(3, device=device)[None]
    with _watched(model) as ran, _still(model):
        _base(model)(input_ids=tokens, attention_mask=torch.ones_like(tokens))
    found: list[str] = []
    for module in ran:
        inside = any(names[module].startswith(f"{name}.") for name in found)
        if not inside and any(True for _ in module.parameters()):
            found.append(names[module])
    return list(dict.fromkeys(found))


@contextmanager
def _watched(model: nn.Module) -> Iterator[list[nn.Module]]:
    """Yield a list that takes up every module that starts to run after the last block."""
    ran: list[nn.Module] = []
    passed: list[bool] = []
    with ExitStack() as stack:
        last = blocks(model)[1][-1].register_forward_hook(lambda *_: passed.append(True))
        stack.callback(last.remove)
        for module in _base(model).modules():
            handle = module.register_forward_pre_hook(
                lambda part, _: ran.append(part) if passed else None
            )
            stack.callback(handle.remove)
        yield ran


@contextmanager
def _still(model: nn.Module) -> Iterator[None]:
    import torch

    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        model.train(training)

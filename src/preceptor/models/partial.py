"""A decoder in two halves: the frozen blocks below, run once, and the trained blocks above.

Nothing here knows a family. The blocks are those of :mod:`preceptor.models.anatomy`; the model's
own forward runs around them, so that masks, position embeddings, final norm, scaling and head stay
the model's own. Below the cut every block hands on what it got; the last of them hands on the
hidden states that are given.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from preceptor.models.anatomy import blocks
from preceptor.models.logits import selecting

if TYPE_CHECKING:
    from torch import Tensor, nn


class _ReachedError(Exception):
    """Carries hidden states out of a forward pass that need not go on."""

    def __init__(self, *values: Tensor) -> None:
        self.values = values


def states_below(model: nn.Module, depth: int, inputs: dict[str, Tensor]) -> Tensor:
    """The hidden states that enter block ``depth``; the blocks above do not run.

    Args:
        model: a decoder, with or without an adapter; in eval mode, so that they are exact.
        depth: number of blocks to run.
        inputs: ``input_ids`` and ``attention_mask``, [rows, tokens].

    Returns:
        [rows, tokens, width], without gradient.
    """
    import torch

    def stop(_: Any, args: tuple[Any, ...]) -> None:
        raise _ReachedError(args[0])

    handle = _blocks(model)[depth].register_forward_pre_hook(stop)
    try:
        with torch.no_grad():
            model(**inputs, use_cache=False)
    except _ReachedError as reached:
        return reached.values[0]
    finally:
        handle.remove()
    raise RuntimeError("the model ran without its blocks")


def logits_above(
    model: nn.Module,
    depth: int,
    states: Tensor,
    inputs: dict[str, Tensor],
    at: Tensor,
    *,
    narrow: bool,
) -> Tensor:
    """Run the blocks from ``depth`` on, and return logits at chosen positions.

    Args:
        model: a decoder, with or without an adapter above ``depth``.
        depth: blocks that do not run.
        states: [rows, tokens, width], what enters block ``depth``.
        inputs: as for the whole model; their tokens are looked up and thrown away.
        at: [rows, tokens], true where logits are wanted.
        narrow: in the last block compute keys and values for every token, and all the rest
            (queries, attention, feed-forward, norm) at the chosen positions alone.

    Returns:
        [positions, vocabulary], row by row, fp32.
    """
    with ExitStack() as stack:
        stack.enter_context(_fed(model, depth, states))
        wanted = at
        if narrow:
            wanted = stack.enter_context(_narrowed(_blocks(model)[-1], at))
        stack.enter_context(selecting(model, wanted))
        logits: Tensor = model(**inputs, use_cache=False).logits
        return logits.float()


def can_be_narrow(model: nn.Module, depth: int) -> bool:
    """Whether narrowing the last block changes nothing for this model; tried on five tokens."""
    import torch

    device = next(model.parameters()).device
    tokens = torch.arange(5, device=device)[None]
    inputs = {"input_ids": tokens, "attention_mask": torch.ones_like(tokens)}
    at = (tokens == 1) | (tokens == 3)
    width: int = model.config.hidden_size  # type: ignore[union-attr,assignment]
    states = torch.randn(1, 5, width, generator=torch.Generator().manual_seed(0)).to(device)
    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            wide, narrow = (
                logits_above(model, depth, states, inputs, at, narrow=way) for way in (False, True)
            )
    except (TypeError, RuntimeError, AttributeError, IndexError, StopIteration):
        return False  # an attention that keeps its keys and values in a way of its own
    finally:
        model.train(training)
    return wide.shape == narrow.shape and torch.allclose(wide, narrow, rtol=1e-3, atol=1e-4)


def _blocks(model: nn.Module) -> nn.ModuleList:
    return blocks(model)[1]


@contextmanager
def _fed(model: nn.Module, depth: int, states: Tensor) -> Iterator[None]:
    def hand_on(hidden: Tensor, *_: Any, **__: Any) -> Tensor:
        return hidden

    with ExitStack() as stack:
        for number, block in enumerate(_blocks(model)[:depth]):
            last = number == depth - 1
            given = (lambda *_, **__: states) if last else hand_on
            stack.enter_context(_instead(block, given))
        yield


@contextmanager
def _narrowed(block: nn.Module, at: Tensor) -> Iterator[Tensor]:
    """The block at chosen positions alone; yields [rows, most chosen], true where one is."""
    import torch

    count = at.sum(1)
    chosen = torch.arange(int(count.max()), device=at.device)[None] < count[:, None]
    # Chosen positions of every row first, in their order; where a row has fewer, position 0.
    places = torch.argsort(~at, dim=1, stable=True)[:, : chosen.shape[1]] * chosen
    whole = block.forward
    named = [name for name in inspect.signature(whole).parameters if name not in ("args", "kwargs")]
    past = next(name for name in named if name in _PAST)

    def narrow(hidden: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        cache = _Keys()
        given = {**dict(zip(named[1:], args, strict=False)), **kwargs, past: cache}
        try:
            whole(hidden, **given)
        except _ReachedError as reached:
            cache.found = reached.values
        less = {key: _picked(key, value, places, hidden) for key, value in given.items()}
        less["attention_mask"] = _rows_of(given.get("attention_mask"), places, hidden)
        result: Tensor = whole(_take(hidden, places), **less)
        return result

    with _instead(block, narrow):
        yield chosen


_PAST = ("past_key_values", "layer_past")
"""what families call the key-value cache that a block may be given"""


class _Keys:
    """Stands where an attention expects its key-value cache: takes them, then gives them back."""

    found: tuple[Tensor, ...] | None = None

    def update(self, keys: Tensor, values: Tensor, *_: Any, **__: Any) -> tuple[Tensor, ...]:
        if self.found is None:
            raise _ReachedError(keys, values)
        return self.found


def _take(hidden: Tensor, places: Tensor) -> Tensor:
    return hidden.gather(1, places[:, :, None].expand(-1, -1, hidden.shape[-1]))


def _picked(key: str, value: Any, places: Tensor, hidden: Tensor) -> Any:
    rows = hidden.shape[0]
    if key == "position_ids" and value is not None:
        return value.expand(rows, -1).gather(1, places)
    if key == "position_embeddings" and value is not None:
        return tuple(_take(part.expand(rows, -1, -1), places) for part in value)
    return value


def _rows_of(mask: Tensor | None, places: Tensor, hidden: Tensor) -> Tensor:
    """The mask's rows of the chosen positions, [rows, 1, chosen, tokens]."""
    import torch

    if mask is None:
        reach = torch.arange(hidden.shape[1], device=hidden.device)
        return (reach[None, None] <= places[:, :, None])[:, None]
    whole = mask.expand(hidden.shape[0], 1, -1, -1)
    return whole.gather(2, places[:, None, :, None].expand(-1, 1, -1, whole.shape[-1]))


@contextmanager
def _instead(module: nn.Module, forward: Callable[..., Any]) -> Iterator[None]:
    module.forward = forward
    try:
        yield
    finally:
        del module.forward

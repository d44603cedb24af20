"""Rows of tokens that a decoder continues, one token at a time, each in a place of one cache.

A row ends at the cache's last column and may begin anywhere: what lies before it is masked, and its
positions are counted from its own beginning. So a row that has ended can give its place to a new
one of any age. Keys and values lie in buffers with room behind them (`torch.cat`, as transformers'
own cache grows, copies everything at every token), under bf16 autocast in bf16, as attention reads
them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

from preceptor.models.batching import pad
from preceptor.models.logits import can_be_sparse, selecting

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

_PLAIN = {"full_attention", "sliding_attention"}
"""kinds of layers whose memory is keys and values; a window is seen to by the mask"""


def has_places(model: PreTrainedModel) -> bool:
    """Whether a model can be continued here: a decoder that remembers keys and values alone.

    A prefix (PEFT) stands in the cache before any token, which is left to `generate`.

    Args:
        model: with or without a PEFT adapter.
    """
    if model.config.is_encoder_decoder:
        return False
    adapters = getattr(model, "peft_config", {}).values()
    kinds = getattr(model.config.get_text_config(decoder=True), "layer_types", None) or _PLAIN
    return not any(one.is_prompt_learning for one in adapters) and _PLAIN.issuperset(kinds)


class Places:
    """The rows that are being written.

    Args:
        model: one that :func:`has_places`, in eval mode.
        pad_id: the tokenizer's pad token.
        count: places; each always holds a row or is idle.
        room: columns of the cache: tokens of the longest row with its answer, at least. With more,
            less is moved.
    """

    def __init__(self, model: PreTrainedModel, pad_id: int, count: int, room: int) -> None:
        import torch

        self._model: Any = model
        self._pad_id = pad_id
        self._device = next(model.parameters()).device
        self._memory: Any = None
        self._mask = torch.zeros((count, room), dtype=torch.long, device=self._device)
        self._width = 0

    def __len__(self) -> int:
        return len(self._mask)

    def put(self, places: Sequence[int], rows: Sequence[tuple[int, ...]]) -> Tensor:
        """Read prompts into places, equal ones once.

        Args:
            places: one a prompt; what they held is forgotten. All of them, or none of the prompts
                is longer than the longest row of the others.
            rows: the prompts' tokens.

        Returns:
            The logits behind every prompt, [prompts, vocabulary], fp32.
        """
        import torch

        different = list(dict.fromkeys(rows))
        tokens, mask = (part.to(self._device) for part in pad(different, self._pad_id, "left"))
        fresh, logits = self._read(tokens, mask)
        of = torch.tensor([different.index(row) for row in rows], device=self._device)
        into = torch.tensor(places, device=self._device)
        if len(places) == len(self):
            self._width = tokens.shape[1]
        self._mask[into] = 0
        self._mask[into, self._width - tokens.shape[1] : self._width] = mask[of]
        self._remember(fresh, into, of)
        return logits[of]

    def _read(self, tokens: Tensor, mask: Tensor) -> tuple[Any, Tensor]:
        import torch
        from transformers import DynamicCache

        fresh = DynamicCache()  # not by the config: of a window only the last tokens were kept
        inputs = {"input_ids": tokens, "attention_mask": mask, "position_ids": _positions(mask)}
        at = torch.zeros_like(mask, dtype=torch.bool)
        at[:, -1] = True
        with torch.no_grad():
            if not can_be_sparse(self._model):
                whole = self._model(**inputs, past_key_values=fresh, use_cache=True).logits
                return fresh, whole[:, -1].float()
            with selecting(self._model, at):
                last = self._model(**inputs, past_key_values=fresh, use_cache=True).logits
        return fresh, last.float()

    def _remember(self, fresh: Any, into: Tensor, of: Tensor) -> None:
        from transformers import Cache

        if self._memory is None:
            self._memory = Cache(layers=[_layer()(*self._mask.shape) for _ in fresh.layers])
        for layer, read in zip(self._memory.layers, fresh.layers, strict=True):
            layer.place(into, read.keys[of], read.values[of], self._width)

    def step(self, tokens: Tensor) -> Tensor:
        """Write one token behind every row.

        Args:
            tokens: [places]; of an idle place any.

        Returns:
            The logits behind them, [places, vocabulary], fp32.
        """
        import torch

        if self._width == self._mask.shape[1]:
            self._move_up()
        self._mask[:, self._width] = 1
        self._width += 1
        mask = self._mask[:, : self._width]
        with torch.no_grad():
            logits: Tensor = self._model(
                input_ids=tokens.to(self._device)[:, None],
                attention_mask=mask,
                position_ids=_positions(mask)[:, -1:],
                past_key_values=self._memory,
                use_cache=True,
            ).logits
        return logits[:, -1].float()

    def idle(self, places: Sequence[int]) -> None:
        """Forget the rows of these places, which nothing waits for."""
        self._mask[list(places), : self._width - 1] = 0

    def keep(self, places: Sequence[int]) -> None:
        """Go on with these places alone, in this order."""
        import torch

        chosen = torch.tensor(places, device=self._device)
        self._mask = self._mask[chosen]
        for layer in self._memory.layers:
            layer.keep(chosen)

    def _move_up(self) -> None:
        """Make room where no row begins before some column."""
        first = int(self._mask.any(0).long().argmax())
        if first == 0:
            raise ValueError(f"a row has no room in {self._width} columns")
        kept = self._width - first
        self._mask[:, :kept] = self._mask[:, first : self._width].clone()
        self._mask[:, kept:] = 0
        self._width = kept
        for layer in self._memory.layers:
            layer.move_up(first)


def _positions(mask: Tensor) -> Tensor:
    return (mask.cumsum(-1) - 1).clamp(min=0)


@contextmanager
def rounded_head(model: Any) -> Iterator[None]:
    """While the block runs, under bf16 autocast on a CPU, hold the head's matrix in bf16.

    Autocast would round it anew at every token; of a tied one the embedding stays as it is.

    Args:
        model: with or without a PEFT adapter; back as it was after the block.
    """
    import torch
    from torch import nn

    head = model.get_output_embeddings()
    wanted = type(head) is nn.Linear and _rounds("cpu") and head.weight.device.type == "cpu"
    if not wanted or head.weight.dtype != torch.float32:
        yield
        return
    kept = head.weight
    head.weight = nn.Parameter(kept.detach().to(torch.bfloat16), requires_grad=False)
    try:
        yield
    finally:
        head.weight = kept


def _rounds(device: str) -> bool:
    import torch

    return torch.is_autocast_enabled(device) and (
        torch.get_autocast_dtype(device) == torch.bfloat16
    )


@cache
def _layer() -> Any:
    import torch
    from transformers.cache_utils import DynamicLayer

    class Layer(DynamicLayer):  # type: ignore[misc]
        """One block's keys and values, [places, heads, columns, width of a head]."""

        def __init__(self, count: int, room: int) -> None:
            super().__init__()
            self._shape, self._width = (count, room), 0
            self._buffers: list[Tensor] = []

        def place(self, into: Tensor, keys: Tensor, values: Tensor, width: int) -> None:
            if not self._buffers:
                self._buffers = [self._buffer(part) for part in (keys, values)]
                self.is_initialized = True
            for buffer, part in zip(self._buffers, (keys, values), strict=True):
                buffer[into, :, width - part.shape[2] : width] = part.to(buffer.dtype)
            self._see(width)

        def _buffer(self, like: Tensor) -> Tensor:
            count, room = self._shape
            dtype = torch.bfloat16 if _rounds(like.device.type) else like.dtype
            # Zeros: what is masked is multiplied by 0, which does not help against NaN.
            return like.new_zeros((count, like.shape[1], room, like.shape[3]), dtype=dtype)

        def _see(self, width: int) -> None:
            self._width = width
            self.keys, self.values = (one[:, :, :width] for one in self._buffers)

        def update(
            self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any
        ) -> tuple[Tensor, Tensor]:
            at = slice(self._width, self._width + key_states.shape[2])
            for buffer, part in zip(self._buffers, (key_states, value_states), strict=True):
                buffer[:, :, at] = part
            self._see(at.stop)
            return self.keys, self.values

        def get_seq_length(self) -> int:
            return self._width

        def keep(self, chosen: Tensor) -> None:
            self._buffers = [buffer[chosen] for buffer in self._buffers]
            self._see(self._width)

        def move_up(self, first: int) -> None:
            for buffer in self._buffers:
                buffer[:, :, : self._width - first] = buffer[:, :, first : self._width].clone()
            self._see(self._width - first)

    return Layer

"""Rows of an update as tensors: padded, padded to a fixed length, or packed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from preceptor.models.batching import pad
from preceptor.models.packing import additive
from preceptor.models.pairs import PairRow, pair_batch
from preceptor.tune.batches import LabelRow, Row, TextRow

if TYPE_CHECKING:
    import torch
    from torch import Tensor

Layout = Literal["padded", "fixed", "packed"]


@dataclass(frozen=True)
class Batch:
    """Rows ready for a model. ``lines`` is the number of rows, or 1 where they are packed.

    Attributes:
        inputs: ``input_ids`` [lines, tokens] and ``attention_mask``: [lines, tokens], for a
            classifier 1 where a token is real, for a decoder 1; packed [1, 1, tokens, tokens],
            added to the attention scores, with ``position_ids`` [1, tokens] that start anew
            with every row. Of an encoder-decoder model as in
            :class:`preceptor.models.pairs.PairBatch`.
        at: [lines, tokens] (of the decoder), true where the next token is supervised; None for
            a classifier.
        targets: [supervised], the tokens or labels to predict, row by row.
        tokens: real tokens, padding not counted.
        places: for every row its line and the first of its tokens.
    """

    inputs: dict[str, Tensor]
    at: Tensor | None
    targets: Tensor
    tokens: int
    places: tuple[tuple[int, int], ...]


def collate(
    rows: Sequence[Row],
    pad_id: int,
    device: torch.device,
    layout: Layout = "padded",
    width: int = 0,
) -> Batch:
    """Lay rows, all of one kind, out as a batch on a device.

    Args:
        rows: what the batch holds.
        pad_id: the tokenizer's pad token.
        device: where to.
        layout: ``padded`` to the longest row, ``fixed`` to ``width``, ``packed`` one behind
            the other without sight of each other (decoders alone).
        width: tokens of a line of a ``fixed`` batch, at least; sources and targets alike.
    """
    pairs = [row for row in rows if isinstance(row, PairRow)]
    if pairs:
        return _paired(pairs, pad_id, device, width)
    if layout == "packed":
        return _packed(rows, device)
    tokens, mask = pad([row.tokens for row in rows], pad_id, width=width)
    if isinstance(rows[0], TextRow):
        # Padding stands behind what a decoder reads, and no token sees what is behind it. Without
        # a mask attention may skip that half of its work.
        mask.fill_(1)
    inputs = {"input_ids": tokens.to(device), "attention_mask": mask.to(device)}
    places = tuple((number, 0) for number in range(len(rows)))
    return _batch(rows, inputs, places, device)


def _paired(rows: Sequence[PairRow], pad_id: int, device: torch.device, width: int) -> Batch:
    batch = pair_batch(rows, pad_id, device, width)
    places = tuple((number, 0) for number in range(len(rows)))
    tokens = sum(len(row.tokens) for row in rows)
    return Batch(batch.inputs, batch.at, batch.targets, tokens, places)


def _packed(rows: Sequence[Row], device: torch.device) -> Batch:
    import torch

    lengths = torch.tensor([len(row.tokens) for row in rows], device=device)
    document = torch.repeat_interleave(torch.arange(len(rows), device=device), lengths)
    position = torch.cat([torch.arange(len(row.tokens), device=device) for row in rows])
    inputs = {
        "input_ids": torch.tensor([[token for row in rows for token in row.tokens]], device=device),
        "attention_mask": additive(document[None], shared=False),
        "position_ids": position[None],
    }
    starts = (lengths.cumsum(0) - lengths).tolist()
    return _batch(rows, inputs, tuple((0, start) for start in starts), device)


def _batch(
    rows: Sequence[Row],
    inputs: dict[str, Tensor],
    places: tuple[tuple[int, int], ...],
    device: torch.device,
) -> Batch:
    import torch

    at = torch.zeros(inputs["input_ids"].shape, dtype=torch.bool)
    targets: list[int] = []
    for (line, start), row in zip(places, rows, strict=True):
        if isinstance(row, TextRow):
            # A token is predicted where the one before it stands; a row's first is not.
            at[line, start + row.first - 1 : start + len(row.tokens) - 1] = True
            targets += row.tokens[row.first :]
        elif isinstance(row, LabelRow):
            targets.append(row.label)
    text = isinstance(rows[0], TextRow)
    tokens = sum(len(row.tokens) for row in rows)
    wanted = torch.tensor(targets, device=device)
    return Batch(inputs, at.to(device) if text else None, wanted, tokens, places)


def lay_out(parts: Sequence[Tensor], batch: Batch) -> Tensor:
    """Hidden states of every row, [tokens, width] each, as the batch has its rows.

    Returns:
        [lines, tokens, width]; zeros where there is padding.
    """
    import torch

    lines, tokens = batch.inputs["input_ids"].shape
    device = batch.inputs["input_ids"].device
    states = torch.zeros(lines, tokens, parts[0].shape[-1], dtype=parts[0].dtype, device=device)
    for (line, start), part in zip(batch.places, parts, strict=True):
        states[line, start : start + len(part)] = part.to(device)
    return states

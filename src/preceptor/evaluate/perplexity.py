"""How well a model foresees a text: negative log-likelihood and next-token accuracy.

Which tokens count, exactly enough to repeat the figures with transformers alone: a row is the
prompt's tokens (with what the tokenizer puts in front), the answer's, and one end token. Every
token but the row's first is predicted from those before it. ``all`` counts all of these,
``answer`` those of the answer and the end token. Perplexity is ``exp`` of the summed negative
log-likelihood (natural logarithm) over the number of tokens, both summed over all rows first
("token-weighted"): not a mean of the rows' perplexities. A prediction is right where the token
has the highest logit.

An encoder-decoder model reads the prompt and predicts the answer alone: there are figures over
``answer``, which counts the answer's tokens and the end token, and none over ``all``. Its tokens
are laid out as in :mod:`preceptor.models.pairs`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from preceptor.models.batching import Size, by_length, pad
from preceptor.models.logits import can_be_sparse, logits_at
from preceptor.models.pairs import PairRow, pair_batch
from preceptor.progress import bar

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel


MOST_NATS = 700.0
"""a token cannot be worse foreseen than this; a float holds the exponential of little more"""


@dataclass(frozen=True, slots=True)
class Foreseen:
    """What a stretch of text cost the model.

    Attributes:
        nll: negative log-likelihood, natural logarithm, summed over tokens.
        right: tokens with the highest logit.
        tokens: how many were predicted.
    """

    nll: float
    right: int
    tokens: int

    def __add__(self, other: Foreseen) -> Foreseen:
        return Foreseen(self.nll + other.nll, self.right + other.right, self.tokens + other.tokens)

    @property
    def perplexity(self) -> float:
        """``exp(nll / tokens)``, at most ``exp(700)``, so that it stays a number."""
        return math.exp(min(self.nll / self.tokens, MOST_NATS))

    @property
    def accuracy(self) -> float:
        """Share of tokens with the highest logit."""
        return self.right / self.tokens


@dataclass(frozen=True, slots=True)
class RowForeseen:
    """One row: its answer (with the end token), and all of it.

    ``all`` is None for an encoder-decoder model, which does not predict what it reads.
    """

    answer: Foreseen
    all: Foreseen | None


NOTHING = Foreseen(0.0, 0, 0)
Answered = tuple[Sequence[int], int] | PairRow
"""A decoder's row: its tokens, and the position of the answer's first (at least 1). An
encoder-decoder model's: source and target, whose ``first`` is the answer's."""


def foresee(
    model: PreTrainedModel,
    rows: Sequence[Answered],
    *,
    pad_id: int,
    batch_tokens: int,
    label: str,
) -> list[RowForeseen]:
    """Score every token of every row.

    Args:
        model: a decoder or an encoder-decoder model in eval mode, with or without an adapter.
        rows: all of the model's kind.
        pad_id: the tokenizer's pad token.
        batch_tokens: tokens of a batch, padding included; logits of all of them are held at
            once (x vocabulary x 4 bytes).
        label: the progress bar's name.
    """
    found: list[RowForeseen | None] = [None] * len(rows)
    sparse = can_be_sparse(model)
    with bar(label, len(rows)) as advance:
        for batch in by_length([_size(row) for row in rows], batch_tokens):
            scored = _scored(model, [rows[index] for index in batch], pad_id, sparse)
            for index, one in zip(batch, scored, strict=True):
                found[index] = one
            advance(len(batch))
    return [one for one in found if one is not None]


def _size(row: Answered) -> Size:
    return (len(row.source), len(row.target)) if isinstance(row, PairRow) else len(row[0])


def _scored(
    model: PreTrainedModel, rows: Sequence[Answered], pad_id: int, sparse: bool
) -> list[RowForeseen]:
    pairs = [row for row in rows if isinstance(row, PairRow)]
    if pairs:
        return _pairs(model, pairs, pad_id, sparse)
    return _texts(model, [row for row in rows if not isinstance(row, PairRow)], pad_id, sparse)


def _pairs(
    model: PreTrainedModel, rows: Sequence[PairRow], pad_id: int, sparse: bool
) -> list[RowForeseen]:
    batch = pair_batch(rows, pad_id, next(model.parameters()).device)
    sizes = [len(row.target) - row.first for row in rows]
    logits = _logits(model, batch.inputs, batch.at, sparse)
    found = _each(logits, batch.targets, sizes)
    return [RowForeseen(_sum(costs, hits), None) for costs, hits in found]


def _texts(
    model: PreTrainedModel, rows: Sequence[tuple[Sequence[int], int]], pad_id: int, sparse: bool
) -> list[RowForeseen]:
    import torch

    device = next(model.parameters()).device
    tokens, mask = pad([row for row, _ in rows], pad_id)
    at = mask.bool()
    at[torch.arange(len(rows)), mask.sum(1) - 1] = False  # nothing follows the last token
    targets = torch.cat([tokens[number, 1 : len(row)] for number, (row, _) in enumerate(rows)])
    inputs = {"input_ids": tokens.to(device), "attention_mask": mask.to(device)}
    sizes = [len(row) - 1 for row, _ in rows]
    found = _each(_logits(model, inputs, at.to(device), sparse), targets.to(device), sizes)
    return [
        RowForeseen(_sum(costs[first - 1 :], hits[first - 1 :]), _sum(costs, hits))
        for (costs, hits), (_, first) in zip(found, rows, strict=True)
    ]


def _logits(model: PreTrainedModel, inputs: dict[str, Tensor], at: Tensor, sparse: bool) -> Tensor:
    import torch

    with torch.no_grad():
        return logits_at(model, inputs, at, sparse)


def _each(logits: Tensor, targets: Tensor, sizes: Sequence[int]) -> Iterator[tuple[Tensor, Tensor]]:
    """Row by row what its predicted tokens cost, and whether each was foreseen."""
    import torch
    from torch.nn.functional import cross_entropy

    nll = cross_entropy(logits, targets, reduction="none").double().cpu()
    right = (logits.argmax(-1) == targets).long().cpu()
    return zip(torch.split(nll, list(sizes)), torch.split(right, list(sizes)), strict=True)


def _sum(costs: Tensor, hits: Tensor) -> Foreseen:
    return Foreseen(float(costs.sum()), int(hits.sum()), len(costs))

"""How well a decoder foresees a text: negative log-likelihood and next-token accuracy.

Which tokens count, exactly enough to repeat the figures with transformers alone: a row is the
prompt's tokens (with what the tokenizer puts in front), the answer's, and one end token. Every
token but the row's first is predicted from those before it. ``all`` counts all of these,
``answer`` those of the answer and the end token. Perplexity is ``exp`` of the summed negative
log-likelihood (natural logarithm) over the number of tokens, both summed over all rows first
("token-weighted"): not a mean of the rows' perplexities. A prediction is right where the token
has the highest logit.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from preceptor.models.batching import by_length, pad
from preceptor.models.logits import can_be_sparse, logits_at
from preceptor.progress import bar

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel


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
        """``exp(nll / tokens)``; infinite where that is too large for a float."""
        try:
            return math.exp(self.nll / self.tokens)
        except OverflowError:
            return math.inf

    @property
    def accuracy(self) -> float:
        """Share of tokens with the highest logit."""
        return self.right / self.tokens


@dataclass(frozen=True, slots=True)
class RowForeseen:
    """One row: its answer (with the end token), and all of it."""

    answer: Foreseen
    all: Foreseen


NOTHING = Foreseen(0.0, 0, 0)


def foresee(
    model: PreTrainedModel,
    rows: Sequence[tuple[Sequence[int], int]],
    *,
    pad_id: int,
    batch_tokens: int,
    label: str,
) -> list[RowForeseen]:
    """Score every token of every row.

    Args:
        model: a decoder in eval mode, with or without an adapter.
        rows: tokens, and the position of the answer's first (at least 1).
        pad_id: the tokenizer's pad token.
        batch_tokens: tokens of a batch, padding included; logits of all of them are held at
            once (x vocabulary x 4 bytes).
        label: the progress bar's name.
    """
    found: list[RowForeseen | None] = [None] * len(rows)
    sparse = can_be_sparse(model)
    with bar(label, len(rows)) as advance:
        for batch in by_length([len(tokens) for tokens, _ in rows], batch_tokens):
            scored = _batch(model, [rows[index] for index in batch], pad_id, sparse)
            for index, one in zip(batch, scored, strict=True):
                found[index] = one
            advance(len(batch))
    return [one for one in found if one is not None]


def _batch(
    model: PreTrainedModel, rows: Sequence[tuple[Sequence[int], int]], pad_id: int, sparse: bool
) -> list[RowForeseen]:
    import torch
    from torch.nn.functional import cross_entropy

    device = next(model.parameters()).device
    tokens, mask = pad([row for row, _ in rows], pad_id)
    at = mask.bool()
    at[torch.arange(len(rows)), mask.sum(1) - 1] = False  # nothing follows the last token
    targets = torch.cat([tokens[number, 1 : len(row)] for number, (row, _) in enumerate(rows)])
    inputs = {"input_ids": tokens.to(device), "attention_mask": mask.to(device)}
    with torch.no_grad():
        logits = logits_at(model, inputs, at.to(device), sparse)
    nll = cross_entropy(logits, targets.to(device), reduction="none").double().cpu()
    right = (logits.argmax(-1).cpu() == targets).long()
    sizes = [len(row) - 1 for row, _ in rows]
    parts = zip(torch.split(nll, sizes), torch.split(right, sizes), rows, strict=True)
    return [
        RowForeseen(_sum(costs[first - 1 :], hits[first - 1 :]), _sum(costs, hits))
        for costs, hits, (_, first) in parts
    ]


def _sum(costs: Tensor, hits: Tensor) -> Foreseen:
    return Foreseen(float(costs.sum()), int(hits.sum()), len(costs))

"""Label scores: how likely a decoder finds every label's answer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from preceptor.models.batching import by_length, pad
from preceptor.models.logits import can_be_sparse, logits_at
from preceptor.models.tokens import encode_answers
from preceptor.progress import bar

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


@dataclass(frozen=True, slots=True)
class _Pass:
    """One row for the model and the answers that it scores.

    Attributes:
        prompt: which prompt it stands for.
        tokens: the prompt and what the answers have in common before their last token.
        first: the position that predicts the first answer token.
        answers: every label's number with its answer tokens; all differ in the last alone.
    """

    prompt: int
    tokens: tuple[int, ...]
    first: int
    answers: tuple[tuple[int, tuple[int, ...]], ...]


def label_scores(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[str],
    answers: Sequence[str],
    *,
    batch_tokens: int,
    label: str,
) -> np.ndarray:
    """Log-probability of every label's answer after every prompt.

    Summed over the answer's tokens, without an end token and without regard to its length:
    lm-evaluation-harness's ``multiple_choice``, whose argmax is the prediction. Tokens as in
    :mod:`preceptor.models.tokens`.

    Args:
        model: a decoder in eval mode, with or without an adapter.
        tokenizer: its tokenizer.
        prompts: what it reads.
        answers: what it would write for every label (" yes", ...), the same for all prompts.
        batch_tokens: tokens of a batch, padding included.
        label: the progress bar's name.

    Returns:
        Natural logarithms, [prompts, labels].

    Raises:
        DataError: a prompt is empty.
    """
    import numpy as np

    passes = [one for i, text in enumerate(prompts) for one in _passes(tokenizer, i, text, answers)]
    scores = np.full((len(prompts), len(answers)), np.nan)
    sparse = can_be_sparse(model)
    with bar(label, len(passes)) as advance:
        for batch in by_length([len(one.tokens) for one in passes], batch_tokens):
            chosen = [passes[index] for index in batch]
            logs = _log_probabilities(model, tokenizer.pad_token_id, chosen, sparse)
            for one, block in zip(chosen, logs, strict=True):
                for number, answer in one.answers:
                    scores[one.prompt, number] = _total(block, answer)
            advance(len(batch))
    return scores


def _passes(
    tokenizer: PreTrainedTokenizerBase, number: int, prompt: str, answers: Sequence[str]
) -> Iterator[_Pass]:
    groups: dict[tuple[int, ...], list[tuple[int, tuple[int, ...]]]] = {}
    before, written = encode_answers(tokenizer, prompt, answers)
    for label, after in enumerate(written):
        groups.setdefault(tuple(after[:-1]), []).append((label, tuple(after)))
    for common, group in groups.items():
        yield _Pass(number, (*before, *common), len(before) - 1, tuple(group))


def _log_probabilities(
    model: PreTrainedModel, pad_id: int, passes: Sequence[_Pass], sparse: bool
) -> tuple[Tensor, ...]:
    """For every pass [answer tokens, vocabulary]."""
    import torch

    device = next(model.parameters()).device
    tokens, mask = pad([one.tokens for one in passes], pad_id)
    at = torch.zeros_like(mask, dtype=torch.bool)
    for row, one in enumerate(passes):
        at[row, one.first : len(one.tokens)] = True
    inputs = {"input_ids": tokens.to(device), "attention_mask": mask.to(device)}
    with torch.no_grad():
        logits = logits_at(model, inputs, at.to(device), sparse)
    return torch.split(logits.log_softmax(-1), [len(one.tokens) - one.first for one in passes])


def _total(logs: Tensor, answer: tuple[int, ...]) -> float:
    return float(logs[range(len(answer)), answer].double().sum())

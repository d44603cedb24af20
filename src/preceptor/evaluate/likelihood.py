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


_Tokens = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Pass:
    """One row for the model and the answers that it scores.

    Attributes:
        prompt: which prompt it stands for.
        tokens: the prompt and the longest answer without its last token.
        first: the position that predicts the first answer token.
        answers: every label's number with its answer tokens; but for the last they all stand
            at the start of the longest one.
    """

    prompt: int
    tokens: _Tokens
    first: int
    answers: tuple[tuple[int, _Tokens], ...]


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

    Where the tokens of one answer begin another's (" no", " no effect"), that sum could never
    be larger for the longer one. There, other than in lm-evaluation-harness, every answer is
    scored with the end token behind it, which training supervises too.

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
    before, encoded = encode_answers(tokenizer, prompt, answers)
    written = _told_apart([tuple(after) for after in encoded], tokenizer.eos_token_id)
    groups: dict[_Tokens, list[tuple[int, _Tokens]]] = {}
    on_the_way: dict[_Tokens, _Tokens] = {}
    for label, after in sorted(enumerate(written), key=lambda one: -len(one[1])):
        common = on_the_way.get(after[:-1], after[:-1])
        groups.setdefault(common, []).append((label, after))
        for start in _starts(common):
            on_the_way.setdefault(start, common)
    for common, group in groups.items():
        yield _Pass(number, (*before, *common), len(before) - 1, tuple(group))


def _told_apart(answers: list[_Tokens], end: int) -> list[_Tokens]:
    """The answers, each with the end token behind it if one of them begins another."""
    whole = set(answers)
    begun = any(start in whole for answer in answers for start in _starts(answer[:-1]))
    return [(*answer, end) for answer in answers] if begun else answers


def _starts(tokens: _Tokens) -> Iterator[_Tokens]:
    return (tokens[:length] for length in range(len(tokens) + 1))


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


def _total(logs: Tensor, answer: _Tokens) -> float:
    return float(logs[range(len(answer)), answer].double().sum())

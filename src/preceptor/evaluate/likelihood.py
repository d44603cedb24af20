"""Label scores: how likely a model finds every label's answer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, product
from typing import TYPE_CHECKING, Any

from preceptor.models.batching import by_length, pad
from preceptor.models.logits import can_be_sparse, logits_at
from preceptor.models.packing import additive, reads_segments
from preceptor.models.pairs import encode_answer, encode_source, opening_of, unwrapped
from preceptor.models.tokens import encode_answers
from preceptor.progress import bar

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


_Tokens = tuple[int, ...]
_Group = tuple[_Tokens, tuple[tuple[int, _Tokens], ...]]


@dataclass(frozen=True, slots=True)
class _Pass:
    """One row for the model and the answers that it scores.

    Attributes:
        prompt: which prompt it stands for.
        before: the prompt's tokens.
        branches: tokens behind the prompt, each branch without sight of the others, with the
            answers that it scores: every label's number with its answer tokens, which but for
            the last all stand at the branch's start.
    """

    prompt: int
    before: _Tokens
    branches: tuple[_Group, ...]

    @property
    def tokens(self) -> _Tokens:
        """The prompt, then every branch."""
        return self.before + tuple(token for tokens, _ in self.branches for token in tokens)

    @property
    def segments(self) -> list[int]:
        """Of every token 0 for the prompt, else its branch's number from 1 on."""
        sizes = [len(self.before), *(len(tokens) for tokens, _ in self.branches)]
        return [number for number, size in enumerate(sizes) for _ in range(size)]

    @property
    def positions(self) -> list[int]:
        """Of every token its place in the text that it belongs to."""
        prompt = len(self.before)
        behind = (range(prompt, prompt + len(tokens)) for tokens, _ in self.branches)
        return [*range(prompt), *chain.from_iterable(behind)]


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

    Every prompt is read once, for all labels: a decoder reads the answers behind it side by side,
    without sight of each other. One that cannot be made to (a family that heeds no mask of one's
    own, a prefix) reads the prompt again for every answer that differs before its last token.

    Args:
        model: a decoder or an encoder-decoder model in eval mode, with or without an adapter.
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

    if model.config.is_encoder_decoder:
        return _pair_scores(
            model, tokenizer, prompts, answers, batch_tokens=batch_tokens, label=label
        )
    encoded = [encode_answers(tokenizer, text, answers) for text in prompts]
    grouped = [list(_groups(after, tokenizer.eos_token_id)) for _, after in encoded]
    longest = max(len(before) + max(map(len, after)) for before, after in encoded)
    together = max(map(len, grouped)) > 1 and reads_segments(model, longest)
    passes = [
        _Pass(number, tuple(encoded[number][0]), branches)
        for number, groups in enumerate(grouped)
        for branches in _shared(groups, together)
    ]
    scores = np.full((len(prompts), len(answers)), np.nan)
    sparse = can_be_sparse(model)
    with bar(label, len(passes)) as advance:
        for batch in by_length([len(one.tokens) for one in passes], batch_tokens):
            chosen = [passes[index] for index in batch]
            logs = _log_probabilities(model, tokenizer.pad_token_id, chosen, sparse)
            for one, block in zip(chosen, logs, strict=True):
                _add_up(scores[one.prompt], one, block)
            advance(len(batch))
    return scores


def _shared(groups: list[_Group], together: bool) -> Iterator[tuple[_Group, ...]]:
    """All branches behind one prompt, or, where the model cannot keep them apart, one a row."""
    if together:
        yield tuple(groups)
    else:
        yield from ((group,) for group in groups)


def _add_up(scores: np.ndarray, one: _Pass, logs: Tensor) -> None:
    """Every answer's score: behind the prompt its first token, then along its branch."""
    start = 1
    for tokens, group in one.branches:
        along = [0, *range(start, start + len(tokens))]
        for number, answer in group:
            scores[number] = _total(logs[along[: len(answer)]], answer)
        start += len(tokens)


def _groups(encoded: Sequence[Sequence[int]], end: int) -> Iterator[_Group]:
    """Answers that one row of tokens scores, and that row: the longest without its last token."""
    written = _told_apart([tuple(answer) for answer in encoded], end)
    groups: dict[_Tokens, list[tuple[int, _Tokens]]] = {}
    on_the_way: dict[_Tokens, _Tokens] = {}
    for label, after in sorted(enumerate(written), key=lambda one: -len(one[1])):
        common = on_the_way.get(after[:-1], after[:-1])
        groups.setdefault(common, []).append((label, after))
        for start in _starts(common):
            on_the_way.setdefault(start, common)
    for common, group in groups.items():
        yield common, tuple(group)


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
    """For every pass [1 + tokens behind the prompt, vocabulary]."""
    import torch

    device = next(model.parameters()).device
    tokens, mask = pad([one.tokens for one in passes], pad_id)
    at = torch.zeros_like(mask, dtype=torch.bool)
    for row, one in enumerate(passes):
        at[row, len(one.before) - 1 : len(one.tokens)] = True
    inputs = {"input_ids": tokens, "attention_mask": mask}
    if any(len(one.branches) > 1 for one in passes):
        # A padded token is a segment of its own, which nothing real sees.
        segments, _ = pad([one.segments for one in passes], -1)
        places, _ = pad([one.positions for one in passes], 0)
        inputs |= {"attention_mask": additive(segments, shared=True), "position_ids": places}
    moved = {name: value.to(device) for name, value in inputs.items()}
    with torch.no_grad():
        logits = logits_at(model, moved, at.to(device), sparse)
    sizes = [1 + len(one.tokens) - len(one.before) for one in passes]
    return torch.split(logits.log_softmax(-1), sizes)


def _total(logs: Tensor, answer: _Tokens) -> float:
    return float(logs[range(len(answer)), answer].double().sum())


def _pair_scores(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[str],
    answers: Sequence[str],
    *,
    batch_tokens: int,
    label: str,
) -> np.ndarray:
    """The scores of an encoder-decoder model, whose answers are the same after every prompt."""
    import numpy as np

    sources = [encode_source(tokenizer, prompt) for prompt in prompts]
    encoded = [encode_answer(tokenizer, answer) for answer in answers]
    groups = list(_groups(encoded, tokenizer.eos_token_id))
    scores = np.full((len(prompts), len(answers)), np.nan)
    sparse, written = can_be_sparse(model), max(len(common) for common, _ in groups)
    with bar(label, len(prompts)) as advance:
        for batch in by_length([(len(one), written) for one in sources], batch_tokens):
            read = _read(model, tokenizer.pad_token_id, [sources[index] for index in batch])
            for common, group in groups:
                logs = _written(model, read, common, sparse)
                for row, (number, answer) in product(range(len(batch)), group):
                    scores[batch[row], number] = _total(logs[row], answer)
            advance(len(batch))
    return scores


def _read(model: PreTrainedModel, pad_id: int, sources: Sequence[Sequence[int]]) -> dict[str, Any]:
    """What the encoder makes of some prompts, as the model takes it in their place."""
    import torch

    device = next(model.parameters()).device
    tokens, mask = (value.to(device) for value in pad(sources, pad_id))
    with torch.no_grad():
        states = unwrapped(model).get_encoder()(input_ids=tokens, attention_mask=mask)
    return {"encoder_outputs": states, "attention_mask": mask}


def _written(model: PreTrainedModel, read: dict[str, Any], common: _Tokens, sparse: bool) -> Tensor:
    """Log-probabilities behind the opening and behind each of an answer's first tokens.

    Returns:
        [prompts, answer tokens, vocabulary].
    """
    import torch

    opening, mask = opening_of(model), read["attention_mask"]
    row = torch.tensor([*opening, *common], device=mask.device)
    tokens = row.repeat(len(mask), 1)
    at = torch.zeros_like(tokens, dtype=torch.bool)
    at[:, len(opening) - 1 :] = True
    with torch.no_grad():
        logits = logits_at(model, {**read, "decoder_input_ids": tokens}, at, sparse)
    return logits.log_softmax(-1).view(len(mask), len(common) + 1, -1)

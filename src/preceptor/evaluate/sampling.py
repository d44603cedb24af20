"""Texts drawn from a model, each by its own prompt and its own seed alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from preceptor.evaluate import decode
from preceptor.evaluate.stepping import Line, Sampling, Work, choose, write
from preceptor.models.batching import by_length
from preceptor.models.pairs import encode_source, opening_of
from preceptor.models.places import has_places
from preceptor.models.tokens import encode_prompt
from preceptor.progress import bar

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


@dataclass(frozen=True, slots=True)
class Written:
    """A text that a model wrote.

    Attributes:
        text: without special tokens, leading space kept.
        tokens: how many were written, the end token among them.
        ended: whether the model ended it with its end token; else it was cut off.
        mean_log_prob: mean natural-log probability of these tokens under the model, at
            temperature 1 and without top_p and top_k, however they were drawn.
    """

    text: str
    tokens: int
    ended: bool
    mean_log_prob: float


def sample(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[str],
    *,
    seeds: Sequence[int],
    temperature: float,
    top_p: float = 1.0,
    top_k: int = 0,
    max_new_tokens: int,
    batch_tokens: int,
    label: str,
) -> list[Written]:
    """Let a model write after prompts.

    A text depends on its own prompt and seed, never on what is written beside it, as far as sums
    of another order round alike. The checkpoint's own sampling defaults play no part. Run it in
    the precision that is wanted (:mod:`preceptor.models.bf16`).

    A decoder writes all rows side by side in one cache (:mod:`preceptor.models.places`): equal
    prompts that start together are read once, rows leave as they end and others take their
    places. An encoder-decoder model, a decoder with a prefix and one that remembers other things
    than keys and values write through transformers' `generate`, at its speed.

    Args:
        model: a decoder or an encoder-decoder model in eval mode, with or without an adapter.
        tokenizer: its tokenizer; encodes as in :mod:`preceptor.models.tokens` and
            :mod:`preceptor.models.pairs`.
        prompts: what it reads.
        seeds: one a prompt; each decides every token of its text.
        temperature: the logits are divided by it; 0 takes the likeliest token every time.
        top_p: tokens are drawn from the likeliest that hold this share together.
        top_k: before that, from so many of the likeliest; 0 for all.
        max_new_tokens: a text is cut off after this many, the end token included.
        batch_tokens: tokens of a batch: prompt, padding and text.
        label: the progress bar's name.

    Returns:
        What was written after every prompt.

    Raises:
        DataError: a prompt is empty.
        ValueError: there is not a seed for every prompt.
    """
    sampling = Sampling(temperature, top_p, top_k, max_new_tokens)
    rows = encoded(model, tokenizer, prompts)
    work = Work(rows, seeds, sampling, batch_tokens)
    found: dict[int, Written] = {}
    with bar(label, len(rows)) as advance:

        def take(number: int, one: Written) -> None:
            found[number] = one
            advance()

        sample_rows(model, tokenizer, work, take)
    return [found[number] for number in range(len(rows))]


def encoded(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, prompts: Sequence[str]
) -> list[tuple[int, ...]]:
    """What the model reads of prompts, as tokens.

    Raises:
        DataError: one is empty.
    """
    encode = encode_source if opening_of(model) else encode_prompt
    return [tuple(encode(tokenizer, prompt)) for prompt in prompts]


def sample_rows(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    work: Work,
    take: Callable[[int, Written], None],
) -> None:
    """As :func:`sample`, without a progress bar, of prompts that are tokens already.

    Args:
        model: as there.
        tokenizer: as there.
        work: the prompts (:func:`encoded`), their seeds and how tokens are chosen.
        take: gets every text with its prompt's number as soon as it is written, in no order.
    """

    def done(line: Line) -> None:
        take(line.number, _written(tokenizer, line))

    (write if has_places(model) else _generate)(model, tokenizer, work, done)


def generate_scored(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[str],
    *,
    max_new_tokens: int,
    batch_tokens: int,
    label: str,
) -> list[Written]:
    """The likeliest token every time; otherwise as :func:`sample`, whose arguments these are."""
    return sample(
        model,
        tokenizer,
        prompts,
        seeds=[0] * len(prompts),
        temperature=0.0,
        max_new_tokens=max_new_tokens,
        batch_tokens=batch_tokens,
        label=label,
    )


def _written(tokenizer: PreTrainedTokenizerBase, line: Line) -> Written:
    count = len(line.tokens)
    text = decode.text_of(tokenizer, line.tokens)
    return Written(text, count, line.ended, line.log_prob / count)


def _generate(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    work: Work,
    take: Callable[[Line], None],
) -> None:
    """As :func:`preceptor.evaluate.stepping.write`, by transformers' `generate`."""
    sizes = [work.size(number) for number in range(len(work.prompts))]
    for batch in by_length(sizes, work.batch_tokens):
        lines = [work.line(number) for number in batch]
        rows = [work.prompts[number] for number in batch]
        chooser = _Chooser(lines, work.sampling, tokenizer.eos_token_id, _given(model, rows))
        decode.answers_of(model, tokenizer, rows, work.sampling.most, chooser)
        for line in lines:
            take(line)


def _given(model: PreTrainedModel, rows: Sequence[tuple[int, ...]]) -> int:
    """Columns in front of a batch's texts: the prompts, or what answers open with."""
    return len(opening_of(model)) or max(map(len, rows))


class _Chooser:
    """A logits processor that leaves one token to choose from, and notes it."""

    def __init__(self, lines: Sequence[Line], sampling: Sampling, end: int, given: int) -> None:
        self._lines, self._sampling, self._end, self._given = lines, sampling, end, given

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Any:
        import torch

        at = input_ids.shape[1] - self._given
        if at < 0:  # what an answer opens with is not chosen
            return scores
        draws = torch.stack([line.draws[at] for line in self._lines])
        tokens, logs = choose(scores.float(), self._sampling, draws)
        for line, token, log in zip(self._lines, tokens.tolist(), logs.tolist(), strict=True):
            if not line.ended:
                line.add(token, log, self._end)
        alone = torch.full_like(scores, -torch.inf)
        return alone.scatter(1, tokens[:, None], 0.0)

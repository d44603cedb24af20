"""Answers written by a decoder or an encoder-decoder model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from preceptor.evaluate.settings import Decoding
from preceptor.models.batching import by_length, pad
from preceptor.models.pairs import encode_source, opening_of, unwrapped
from preceptor.models.tokens import encode_prompt
from preceptor.progress import bar

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

_BEAMS: dict[Decoding, int] = {"default": 1, "drllama": 5}
_PENALTY = 2.0
_TEMPERATURE = 0.8


@dataclass(frozen=True, slots=True)
class Answer:
    """What was written after a prompt.

    Attributes:
        text: without special tokens, leading space kept.
        ended: whether the model ended it, with its end token; else it was cut off.
    """

    text: str
    ended: bool


def generate(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[str],
    decoding: Decoding,
    *,
    max_new_tokens: int,
    batch_tokens: int,
    label: str,
) -> list[str]:
    """The texts of :func:`answer`, which takes the same."""
    found = answer(
        model,
        tokenizer,
        prompts,
        decoding,
        max_new_tokens=max_new_tokens,
        batch_tokens=batch_tokens,
        label=label,
    )
    return [one.text for one in found]


def answer(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[str],
    decoding: Decoding,
    *,
    max_new_tokens: int,
    batch_tokens: int,
    label: str,
) -> list[Answer]:
    """Let a model answer prompts.

    The checkpoint's own sampling defaults play no part; what an encoder-decoder model's answers
    open with (:mod:`preceptor.models.pairs`) is its own. Prompts of like length are batched,
    padded on the left (on the right for an encoder); a batch's answers are those that its
    prompts would get alone, as far as sums of another order round alike.

    Args:
        model: a decoder or an encoder-decoder model in eval mode, with or without an adapter.
        tokenizer: its tokenizer; encodes as in :mod:`preceptor.models.tokens` and
            :mod:`preceptor.models.pairs`.
        prompts: what it reads.
        decoding: how the next token is chosen.
        max_new_tokens: an answer is cut off after this many.
        batch_tokens: tokens of a batch: prompt, padding and answer, for every beam.
        label: the progress bar's name.

    Returns:
        What was written after every prompt. An encoder-decoder model's answer has no leading
        space.

    Raises:
        DataError: a prompt is empty.
    """
    opening = len(opening_of(model))
    encode = encode_source if opening else encode_prompt
    rows = [encode(tokenizer, prompt) for prompt in prompts]
    sizes = [(len(row) + max_new_tokens) * _BEAMS[decoding] for row in rows]
    config = _config(model, tokenizer, decoding, max_new_tokens)
    written = [Answer("", ended=False)] * len(rows)
    with bar(label, len(rows)) as advance, _own_defaults(model):
        for batch in by_length(sizes, batch_tokens):
            chosen = [rows[index] for index in batch]
            spared = [opening] * len(chosen) if opening else _padding(chosen)
            answers = _answers(model, chosen, config, _processors(decoding, spared), opening)
            for index, tokens in zip(batch, answers, strict=True):
                ended = tokenizer.eos_token_id in tokens
                written[index] = Answer(text_of(tokenizer, tokens), ended)
            advance(len(batch))
    return written


def text_of(tokenizer: PreTrainedTokenizerBase, tokens: Sequence[int]) -> str:
    """Tokens as text, without special ones, leading space kept."""
    text: str = tokenizer.decode(
        tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False
    )
    return text


def _config(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    decoding: Decoding,
    max_new_tokens: int,
) -> Any:
    from transformers import GenerationConfig

    start, *forced = opening_of(model) or (None,)
    return GenerationConfig(
        do_sample=False,
        num_beams=_BEAMS[decoding],
        max_new_tokens=max_new_tokens + len(forced),
        decoder_start_token_id=start,
        forced_bos_token_id=forced[0] if forced else None,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )


@contextmanager
def _own_defaults(model: Any) -> Iterator[None]:
    # `generate` fills what a config leaves open from the checkpoint's, penalties among it.
    from transformers import GenerationConfig

    base = unwrapped(model)
    kept, base.generation_config = base.generation_config, GenerationConfig()
    try:
        yield
    finally:
        base.generation_config = kept


def answers_of(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    rows: Sequence[Sequence[int]],
    max_new_tokens: int,
    processor: Any,
) -> list[list[int]]:
    """Let `generate` answer one batch of rows, each token as a logits processor has it.

    Args:
        model: as for :func:`answer`.
        tokenizer: its tokenizer.
        rows: the prompts' tokens.
        max_new_tokens: an answer is cut off after this many.
        processor: takes the tokens so far and the next one's scores, and returns new scores.

    Returns:
        Every answer's tokens, padded behind its end token.
    """
    from transformers import LogitsProcessorList

    config = _config(model, tokenizer, "default", max_new_tokens)
    opening = len(opening_of(model))
    with _own_defaults(model):
        return _answers(model, rows, config, LogitsProcessorList([processor]), opening)


def _answers(
    model: PreTrainedModel,
    rows: Sequence[Sequence[int]],
    config: Any,
    processors: Any,
    opening: int,
) -> list[list[int]]:
    """What is written behind the prompts, or behind an encoder-decoder model's opening."""
    import torch

    device = next(model.parameters()).device
    tokens, mask = pad(rows, config.pad_token_id, "right" if opening else "left")
    with torch.no_grad():
        whole = model.generate(
            input_ids=tokens.to(device),
            attention_mask=mask.to(device),
            generation_config=config,
            logits_processor=processors,
        )
    answers: list[list[int]] = whole[:, opening or tokens.shape[1] :].tolist()
    return answers


def _padding(rows: Sequence[Sequence[int]]) -> list[int]:
    """How many tokens of padding stand before every row."""
    width = max(len(row) for row in rows)
    return [width - len(row) for row in rows]


def _processors(decoding: Decoding, spared: Sequence[int]) -> Any:
    """Dr. LLaMA's processors, which act on the beams' log-probabilities; none by default.

    Args:
        decoding: whose.
        spared: of every row, how many of its first tokens are not the text's: padding, or what
            an encoder-decoder model's answers open with (BART's start token is its end token).
    """
    from transformers import (
        LogitsProcessorList,
        RepetitionPenaltyLogitsProcessor,
        TemperatureLogitsWarper,
    )

    if decoding == "default":
        return LogitsProcessorList()
    penalty = RepetitionPenaltyLogitsProcessor(_PENALTY)
    counts = [count for count in spared for _ in range(_BEAMS[decoding])]

    def spare(input_ids: Tensor, scores: Tensor) -> Tensor:
        # Where the end token pads, punishing padding would keep a batch's answers from ending.
        real = input_ids.clone()
        for row, count in enumerate(counts):
            if count >= input_ids.shape[1]:
                return scores  # nothing is written yet
            real[row, :count] = input_ids[row, count]
        punished: Tensor = penalty(real, scores)
        return punished

    return LogitsProcessorList([spare, TemperatureLogitsWarper(_TEMPERATURE)])

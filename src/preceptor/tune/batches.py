"""From text pairs to token rows, and from rows to the batches of every update."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, count, islice
from typing import TYPE_CHECKING, Literal

from preceptor.models.batching import Size, cut, tokens_of
from preceptor.models.pairs import PairRow
from preceptor.models.tokens import encode_answers, encode_text
from preceptor.tune.settings import Budget, FitSettings

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

WINDOW = 8
"""Rows are sorted by length within this many full batches: enough to pad little, few enough
that the order of a pass stays random."""


@dataclass(frozen=True, slots=True)
class TextRow:
    """A prompt and its answer for a decoder.

    Attributes:
        tokens: the prompt, the answer and one end token.
        first: the first supervised token; all from there on are. At least 1, since nothing
            predicts the token at 0.
    """

    tokens: tuple[int, ...]
    first: int


@dataclass(frozen=True, slots=True)
class LabelRow:
    """A text and its label for a classifier.

    Attributes:
        tokens: the text with its special tokens.
        label: number of the label.
        soft: a teacher's probability of every label, in their order; empty where there is none.
    """

    tokens: tuple[int, ...]
    label: int
    soft: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class TaughtPair(PairRow):
    """A source and its target that a decoder teaches: it reads the two as one text.

    Attributes:
        read: how the decoder reads it, which is how it was tuned. Its first supervised token is
            the first of those that it and the target both end in: where an answer begins, a text
            that is joined to a prompt may have other tokens (" yes") than one that stands alone
            ("yes"), and the decoder says nothing of those.
    """

    read: TextRow = field(kw_only=True)


Row = TextRow | LabelRow | PairRow
"""PairRow: a source and its target for an encoder-decoder model."""


def size_of(row: Row) -> Size:
    """The tokens of a row; of a pair those of source and target, which are padded apart."""
    if isinstance(row, PairRow):
        return len(row.source), len(row.target)
    return len(row.tokens)


def text_row(
    tokenizer: PreTrainedTokenizerBase, prompt: str, answer: str, loss: Literal["answer", "all"]
) -> TextRow:
    """Tokens of a prompt and the answer after it, ended by one supervised end token.

    Args:
        tokenizer: the student's.
        prompt: what it reads.
        answer: what it shall write.
        loss: supervise the answer alone or the prompt too.

    Raises:
        DataError: the prompt is empty.
    """
    before, (after,) = encode_answers(tokenizer, prompt, [answer])
    first = len(before) if loss == "answer" else 1
    return TextRow((*before, *after, tokenizer.eos_token_id), first)


def label_row(
    tokenizer: PreTrainedTokenizerBase, text: str, label: int, soft: Sequence[float] = ()
) -> LabelRow:
    """Tokens of a text for a classifier, its label and a teacher's probabilities, if any."""
    return LabelRow(tuple(encode_text(tokenizer, text)), label, tuple(soft))


def taught_pair(row: PairRow, read: TextRow) -> TaughtPair:
    """A pair with the way in which a decoder of the same vocabulary reads it.

    Args:
        row: as the student reads it.
        read: the same prompt and answer as one text, the answer supervised.
    """
    own, other = row.target[row.first :], read.tokens[read.first :]
    pairs = zip(reversed(own), reversed(other), strict=False)
    both = next((n for n, (a, b) in enumerate(pairs) if a != b), min(len(own), len(other)))
    read = TextRow(read.tokens, len(read.tokens) - both)
    return TaughtPair(row.source, row.target, row.first, read=read)


def cut_pair(row: PairRow, length: int) -> PairRow:
    """A pair whose target has at most so many tokens; its end is cut, for a decoder too."""
    over = max(0, len(row.target) - length)
    target = row.target[: len(row.target) - over]
    if not isinstance(row, TaughtPair):
        return PairRow(row.source, target, row.first)
    read = row.read.tokens[: len(row.read.tokens) - over]
    first = min(row.read.first, len(read))
    return TaughtPair(row.source, target, row.first, read=TextRow(read, first))


def plan_updates(
    lengths: Sequence[Size], budget: Budget, settings: FitSettings, seed: int
) -> list[list[list[int]]]:
    """Which rows make up every batch of every update.

    A budget of steps takes as many updates from an endless stream of passes; one of epochs
    takes whole passes (and a part of one for a fraction), the last update being smaller where
    the batches do not come out even. Updates reach over the end of a pass.

    Args:
        lengths: tokens of every row (:func:`size_of`).
        budget: how long.
        settings: how large.
        seed: orders the rows.

    Returns:
        Updates of batches of row numbers.
    """
    passes = (_one_pass(lengths, settings, seed, number) for number in count())
    size = settings.accumulation
    if budget.steps is not None:
        batches = list(islice(chain.from_iterable(passes), budget.steps * size))
    else:
        batches = list(_some_passes(passes, budget.epochs or 0))
    return [batches[start : start + size] for start in range(0, len(batches), size)]


def _some_passes(passes: Iterator[list[list[int]]], epochs: float) -> Iterator[list[int]]:
    yield from chain.from_iterable(islice(passes, int(epochs)))
    rest = epochs - int(epochs)
    if rest > 0:
        last = next(passes)
        yield from last[: max(1, round(rest * len(last)))]


def _one_pass(
    lengths: Sequence[Size], settings: FitSettings, seed: int, number: int
) -> list[list[int]]:
    import numpy as np

    random = np.random.default_rng([seed, number])
    order = random.permutation(len(lengths)).tolist()
    batches: list[list[int]] = []
    size = WINDOW * settings.batch_rows
    for start in range(0, len(order), size):
        window = order[start : start + size]
        if settings.layout != "packed":
            window.sort(key=lambda row: tokens_of(lengths[row]))
        made = _cut(window, lengths, settings)
        batches += [made[index] for index in random.permutation(len(made))]
    return batches


def _cut(window: list[int], lengths: Sequence[Size], settings: FitSettings) -> list[list[int]]:
    if settings.layout == "fixed":
        lengths = [_at_least(settings.max_length, length) for length in lengths]
    packed = settings.layout == "packed"
    return cut(window, lengths, settings.batch_tokens, settings.batch_rows, packed=packed)


def _at_least(width: int, size: Size) -> Size:
    if isinstance(size, int):
        return max(width, size)
    return tuple(max(width, part) for part in size)


def supervised(row: Row) -> int:
    """What a row adds to the count that a loss is averaged over."""
    if isinstance(row, PairRow):
        return len(row.target) - row.first
    return len(row.tokens) - row.first if isinstance(row, TextRow) else 1

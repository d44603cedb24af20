"""What an encoder-decoder model reads and writes, as tokens and as tensors.

Its encoder reads a *source*: the prompt with all special tokens of the tokenizer. Its decoder
writes a *target*: what every answer opens with, the answer, and one end token. An answer opens
with the model's start token and, where its generation config forces one (BART's summarizers,
mBART's language codes), the token that is always written first. The decoder reads the target
without its last token and predicts it without its first. The answer's tokens are those of its
text alone: it is joined to no prompt, so white space in front of it falls away.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from preceptor.errors import DataError
from preceptor.models.batching import pad
from preceptor.models.tokens import encode_text

if TYPE_CHECKING:
    import torch
    from torch import Tensor
    from transformers import GenerationConfig, PreTrainedModel, PreTrainedTokenizerBase

Opening = tuple[int, ...]
"""the start token and, if there is one, the token that is always written first"""


@dataclass(frozen=True, slots=True)
class PairRow:
    """A source and its target for an encoder-decoder model.

    Attributes:
        source: what the encoder reads.
        target: the opening, the answer and one end token; a cut answer has none.
        first: the first supervised token of the target; all from there on are. At least 1:
            nothing predicts the start token.
    """

    source: tuple[int, ...]
    target: tuple[int, ...]
    first: int = 1

    @property
    def tokens(self) -> tuple[int, ...]:
        """Source and target, one behind the other."""
        return self.source + self.target


def opening_of(model: PreTrainedModel) -> Opening:
    """What a model's answers open with; empty for other models than encoder-decoders.

    Args:
        model: with or without a PEFT adapter.
    """
    if not model.config.is_encoder_decoder:
        return ()
    return opening_by(unwrapped(model).generation_config)


def opening_by(generation: GenerationConfig) -> Opening:
    """What answers open with, by a generation config."""
    forced = generation.forced_bos_token_id
    start = (generation.decoder_start_token_id,)
    return start if forced is None else (*start, forced)


def unwrapped(model: Any) -> Any:
    """The transformers model of a student, with or without a PEFT adapter."""
    return model.get_base_model() if hasattr(model, "peft_config") else model


def encode_source(tokenizer: PreTrainedTokenizerBase, prompt: str) -> list[int]:
    """The tokens that the encoder reads.

    Raises:
        DataError: there are none.
    """
    source = encode_text(tokenizer, prompt)
    if not source:
        raise DataError("a prompt is empty", found=repr(prompt), fix="look at task.prompt")
    return source


def encode_answer(tokenizer: PreTrainedTokenizerBase, answer: str) -> list[int]:
    """An answer's own tokens, without opening and end."""
    text = answer.lstrip()
    return list(tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"])


def pair_row(
    tokenizer: PreTrainedTokenizerBase, opening: Opening, prompt: str, answer: str, first: int = 1
) -> PairRow:
    """Tokens of a prompt and of the answer to it, ended by one supervised end token.

    Args:
        tokenizer: the student's.
        opening: what the model's answers open with (:func:`opening_of`).
        prompt: what it reads.
        answer: what it shall write.
        first: see :class:`PairRow`. Training supervises a forced first token too, as the model's
            own pretraining did; scores begin with the answer, at ``len(opening)``.

    Raises:
        DataError: the prompt is empty.
    """
    source = encode_source(tokenizer, prompt)
    answered = (*opening, *encode_answer(tokenizer, answer), tokenizer.eos_token_id)
    return PairRow(tuple(source), answered, first)


@dataclass(frozen=True)
class PairBatch:
    """Rows ready for an encoder-decoder model.

    Attributes:
        inputs: ``input_ids`` and ``attention_mask`` [rows, source tokens], and
            ``decoder_input_ids`` [rows, target tokens - 1]. The decoder needs no mask: its
            padding stands behind all that it predicts.
        at: [rows, target tokens - 1], true where the next token is supervised.
        targets: [supervised], the tokens to predict, row by row.
    """

    inputs: dict[str, Tensor]
    at: Tensor
    targets: Tensor


def pair_batch(
    rows: Sequence[PairRow], pad_id: int, device: torch.device, width: int = 0
) -> PairBatch:
    """Pad rows on the right, sources and targets apart.

    Args:
        rows: what the batch holds.
        pad_id: the tokenizer's pad token.
        device: where to.
        width: tokens of a source and of a target, at least.
    """
    import torch

    sources, mask = pad([row.source for row in rows], pad_id, width=width)
    read, _ = pad([row.target[:-1] for row in rows], pad_id, width=width - 1)
    at = torch.zeros(read.shape, dtype=torch.bool)
    for number, row in enumerate(rows):
        at[number, row.first - 1 : len(row.target) - 1] = True
    targets = torch.tensor([token for row in rows for token in row.target[row.first :]])
    inputs = {"input_ids": sources, "attention_mask": mask, "decoder_input_ids": read}
    placed = {name: value.to(device) for name, value in inputs.items()}
    return PairBatch(placed, at.to(device), targets.to(device))

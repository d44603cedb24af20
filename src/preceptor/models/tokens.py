"""Text to tokens: one way for training, generation and label scores alike.

A prompt is encoded with what the tokenizer puts in front (a begin token, if any) and without
its trailing whitespace, which moves to the answer, as in lm-evaluation-harness: most tokenizers
join a space with the word behind it, so a prompt that ends in one would never be continued as
it was trained. The answer's tokens are what prompt and answer together have beyond the prompt's
tokens; where joining them changes the prompt's own tokens, the answer is encoded apart, so that
what is trained and scored always starts from the tokens that a generation starts from.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from preceptor.data.splits import TooLong
from preceptor.errors import DataError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def encode_prompt(tokenizer: PreTrainedTokenizerBase, prompt: str) -> list[int]:
    """The tokens that an answer is written after.

    Raises:
        DataError: there are none.
    """
    return encode_answers(tokenizer, prompt, ())[0]


def encode_answers(
    tokenizer: PreTrainedTokenizerBase, prompt: str, answers: Sequence[str]
) -> tuple[list[int], list[list[int]]]:
    """The tokens of a prompt and those of every answer after it, without an end token.

    Raises:
        DataError: the prompt has no tokens.
    """
    kept = prompt.rstrip()
    space = prompt[len(kept) :]
    bare = _bare(tokenizer, kept)
    before = [*_leading(tokenizer), *bare]
    if not before:
        raise DataError("a prompt is empty", found=repr(prompt), fix="look at task.prompt")
    return before, [_after(tokenizer, kept, bare, space + answer) for answer in answers]


def _after(
    tokenizer: PreTrainedTokenizerBase, prompt: str, bare: list[int], answer: str
) -> list[int]:
    joined = _bare(tokenizer, prompt + answer)
    whole = joined[: len(bare)] == bare
    return joined[len(bare) :] if whole else _bare(tokenizer, answer)


def encode_text(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    """A text with all special tokens of the tokenizer, as an encoder reads it."""
    return list(tokenizer(text, verbose=False)["input_ids"])


def fit_input(
    tokenizer: PreTrainedTokenizerBase,
    frame: Callable[[str], str],
    text: str,
    room: int,
    action: TooLong,
    *,
    example_id: str,
) -> tuple[str, bool]:
    """Make an example's shown input fit, by cutting whole words of it and nothing around it.

    Args:
        tokenizer: the student's.
        frame: puts the input into the prompt (the identity for an encoder).
        text: the input as shown.
        room: tokens that the framed input may have, special tokens included.
        action: refuse, or cut words from the input's start or end.
        example_id: named in the error.

    Returns:
        The input, and whether it was cut.

    Raises:
        DataError: it is too long and shall not be cut, or not even one word would be left.
    """

    def size(shown: str) -> int:
        return len(encode_text(tokenizer, frame(shown)))

    tokens = size(text)
    if tokens <= room:
        return text, False
    cut = "" if action == "refuse" else _longest(text, action, lambda part: size(part) <= room)
    if not cut:
        raise _too_long(example_id, tokens, room, action)
    return cut, True


def _longest(text: str, action: TooLong, fits: Callable[[str], bool]) -> str:
    words = list(re.finditer(r"\S+", text))

    def part(count: int) -> str:
        if count == 0:
            return ""
        if action == "truncate_start":
            return text[words[-count].start() :]
        return text[: words[count - 1].end()]

    low, high = 0, len(words)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(part(middle)) else (low, middle)
    return part(low)


def _too_long(example_id: str, tokens: int, room: int, action: TooLong) -> DataError:
    refused = action == "refuse"
    return DataError(
        "an input is too long for the student"
        if refused
        else "an input does not fit the student even when it is cut to one word",
        where=f"example {example_id}",
        found=f"{tokens} tokens",
        expected=f"at most {room}",
        fix="set data.too_long to truncate_end or truncate_start, or raise fit.max_length"
        if refused
        else "shorten the prompt template, or raise fit.max_length",
    )


def _leading(tokenizer: PreTrainedTokenizerBase) -> list[int]:
    # Asked of the tokenizer itself: BioGPT and OPT put their end token in front, GPT-2 nothing.
    probe = _bare(tokenizer, "a")
    whole = encode_text(tokenizer, "a")
    start = next(i for i in range(len(whole)) if whole[i : i + len(probe)] == probe)
    return whole[:start]


def _bare(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    return list(tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"])

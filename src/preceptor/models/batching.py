"""Rows of different length as padded batches of bounded size."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from torch import Tensor


Size = int | tuple[int, ...]
"""Tokens of a row; of what is padded apart (source and target) one number each."""


def cut(
    order: Iterable[int],
    lengths: Sequence[Size],
    max_tokens: int,
    max_rows: int | None = None,
    *,
    packed: bool = False,
) -> list[list[int]]:
    """Cut rows, in the given order, into batches.

    Args:
        order: row numbers.
        lengths: tokens of every row.
        max_tokens: tokens of a batch with its padding; a longer row is a batch of its own.
        max_rows: rows of a batch.
        packed: rows stand one behind the other, so nothing is padded.
    """
    batches: list[list[int]] = []
    widest: tuple[int, ...] = ()
    total = 0
    for row in order:
        parts = _parts(lengths[row])
        widest = tuple(map(max, widest, parts)) if batches else parts
        total += sum(parts)
        size = len(batches[-1]) + 1 if batches else 1
        tokens = total if packed else sum(widest) * size
        if not batches or tokens > max_tokens or (max_rows is not None and size > max_rows):
            batches.append([])
            widest, total = parts, sum(parts)
        batches[-1].append(row)
    return batches


def _parts(size: Size) -> tuple[int, ...]:
    return (size,) if isinstance(size, int) else size


def tokens_of(size: Size) -> int:
    """All tokens of a row."""
    return sum(_parts(size))


def by_length(lengths: Sequence[Size], max_tokens: int) -> list[list[int]]:
    """Cut rows into batches of like length, the longest first: a batch too large fails at once."""
    order = sorted(range(len(lengths)), key=lambda row: -tokens_of(lengths[row]))
    return cut(order, lengths, max_tokens)


def pad(
    rows: Sequence[Sequence[int]],
    value: int,
    side: Literal["left", "right"] = "right",
    *,
    width: int = 0,
) -> tuple[Tensor, Tensor]:
    """Pad rows to one length, the longest row's or ``width`` if that is more.

    Returns:
        Tokens [rows, longest] and their mask [rows, longest], 1 where a token is real.
    """
    import torch

    width = max(width, *(len(row) for row in rows))
    tokens = torch.full((len(rows), width), value, dtype=torch.long)
    mask = torch.zeros((len(rows), width), dtype=torch.long)
    for number, row in enumerate(rows):
        real = slice(width - len(row), width) if side == "left" else slice(len(row))
        tokens[number, real] = torch.tensor(row, dtype=torch.long)
        mask[number, real] = 1
    return tokens, mask

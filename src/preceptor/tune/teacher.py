"""A tuned model that teaches: its logits wherever the student's are supervised.

The teacher does not change, so what enters its head at these positions is computed once a row
where there is room, and the logits, some hundred times larger, are made of it at every update.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

from preceptor.errors import DataError, PreceptorError
from preceptor.models.batching import by_length
from preceptor.models.bf16 import prepared
from preceptor.models.head import entering_head, head_width, logits_of, vocabulary_size
from preceptor.models.logits import can_be_sparse, logits_at
from preceptor.models.pairs import PairRow
from preceptor.models.window import context_window
from preceptor.progress import bar
from preceptor.tune.batches import Row, TaughtPair, size_of, supervised
from preceptor.tune.collate import Batch, collate
from preceptor.tune.distil import Distil, Said
from preceptor.tune.settings import FitSettings

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

ROOM = 2**30
"""bytes that hidden states may take; a position of SmolLM2 has 2,304"""


class Teacher:
    """Answers for batches of a student's rows.

    Every process of ``accelerate launch`` has a teacher of its own.

    Attributes:
        model: frozen, in eval mode, where the student is.
        tokens: entries of both heads that are compared.
        settings: the training's.
    """

    def __init__(
        self, distil: Distil, student: nn.Module, settings: FitSettings, pad_id: int
    ) -> None:
        assert distil.teacher is not None
        self.device: torch.device = next(student.parameters()).device
        self.model = distil.teacher.to(self.device).requires_grad_(False).eval()
        self.tokens = _shared(distil, student)
        self.settings, self._pad_id = settings, pad_id
        self._sparse = can_be_sparse(self.model)
        self._states: dict[Row, Tensor] = {}

    def taught(self, row: Row) -> int:
        """Supervised tokens of a row that the teacher says something of."""
        return supervised(self._read(row))

    def _read(self, row: Row) -> Row:
        """A row as the teacher reads it."""
        if not isinstance(row, PairRow) or self.model.config.is_encoder_decoder:  # type: ignore[union-attr]
            return row
        if isinstance(row, TaughtPair):
            return row.read
        raise PreceptorError(
            "a decoder cannot teach rows of source and target that do not say how it reads them",
            fix="make them by study.inputs, of a student with distill set",
        )

    def check(self, rows: Sequence[Row]) -> None:
        """Refuse rows that the teacher cannot read.

        Raises:
            DataError: one is longer than it can see.
            PreceptorError: they are of another kind than it reads.
        """
        if self.model.config.is_encoder_decoder and not isinstance(rows[0], PairRow):  # type: ignore[union-attr]
            raise PreceptorError("an encoder-decoder model cannot teach a decoder's rows")
        longest = max(max(_sizes(self._read(row))) for row in rows)
        window = _window(self.model)
        if window is not None and longest > window:
            raise DataError(
                "a training row is longer than the teacher can see",
                found=f"{longest} tokens",
                expected=f"at most {window}",
                fix="lower fit.max_length",
            )

    def keep(self, rows: Sequence[Row], visits: float, label: str) -> dict[str, Any]:
        """Compute once what enters the head for every row, where that is worth it.

        Call it as the training runs, under its autocast.

        Args:
            rows: what will be trained on.
            visits: how many rows this process will read in all updates.
            label: the progress bar's name.

        Returns:
            ``bytes`` and ``seconds``, or ``off`` with the reason: the teacher then reads every
            batch anew, to the same end.
        """
        started = time.perf_counter()
        different = list(dict.fromkeys(self._read(row) for row in rows))
        if not self._sparse:
            return {"off": "this teacher's head cannot be run at chosen positions alone"}
        if visits <= len(different):
            return {"off": "hardly a row is read twice"}
        needed = sum(map(supervised, different)) * head_width(self.model) * 4
        if needed > ROOM:
            return {"off": f"{needed / 1e9:.2f} GB of hidden states, more than {ROOM / 1e9:.2f}"}
        with bar(label, len(different)) as advance:
            found = self._each(different, self._entering, advance)
        self._states = dict(zip(different, found, strict=True))
        size = sum(one.numel() * one.element_size() for one in found)
        return {"bytes": size, "seconds": time.perf_counter() - started}

    def said(self, rows: Sequence[Row]) -> Said:
        """The teacher's logits at the supervised tokens of some rows; called under autocast."""
        import torch

        read = [self._read(row) for row in rows]
        if self._states:
            logits = logits_of(self.model, torch.cat([self._states[row] for row in read]))
        else:
            logits = torch.cat(self._each(read, self._logits))
        # Of a TaughtPair it says nothing of the tokens before those that both end in.
        counts = [(supervised(row), supervised(own)) for row, own in zip(rows, read, strict=True)]
        at = [n >= all_of - taught for all_of, taught in counts for n in range(all_of)]
        return Said(torch.tensor(at), logits[:, : self.tokens])

    def _each(
        self,
        rows: Sequence[Row],
        run: Callable[[Batch], Tensor],
        advance: Callable[[int], None] = lambda _: None,
    ) -> list[Tensor]:
        """What ``run`` gives for every row, from batches of like length."""
        import torch

        found: dict[int, Tensor] = {}
        for batch in by_length([size_of(row) for row in rows], self.settings.batch_tokens):
            chosen = [rows[index] for index in batch]
            whole = run(collate(chosen, self._pad_id, self.device))
            parts = torch.split(whole, [supervised(row) for row in chosen])
            found |= zip(batch, parts, strict=True)
            advance(len(batch))
        return [found[index] for index in range(len(rows))]

    def _entering(self, batch: Batch) -> Tensor:
        assert batch.at is not None
        return entering_head(self.model, batch.inputs, batch.at)

    def _logits(self, batch: Batch) -> Tensor:
        import torch

        assert batch.at is not None
        with torch.no_grad():
            return logits_at(self.model, batch.inputs, batch.at, self._sparse)


def ready(teacher: Teacher | None) -> AbstractContextManager[None]:
    """While the block runs a teacher is ready for the precision of the training."""
    if teacher is None:
        return nullcontext()
    return prepared(teacher.model, teacher.settings.precision)


def _window(model: nn.Module) -> int | None:
    """Tokens that a teacher sees at once, less those of its prefix."""
    window = context_window(model.config)
    adapters: Any = getattr(model, "peft_config", {})
    prefix = sum(one.num_virtual_tokens for one in adapters.values() if one.is_prompt_learning)
    return None if window is None else window - prefix


def _sizes(row: Row) -> tuple[int, ...]:
    size = size_of(row)
    return (size,) if isinstance(size, int) else size


def _shared(distil: Distil, student: nn.Module) -> int:
    """Entries of both heads that mean the same.

    Raises:
        PreceptorError: the heads are not equally long, and nothing says what they share.
    """
    assert distil.teacher is not None
    own, other = vocabulary_size(student), vocabulary_size(distil.teacher)
    if distil.tokens is None and own != other:
        raise PreceptorError(
            "the teacher writes in another vocabulary than the student",
            found=f"{other} tokens",
            expected=f"{own}, as the student has",
            fix="distil from a teacher with the student's tokenizer",
        )
    return min(own, other) if distil.tokens is None else min(own, other, distil.tokens)

"""What a fit cannot begin with: no rows, rows too long, a layout or a teacher that do not suit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from preceptor.errors import DataError, PreceptorError
from preceptor.models.packing import reads_segments
from preceptor.models.pairs import PairRow
from preceptor.models.window import context_window
from preceptor.tune.batches import Row, TextRow
from preceptor.tune.distil import Distil
from preceptor.tune.distil import check as check_distil
from preceptor.tune.settings import FitSettings

if TYPE_CHECKING:
    from torch import nn


def check(
    model: nn.Module, rows: Sequence[Row], settings: FitSettings, distil: Distil | None
) -> None:
    """Refuse before anything is computed.

    Raises:
        DataError: there are no rows, one is longer than the model can see, or one has too few
            soft labels.
        PreceptorError: nothing is trainable, or layout or distillation do not suit the model.
    """
    if not rows:
        raise DataError("there is nothing to train on", fix="look at what curation rejected")
    if not any(value.requires_grad for value in model.parameters()):
        raise PreceptorError("no parameter of the model is trainable", fix="attach a method")
    longest = max(map(_longest, rows))
    window = context_window(model.config)
    if window is not None and longest > window:
        raise DataError(
            "a training row is longer than the model can see",
            found=f"{longest} tokens",
            expected=f"at most {window}",
            fix="set data.too_long to truncate_end, or lower fit.max_length",
        )
    packed = settings.layout == "packed"
    if packed and not (isinstance(rows[0], TextRow) and reads_segments(model, longest)):
        raise PreceptorError(
            "rows of this student cannot be packed: it would see one row from another",
            found=f"{type(model).__name__}, rows of up to {longest} tokens",
            fix="set fit.layout to padded",
        )
    if distil is not None:
        check_distil(distil, model, rows)


def _longest(row: Row) -> int:
    """Tokens that one stack of blocks sees at once."""
    if isinstance(row, PairRow):
        return max(len(row.source), len(row.target) - 1)
    return len(row.tokens)

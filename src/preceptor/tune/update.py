"""One update: the gradient of some batches, accumulated and shared, and one step of the weights."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NotRequired, TypedDict

from preceptor.errors import PreceptorError
from preceptor.models.logits import can_be_sparse, logits_at
from preceptor.models.parameters import trained
from preceptor.models.partial import logits_above
from preceptor.tune.batches import LabelRow, Row, supervised
from preceptor.tune.collate import Batch, collate, lay_out
from preceptor.tune.distil import Distil, Said, losses, soft_labels
from preceptor.tune.optimizer import optimizer_for, rate
from preceptor.tune.settings import FitSettings
from preceptor.tune.teacher import Teacher
from preceptor.tune.trunk import Trunk

if TYPE_CHECKING:
    from torch import Tensor, nn

_NARROW = 0.5
"""The last block runs at chosen positions alone where they are at most this share of a line."""
_TOKENS_AT_ONCE = 32_768
"""tokens, padding included, whose hidden states (width x 4 bytes each) may be held at once"""


class Step(TypedDict):
    """One update: its number from 1 on, the mean loss of what it averaged over, its rate.

    Of a distillation also the mean cross-entropy of the hard labels (``hard``) and, over what the
    teacher says something of, the mean soft loss (``soft``), absent where that is nothing.
    """

    update: int
    loss: float
    learning_rate: float
    hard: NotRequired[float]
    soft: NotRequired[float]


class Forward:
    """How a batch of rows becomes a loss: autocast, layout, and what need not be computed.

    Attributes:
        logits: which logits are computed, see :class:`preceptor.tune.fit.FitReport`.
        trunk: the frozen half, where there is one.
        teacher: the model that teaches, where there is one.
    """

    def __init__(
        self, model: nn.Module, settings: FitSettings, pad_id: int, distil: Distil | None = None
    ) -> None:
        self.model, self.settings, self.pad_id = model, settings, pad_id
        self.device = next(model.parameters()).device
        self.trunk: Trunk | None = None
        self.distil, self.teacher = distil, None
        if distil is not None and distil.teacher is not None:
            self.teacher = Teacher(distil, model, settings, pad_id)
        self.logits: Literal["supervised", "all", "classifier"] = "classifier"
        if model.can_generate():  # type: ignore[operator]
            self.logits = "supervised" if can_be_sparse(model) else "all"

    def autocast(self) -> AbstractContextManager[Any]:
        """The precision that the settings ask for."""
        import torch

        if self.settings.precision == "fp32":
            return nullcontext()
        return torch.autocast(self.device.type, torch.bfloat16)

    def losses(self, rows: Sequence[Row]) -> Tensor:
        """The loss of the rows, summed over their supervised tokens (or labels).

        Returns:
            [1]: cross-entropy; of a distillation [3], see :func:`preceptor.tune.distil.losses`.
        """
        from torch.nn.functional import cross_entropy

        width = self.settings.max_length if self.settings.layout == "fixed" else 0
        batch = collate(rows, self.pad_id, self.device, self.settings.layout, width)
        with self.autocast():
            logits = self._logits(batch, rows).float()
            said = self._said(rows, logits)
        if self.distil is None or said is None:
            return cross_entropy(logits, batch.targets, reduction="sum")[None]
        return losses(logits, batch.targets, said, self.distil)

    def taught(self, row: Row) -> int:
        """What of a row (:func:`supervised`) a teacher says something of."""
        if self.teacher is not None:
            return self.teacher.taught(row)
        return int(self.distil is not None and isinstance(row, LabelRow) and bool(row.soft))

    def _said(self, rows: Sequence[Row], logits: Tensor) -> Said | None:
        if self.teacher is not None:
            return self.teacher.said(rows)
        held = [row for row in rows if isinstance(row, LabelRow)]
        return soft_labels(held, logits) if self.distil is not None else None

    def together(self, batches: Sequence[Sequence[Row]]) -> Sequence[Sequence[Row]]:
        """The batches of an update as they are run.

        Above a cached trunk that runs at a few positions alone, hardly any memory is needed, and
        the head's gradient, as large as the head, need not be added up batch by batch.
        """
        whole = [row for rows in batches for row in rows]
        tokens = len(whole) * max(len(row.tokens) for row in whole)
        few = tokens <= _TOKENS_AT_ONCE and self._narrow(whole)
        return [whole] if few and self.settings.layout == "padded" else batches

    def _narrow(self, rows: Sequence[Row]) -> bool:
        """Whether the last block runs at the supervised positions alone."""
        if self.trunk is None or not self.trunk.narrow:
            return False
        longest = max(len(row.tokens) for row in rows)
        return max(supervised(row) for row in rows) <= _NARROW * longest

    def _logits(self, batch: Batch, rows: Sequence[Row]) -> Tensor:
        if batch.at is None:
            logits: Tensor = self.model(**batch.inputs).logits
            return logits
        if self.trunk is None:
            return logits_at(self.model, batch.inputs, batch.at, self.logits == "supervised")
        states = lay_out([self.trunk.states(row) for row in rows], batch)
        depth, narrow = self.trunk.depth, self._narrow(rows)
        return logits_above(self.model, depth, states, batch.inputs, batch.at, narrow=narrow)


def open_teaching(
    forward: Forward, rows: Sequence[Row], visits: float, label: str
) -> dict[str, Any]:
    """Make a teacher ready for the rows of a training.

    Args:
        forward: the student's.
        rows: what it learns from.
        visits: how many rows this process will read in all updates.
        label: the progress bar's name.

    Returns:
        An account of the distillation for the result: ``temperature``, ``weight``, the share of
        the rows or supervised tokens that are ``taught``, and of a teacher's model whether the
        hidden ``states`` before its head were kept (:meth:`preceptor.tune.teacher.Teacher.keep`);
        ``off`` without one.

    Raises:
        DataError: a row is longer than the teacher can see.
        PreceptorError: it cannot read such rows.
    """
    distil, teacher = forward.distil, forward.teacher
    if distil is None:
        return {"off": "not asked for"}
    account: dict[str, Any] = {"temperature": distil.temperature, "weight": distil.weight}
    if teacher is not None:
        teacher.check(rows)
        with forward.autocast():
            account["states"] = teacher.keep(rows, visits, label)
    taught = sum(map(forward.taught, rows)) / sum(map(supervised, rows))
    return {**account, "taught": taught}


def mean_losses(history: Sequence[Step]) -> dict[str, float]:
    """The means of the hard and the soft loss over the updates that have them."""
    hard = [step["hard"] for step in history if "hard" in step]
    soft = [step["soft"] for step in history if "soft" in step]
    means = {"hard": hard, "soft": soft}
    return {name: sum(values) / len(values) for name, values in means.items() if values}


@dataclass
class Updater:
    """Makes updates.

    Every process of ``accelerate launch`` takes its share of every batch's rows; losses and
    gradients are added up, so that an update is the same however many share it.

    Attributes:
        forward: how rows become a loss.
        learning_rate: the peak.
        updates: how many there will be.
    """

    forward: Forward
    learning_rate: float
    updates: int

    def __post_init__(self) -> None:
        from accelerate import Accelerator
        from torch.optim.lr_scheduler import LambdaLR

        # A rule that held this object would keep the optimiser's moments until Python finds the
        # circle, long after training.
        settings, updates = self.forward.settings, self.updates
        self.accelerator = Accelerator()
        self.optimizer = optimizer_for(self.forward.model, settings, self.learning_rate)
        self.schedule = LambdaLR(self.optimizer, lambda done: rate(done, updates, settings))

    def update(self, number: int, batches: Sequence[Sequence[Row]]) -> Step:
        """Accumulate the gradient of some batches and move the weights once."""
        import torch

        model, settings = self.forward.model, self.forward.settings
        losses = self._gradient(batches)
        norm = float(torch.nn.utils.clip_grad_norm_(model.parameters(), settings.max_grad_norm))
        rate_now = float(self.schedule.get_last_lr()[0])
        step = Step(update=number, loss=losses[0], learning_rate=rate_now)
        if len(losses) > 1:
            step["hard"] = losses[1]
        if len(losses) > 2:
            step["soft"] = losses[2]
        _check_finite(step, norm)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.schedule.step()
        return step

    def _gradient(self, batches: Sequence[Sequence[Row]]) -> list[float]:
        """Accumulate the gradient; the mean losses as :class:`Step` has them."""
        rows = [row for batch in batches for row in batch]
        whole = sum(map(supervised, rows))
        rank, processes = self.accelerator.process_index, self.accelerator.num_processes
        found = [0.0] if self.forward.distil is None else [0.0, 0.0, 0.0]
        for batch in self.forward.together(batches):
            mine = batch[rank::processes]
            if mine:
                shares = self.forward.losses(mine) / whole
                self.accelerator.backward(shares[0])
                found = [a + b for a, b in zip(found, shares.tolist(), strict=True)]
        if processes > 1:
            found = self._added_up(found)
        taught = sum(map(self.forward.taught, rows))
        soft = [loss * whole / taught for loss in found[2:] if taught]
        return [*found[:2], *soft]

    def _added_up(self, losses: list[float]) -> list[float]:
        """Gradients and losses of all processes together."""
        import torch

        for value in trained(self.forward.model).values():
            if value.grad is None:
                value.grad = torch.zeros_like(value)
            torch.distributed.all_reduce(value.grad)
        total = torch.tensor(losses, dtype=torch.float64, device=self.forward.device)
        torch.distributed.all_reduce(total)
        summed: list[float] = total.tolist()
        return summed

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps of the optimiser."""
        return {"optimizer": self.optimizer.state_dict(), "schedule": self.schedule.state_dict()}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from :meth:`state`."""
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])


def _check_finite(step: Step, norm: float) -> None:
    if math.isfinite(step["loss"]) and math.isfinite(norm):
        return
    raise PreceptorError(
        "training broke down: the loss or its gradient is not a number",
        where=f"update {step['update']}",
        found=f"loss {step['loss']}, gradient norm {norm}",
        fix=f"lower the learning rate (it was {step['learning_rate']:.2g}), lengthen the "
        "warm-up, or use precision fp32",
    )

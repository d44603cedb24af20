"""The fitting loop: rows in, a trained model and an account of it out."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from preceptor.errors import DataError, PreceptorError
from preceptor.models.decoder import context_window
from preceptor.models.logits import can_be_sparse, logits_at
from preceptor.models.seeding import seeded
from preceptor.progress import bar
from preceptor.tune.batches import Batch, Row, TextRow, collate, plan_updates, supervised
from preceptor.tune.memory import PeakMemory
from preceptor.tune.settings import Budget, FitSettings

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torch.optim import Optimizer


class Step(TypedDict):
    """One update: its number from 1 on, the mean loss of what it averaged over, its rate."""

    update: int
    loss: float
    learning_rate: float


@dataclass(frozen=True)
class FitReport:
    """What a fit did.

    Attributes:
        updates: optimiser updates.
        tokens_seen: real tokens that went through the model, padding not counted.
        seconds: wall time of the updates.
        peak_memory_bytes: see :class:`preceptor.tune.memory.PeakMemory`.
        history: every update.
        logits: ``supervised`` if only those were computed, ``all`` where the model's family
            does not allow it; ``classifier`` for a classifier.
        precision: fp32, or bf16 autocast.
        device: where it ran.
    """

    updates: int
    tokens_seen: int
    seconds: float
    peak_memory_bytes: int
    history: list[Step]
    logits: Literal["supervised", "all", "classifier"]
    precision: Literal["fp32", "bf16"]
    device: str


def fit(
    model: nn.Module,
    rows: Sequence[Row],
    budget: Budget,
    settings: FitSettings,
    *,
    learning_rate: float,
    seed: int,
    label: str,
    pad_id: int,
) -> FitReport:
    """Train a model in place.

    The loss is cross-entropy summed over an update's supervised tokens (decoder) or rows
    (classifier) and divided by their number, so that it does not depend on how the update was
    cut into batches. The same arguments on the same machine with the same number of threads
    give the same weights, byte for byte (on a CPU).

    Args:
        model: with the right parameters trainable; left in eval mode, on the device it ran on.
        rows: what it learns from, all of one kind.
        budget: how long.
        settings: batches, optimiser, schedule, precision.
        learning_rate: the peak.
        seed: orders the rows and draws dropout.
        label: the progress bar's name.
        pad_id: the tokenizer's pad token.

    Raises:
        DataError: there are no rows, or one is longer than the model can see.
        PreceptorError: nothing is trainable, or the loss or its gradient is not a number.
    """
    _check(model, rows)
    plan = plan_updates([len(row.tokens) for row in rows], budget, settings, seed)
    run = _Run(model, settings, learning_rate, len(plan), is_text=isinstance(rows[0], TextRow))
    started = time.perf_counter()
    with seeded(seed), bar(label, len(plan)) as advance, PeakMemory() as memory, run.training():
        for batches in plan:
            run.update([[rows[index] for index in batch] for batch in batches], pad_id)
            memory.look()
            advance()
    return FitReport(
        updates=len(plan),
        tokens_seen=run.tokens,
        seconds=time.perf_counter() - started,
        peak_memory_bytes=memory.bytes,
        history=run.history,
        logits=run.logits,
        precision=settings.precision,
        device=str(run.device),
    )


def _check(model: nn.Module, rows: Sequence[Row]) -> None:
    if not rows:
        raise DataError("there is nothing to train on", fix="look at what curation rejected")
    if not any(value.requires_grad for value in model.parameters()):
        raise PreceptorError("no parameter of the model is trainable", fix="attach a method")
    longest = max(len(row.tokens) for row in rows)
    window = context_window(model.config)
    if window is not None and longest > window:
        raise DataError(
            "a training row is longer than the model can see",
            found=f"{longest} tokens",
            expected=f"at most {window}",
            fix="set data.too_long to truncate_end, or lower fit.max_length",
        )


class _Run:
    """What lasts from update to update."""

    def __init__(
        self,
        model: nn.Module,
        settings: FitSettings,
        learning_rate: float,
        updates: int,
        *,
        is_text: bool,
    ) -> None:
        from accelerate import Accelerator
        from torch.optim.lr_scheduler import LambdaLR

        self.accelerator = Accelerator()
        self.device = self.accelerator.device
        self.settings = settings
        optimizer = optimizer_for(model, settings, learning_rate)
        self.model, self.optimizer = self.accelerator.prepare(model, optimizer)
        self.schedule = LambdaLR(optimizer, lambda done: rate(done, updates, settings))
        self.logits = self._logits() if is_text else "classifier"
        self.tokens = 0
        self.history: list[Step] = []

    def _logits(self) -> Literal["supervised", "all"]:
        return "supervised" if can_be_sparse(self.model) else "all"

    @contextmanager
    def training(self) -> Iterator[None]:
        """Dropout on while the block runs."""
        self.model.train()
        try:
            yield
        finally:
            self.model.eval()

    def update(self, batches: Sequence[Sequence[Row]], pad_id: int) -> None:
        """Accumulate the gradient of some batches and move the weights once."""
        whole = sum(supervised(row) for rows in batches for row in rows)
        loss = 0.0
        for rows in batches:
            batch = collate(rows, pad_id, self.device)
            share = self._loss(batch) / whole
            self.accelerator.backward(share)
            loss += share.item()
            self.tokens += batch.tokens
        norm = self.accelerator.clip_grad_norm_(
            self.model.parameters(), self.settings.max_grad_norm
        )
        learning_rate = float(self.schedule.get_last_lr()[0])
        step = Step(update=len(self.history) + 1, loss=loss, learning_rate=learning_rate)
        _check_finite(step, float(norm))
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.schedule.step()
        self.history.append(step)

    def _loss(self, batch: Batch) -> Tensor:
        import torch
        from torch.nn.functional import cross_entropy

        bf16 = self.settings.precision == "bf16"
        with torch.autocast(self.device.type, torch.bfloat16, enabled=bf16):
            if batch.at is None:
                logits = self.model(**batch.inputs).logits
            else:
                sparse = self.logits == "supervised"
                logits = logits_at(self.model, batch.inputs, batch.at, sparse)
        return cross_entropy(logits.float(), batch.targets, reduction="sum")


def optimizer_for(model: nn.Module, settings: FitSettings, learning_rate: float) -> Optimizer:
    """AdamW over what is trainable; weight decay on matrices alone, not on biases and norms."""
    from torch.optim import AdamW

    trained = [value for value in model.parameters() if value.requires_grad]
    groups: list[dict[str, Any]] = [
        {"params": [value for value in trained if value.ndim > 1]},
        {"params": [value for value in trained if value.ndim <= 1], "weight_decay": 0.0},
    ]
    return AdamW(
        [group for group in groups if group["params"]],
        lr=learning_rate,
        weight_decay=settings.weight_decay,
        fused=True,  # a sixth off MiniLM's whole update on a CPU
    )


def rate(done: int, updates: int, settings: FitSettings) -> float:
    """The share of the peak learning rate after ``done`` of ``updates`` updates.

    Rises linearly over the warm-up, whose last update has the peak, then falls linearly to
    reach 0 after the last update, or stays.
    """
    warmup = math.ceil(settings.warmup * updates)
    if done < warmup:
        return (done + 1) / warmup
    if settings.schedule == "constant":
        return 1.0
    return (updates - done) / max(1, updates - warmup)


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

"""The fitting loop: rows in, a trained model and an account of it out."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from preceptor.errors import PreceptorError
from preceptor.models.bf16 import prepared
from preceptor.models.seeding import seeded
from preceptor.progress import bar
from preceptor.tune.batches import Row, plan_updates, size_of
from preceptor.tune.checkpoint import Checkpoint
from preceptor.tune.distil import Distil
from preceptor.tune.memory import PeakMemory, reuse_freed
from preceptor.tune.refusals import check
from preceptor.tune.settings import Budget, FitSettings
from preceptor.tune.teacher import ready
from preceptor.tune.trunk import TrunkCache, open_trunk
from preceptor.tune.update import Forward, Step, Updater, mean_losses, open_teaching
from preceptor.tune.watch import Look, Watch

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class FitReport:
    """What a fit did.

    Attributes:
        updates: optimiser updates.
        tokens_seen: real tokens that went through the model, padding not counted; a cached
            trunk's tokens count each time.
        seconds: wall time of the updates, of the looks between them, and of the hidden states
            that the trunk cache did not have yet.
        peak_memory_bytes: see :class:`preceptor.tune.memory.PeakMemory`.
        history: every update.
        looks: every look at the validation split.
        best_update: the update whose weights the model has; the last without looks.
        logits: ``supervised`` if only those were computed, ``all`` where the model's family
            does not allow it; ``classifier`` for a classifier.
        layout: how rows became batches.
        trunk: the trunk cache's account (:func:`preceptor.tune.trunk.open_trunk`).
        distil: the distillation's account (:func:`preceptor.tune.update.open_teaching`), with the
            means of ``hard`` and ``soft`` (:class:`preceptor.tune.update.Step`) over all updates.
        precision: fp32, or bf16 autocast.
        device: where it ran.
        processes: how many processes shared every update.
    """

    updates: int
    tokens_seen: int
    seconds: float
    peak_memory_bytes: int
    history: list[Step]
    looks: list[Look]
    best_update: int
    logits: Literal["supervised", "all", "classifier"]
    layout: str
    trunk: dict[str, Any]
    distil: dict[str, Any]
    precision: Literal["fp32", "bf16"]
    device: str
    processes: int


@dataclass(frozen=True)
class Aids:
    """What a fit may use beside its model and rows.

    Attributes:
        trunk: where hidden states of frozen blocks are kept; nowhere, and none are.
        watch: what to judge the model by every ``validate_every`` updates.
        checkpoint: where to keep the state of a long training, and to go on from.
        distil: a teacher's probabilities to learn beside the hard labels.
    """

    trunk: TrunkCache | None = None
    watch: Watch | None = None
    checkpoint: Checkpoint | None = None
    distil: Distil | None = None


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
    aids: Aids | None = None,
) -> FitReport:
    """Train a model in place.

    The loss is cross-entropy (and the soft loss of a distillation) summed over an update's
    supervised tokens (decoder, encoder-decoder) or rows (classifier) and divided by their number,
    so that it does not depend on how the update was cut into batches or shared among processes
    (``accelerate launch``). The same arguments on the same machine with the same number of threads
    give the same weights, byte for byte (on a CPU), whether or not the training was killed and
    went on from a checkpoint.

    Args:
        model: with the right parameters trainable; left in eval mode, on the device it ran on.
        rows: what it learns from, all of one kind.
        budget: how long.
        settings: batches, optimiser, schedule, precision.
        learning_rate: the peak.
        seed: orders the rows and draws dropout.
        label: the progress bar's name.
        pad_id: the tokenizer's pad token.
        aids: trunk cache, watch, checkpoint and distillation.

    Raises:
        DataError: there are no rows, or one is longer than the model (or its teacher) can see.
        PreceptorError: nothing is trainable, the loss or its gradient is not a number, the
            layout does not suit the model, ``trunk_cache: on`` cannot be kept, or the
            distillation does not suit the model.
    """
    aids = aids or Aids()
    check(model, rows, settings, aids.distil)
    plan = plan_updates([size_of(row) for row in rows], budget, settings, seed)
    reuse_freed()
    forward = Forward(_placed(model), settings, pad_id, aids.distil)
    run = _Run(Updater(forward, learning_rate, len(plan)), aids)
    with (
        seeded(seed + run.updater.accelerator.process_index),
        PeakMemory() as memory,
        prepared(model, settings.precision),
        ready(forward.teacher),
    ):
        visits = sum(len(batch) for batches in plan for batch in batches)
        taught = open_teaching(forward, rows, visits / run.processes, label)
        trunk = _open_trunk(forward, rows, aids.trunk, label)
        with bar(label, len(plan)) as advance, _training(model):
            advance(run.resume())
            while run.goes_on:
                run.update([[rows[index] for index in batch] for batch in plan[run.done]])
                memory.look()
                advance()
    return run.report(memory.bytes, trunk, taught)


def _placed(model: nn.Module) -> nn.Module:
    from accelerate import Accelerator

    return model.to(Accelerator().device)


@contextmanager
def _training(model: nn.Module) -> Iterator[None]:
    """Dropout on while the block runs."""
    model.train()
    try:
        yield
    finally:
        model.eval()


def _open_trunk(
    forward: Forward, rows: Sequence[Row], cache: TrunkCache | None, label: str
) -> dict[str, Any]:
    wanted = forward.settings.trunk_cache
    if wanted == "off" or cache is None:
        return {"off": "not asked for"}
    forward.model.eval()
    with forward.autocast():
        precision = forward.settings.precision
        forward.trunk, account = open_trunk(forward.model, rows, cache, precision, label)
    if forward.trunk is None and wanted == "on":
        fix = "set fit.trunk_cache to auto"
        raise PreceptorError("the trunk cannot be cached", found=account["off"], fix=fix)
    return account


class _Run:
    """What lasts from update to update, and what a checkpoint keeps of it."""

    def __init__(self, updater: Updater, aids: Aids) -> None:
        self.updater, self.aids = updater, aids
        self.model, self.settings = updater.forward.model, updater.forward.settings
        self.history: list[Step] = []
        self.tokens = 0
        self.started = time.perf_counter()

    @property
    def done(self) -> int:
        """Updates so far."""
        return len(self.history)

    @property
    def processes(self) -> int:
        """How many share every update."""
        return int(self.updater.accelerator.num_processes)

    @property
    def goes_on(self) -> bool:
        """Whether there is an update to make: some are left, and patience is not spent."""
        watch = self.aids.watch
        patient = watch is None or watch.is_patient(self.settings.patience)
        return self.done < self.updater.updates and patient

    @property
    def seconds(self) -> float:
        """Of the whole training, the part before a checkpoint included."""
        return time.perf_counter() - self.started

    def resume(self) -> int:
        """Go on from a checkpoint, if there is one; how many updates it had done."""
        kept = self.aids.checkpoint.read(self.model) if self.aids.checkpoint else None
        if kept is not None:
            self.updater.restore(kept)
            self.history, self.tokens = kept["history"], kept["tokens"]
            self.started -= kept["seconds"]
            if self.aids.watch is not None:
                self.aids.watch.looks, self.aids.watch.best = kept["looks"], kept["best"]
        return self.done

    def update(self, batches: Sequence[Sequence[Row]]) -> None:
        """One update, and a look at validation and a checkpoint where it is time for them."""
        self.history.append(self.updater.update(self.done + 1, batches))
        self.tokens += sum(len(row.tokens) for rows in batches for row in rows)
        watch, every = self.aids.watch, self.settings.validate_every
        last = self.done == self.updater.updates
        if watch is not None and every is not None and (last or self.done % every == 0):
            watch.look(self.model, self.done)
        checkpoint = self.aids.checkpoint
        main = self.updater.accelerator.is_main_process
        if checkpoint is not None and checkpoint.is_due and main:
            checkpoint.write(self.model, self._kept())

    def _kept(self) -> dict[str, Any]:
        watch = self.aids.watch
        return {
            **self.updater.state(),
            "history": self.history,
            "tokens": self.tokens,
            "seconds": self.seconds,
            "looks": [] if watch is None else watch.looks,
            "best": {} if watch is None else watch.best,
        }

    def report(self, peak_memory: int, trunk: dict[str, Any], taught: dict[str, Any]) -> FitReport:
        """End with the best look's weights, and tell what was done."""
        watch = self.aids.watch
        best = None if watch is None else watch.best_look
        if watch is not None and best is not None:
            watch.restore(self.model)
        return FitReport(
            updates=self.done,
            tokens_seen=self.tokens,
            seconds=self.seconds,
            peak_memory_bytes=peak_memory,
            history=self.history,
            looks=[] if watch is None else watch.looks,
            best_update=self.done if best is None else best["update"],
            logits=self.updater.forward.logits,
            layout=self.settings.layout,
            trunk=trunk,
            distil=taught | mean_losses(self.history),
            precision=self.settings.precision,
            device=str(self.updater.forward.device),
            processes=self.processes,
        )

"""The peers' side: TRL's SFTTrainer, and a plain loop as a careful person would write it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from benchmarks.measure import Meter
from benchmarks.tune import student

if TYPE_CHECKING:
    from torch import Tensor

Job = dict[str, Any]
IGNORED = -100


def trl(job: Job) -> dict[str, Any]:
    """Fit every setting with SFTTrainer; its construction is not timed."""
    model, _ = student.load(job["weights"], job["method"], job["seed"])
    start = student.trainable(model)
    meter, losses, ends = Meter(), [], []
    for setting in job["settings"]:
        student.restore(model, start)
        _unpatch(model)
        trainer, clock = _trainer(job, setting, model)
        with meter:
            trainer.train()
        losses.append([step["loss"] for step in trainer.state.log_history if "loss" in step])
        ends.append(clock.ends)
    times = [b - a for a, b in zip(ends[0], ends[0][1:], strict=False)]
    return _told(meter, losses, job) | {"update_seconds": times}


def _told(meter: Meter, losses: list[list[float]], job: Job) -> dict[str, Any]:
    return {
        "seconds": meter.seconds,
        "before_bytes": meter.before_bytes,
        "peak_bytes": meter.peak_bytes,
        "losses": losses,
        "micro_rows": job["micro_rows"],
    }


def _trainer(job: Job, setting: dict[str, float], model: Any) -> tuple[Any, Any]:
    from datasets import Dataset
    from transformers import AutoTokenizer
    from trl import SFTConfig, SFTTrainer

    planned = job["order"] == "planned"
    config = SFTConfig(
        output_dir=os.environ["BENCH_FOLDER"],
        per_device_train_batch_size=job["micro_rows"],
        gradient_accumulation_steps=job["update_rows"] // job["micro_rows"],
        max_steps=job["updates"],
        train_sampling_strategy="sequential" if planned else job["order"],
        learning_rate=setting["learning_rate"],
        weight_decay=setting["weight_decay"],
        lr_scheduler_type="linear",
        warmup_steps=0,
        max_grad_norm=job["max_grad_norm"],
        optim="adamw_torch_fused",
        gradient_checkpointing=False,
        bf16=job["dtype"] == "bf16",
        use_cpu=True,
        max_length=None,
        packing=False,
        completion_only_loss=True,
        logging_steps=1,
        logging_nan_inf_filter=False,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        seed=job["seed"],
    )
    order = [row for update in job["plan"] for row in update]
    rows = [job["rows"][row] for row in order] if planned else job["rows"]
    clock = _clock()
    trainer = SFTTrainer(
        model=model,
        args=config,
        train_dataset=Dataset.from_list([_masked(*row) for row in rows]),
        processing_class=AutoTokenizer.from_pretrained(job["weights"]),
        callbacks=[clock],
    )
    return trainer, clock


def _masked(tokens: list[int], first: int) -> dict[str, list[int]]:
    mask = [0] * first + [1] * (len(tokens) - first)
    return {"input_ids": tokens, "completion_mask": mask}


def _clock() -> Any:
    import time

    from transformers import TrainerCallback

    class Clock(TrainerCallback):  # type: ignore[misc]
        def __init__(self) -> None:
            self.ends: list[float] = []

        def on_train_begin(self, *args: Any, **kwargs: Any) -> None:
            self.ends.append(time.perf_counter())

        def on_step_end(self, *args: Any, **kwargs: Any) -> None:
            self.ends.append(time.perf_counter())

    return Clock()


def _unpatch(model: Any) -> None:
    # SFTTrainer and accelerate put their own forward on the model and leave it there.
    for part in (model, model.get_base_model() if hasattr(model, "get_base_model") else model):
        part.__dict__.pop("forward", None)


def plain(job: Job) -> dict[str, Any]:
    """Fit every setting with a loop of its own: rows of an update sorted by length and cut by a
    token budget, logits at the supervised positions only."""
    model, pad_id = student.load(job["weights"], job["method"], job["seed"])
    start = student.trainable(model)
    meter, losses = Meter(), []
    for setting in job["settings"]:
        student.restore(model, start)
        with meter:
            losses.append(_loop(job, setting, model, pad_id))
    return _told(meter, losses, job)


def _loop(job: Job, setting: dict[str, float], model: Any, pad_id: int) -> list[float]:
    import torch
    from torch.optim.lr_scheduler import LambdaLR

    optimizer = _adamw(model, setting)
    schedule = LambdaLR(optimizer, lambda done: 1 - done / job["updates"])
    trained = [value for value in model.parameters() if value.requires_grad]
    history: list[float] = []
    torch.manual_seed(job["seed"])
    model.train()
    for update in job["plan"]:
        rows = [job["rows"][row] for row in update]
        whole = sum(len(tokens) - first for tokens, first in rows)
        total = 0.0
        for batch in _by_length(rows, job["micro_tokens"]):
            loss = _loss(model, batch, pad_id, job["dtype"]) / whole
            loss.backward()
            total += loss.item()
        torch.nn.utils.clip_grad_norm_(trained, job["max_grad_norm"])
        optimizer.step()
        optimizer.zero_grad()
        schedule.step()
        history.append(total)
    model.eval()
    return history


def _adamw(model: Any, setting: dict[str, float]) -> Any:
    from torch.optim import AdamW

    trained = [value for value in model.parameters() if value.requires_grad]
    matrices = {"params": [value for value in trained if value.ndim > 1]}
    others = {"params": [value for value in trained if value.ndim <= 1], "weight_decay": 0.0}
    groups = [group for group in (matrices, others) if group["params"]]
    decay = setting["weight_decay"]
    return AdamW(groups, lr=setting["learning_rate"], weight_decay=decay, fused=True)


def _by_length(rows: Sequence[Any], max_tokens: int) -> Iterator[list[Any]]:
    batch: list[Any] = []
    for row in sorted(rows, key=lambda row: len(row[0])):
        if batch and len(row[0]) * (len(batch) + 1) > max_tokens:
            yield batch
            batch = []
        batch.append(row)
    yield batch


def _loss(model: Any, rows: Sequence[Any], pad_id: int, dtype: str) -> Tensor:
    import torch
    from torch.nn.functional import cross_entropy

    inputs, labels = _pad(rows, pad_id)
    decoder = model.get_base_model() if hasattr(model, "get_base_model") else model
    at = labels != IGNORED
    with torch.autocast("cpu", torch.bfloat16, enabled=dtype == "bf16"):
        hidden = decoder.model(**inputs, use_cache=False).last_hidden_state
        logits = decoder.lm_head(hidden[at])
    return cross_entropy(logits.float(), labels[at], reduction="sum")


def _pad(rows: Sequence[Any], pad_id: int) -> tuple[dict[str, Tensor], Tensor]:
    import torch

    shape = len(rows), max(len(tokens) for tokens, _ in rows)
    ids, mask = torch.full(shape, pad_id), torch.zeros(shape, dtype=torch.long)
    labels = torch.full(shape, IGNORED)
    for number, (tokens, first) in enumerate(rows):
        ids[number, : len(tokens)] = torch.tensor(tokens)
        mask[number, : len(tokens)] = 1
        labels[number, first - 1 : len(tokens) - 1] = torch.tensor(tokens[first:])
    return {"input_ids": ids, "attention_mask": mask}, labels

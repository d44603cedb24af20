"""Training that two processes share, as `accelerate launch` starts them: that of one process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate import Accelerator

from fixtures_models import tiny_decoder
from preceptor.models.seeding import seeded
from preceptor.tune.distil import Distil
from preceptor.tune.fit import FitReport
from preceptor.tune.methods import lora
from tune import test_distil, test_resume

TESTS = Path(__file__).parent.parent
_SCRIPT = f"""
import sys; sys.path.insert(0, {str(TESTS)!r})
from tune.test_processes import share
share(sys.argv[1])
"""


def plain() -> tuple[FitReport, dict[str, torch.Tensor]]:
    """A training with accumulated updates, and the weights that it ends with."""
    with seeded(0):
        model = lora.attach(tiny_decoder(), lora.LoraSettings(dropout=0.0))
    report = test_resume.train(model, accumulation=2, steps=4)
    return report, test_resume.tensors(model)


def distilled(kind: str) -> FitReport:
    """A classifier that learns probabilities of labels, or a decoder those of every token."""
    options: Any = {"batch_rows": 3, "accumulation": 2}
    if kind == "labels":
        return test_distil.train(
            test_distil.bert(), test_distil.LABELLED, Distil(2.0, 0.5), **options
        )
    teacher = tiny_decoder(**test_distil.WIDER)
    return test_distil.train(test_distil.llama(), distil=Distil(2.0, 0.5, teacher), **options)


def share(out: str) -> None:
    """What each of the processes does; the first writes what came of it."""
    report, parts = plain()
    reports = {"plain": report} | {kind: distilled(kind) for kind in ("labels", "tokens")}
    if os.environ["RANK"] == "0":
        found = {
            "histories": {name: one.history for name, one in reports.items()},
            "processes": [one.processes for one in reports.values()],
            "weights": {name: part.tolist() for name, part in parts.items()},
        }
        Path(out).write_text(json.dumps(found))
    Accelerator().wait_for_everyone()
    Accelerator().end_training()


def launched(folder: Path) -> dict[str, Any]:
    script, out = folder / "script.py", folder / "out.json"
    script.write_text(_SCRIPT)
    # On a CPU `accelerate launch` starts several processes through mpirun alone; this is how
    # it starts them on GPUs, kept to the CPU.
    launch = ["launch", "--multi_gpu", "--num_processes", "2", "--num_machines", "1"]
    options = ["--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port", "0"]
    command = [sys.executable, "-m", "accelerate.commands.accelerate_cli", *launch, *options]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"}
    subprocess.run([*command, str(script), str(out)], check=True, env=environment, timeout=240)
    found: dict[str, Any] = json.loads(out.read_text())
    return found


def test_two_processes_have_the_losses_of_one(tmp_path: Path) -> None:
    found = launched(tmp_path)
    assert found["processes"] == [2, 2, 2]
    histories = found["histories"]
    report, parts = plain()
    for one, two in zip(report.history, histories["plain"], strict=True):
        assert one["loss"] == pytest.approx(two["loss"], rel=1e-5)
    for name, part in parts.items():
        torch.testing.assert_close(part, torch.tensor(found["weights"][name]), rtol=1e-3, atol=1e-5)
    for kind in ("labels", "tokens"):
        for one, two in zip(distilled(kind).history, histories[kind], strict=True):
            assert one == pytest.approx(two, rel=1e-4)

"""A study under ``accelerate launch``: one process runs it, the other trains with it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from study.conftest import Cli, Place

SETS = (
    *("seeds=1", "baselines.teacher=[]", "students.bert.arms=[none]"),
    *("students.llama.grid={}", "students.llama.method.dropout=0"),
)
TAUGHT = ("arms={none: none, rewrite: rewrite}", "students.llama.arms=null")
LAUNCH = [
    *(sys.executable, "-m", "accelerate.commands.accelerate_cli", "launch", "--multi_gpu"),
    *("--num_processes", "2", "--num_machines", "1", "--mixed_precision", "no"),
    *("--dynamo_backend", "no", "--main_process_port", "0", "-m", "preceptor"),
]


def shared(place: Place, *arguments: str) -> subprocess.CompletedProcess[str]:
    # As `accelerate launch` starts processes on GPUs, kept to the CPU.
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"}
    return subprocess.run(
        [*LAUNCH, "run", str(place.study), *arguments],
        env=environment,
        timeout=300,
        capture_output=True,
        text=True,
        check=False,
    )


def sets(*more: str) -> list[str]:
    return [part for one in (*SETS, *more) for part in ("--set", one)]


def losses(place: Place, out: str) -> dict[str, list[float]]:
    folder = place.folder / out / "cells"
    return {
        str(path.parent.relative_to(folder)): [step["loss"] for step in told(path)]
        for path in sorted(folder.rglob("history.json"))
    }


def told(path: Any) -> list[dict[str, float]]:
    found: list[dict[str, float]] = json.loads(path.read_text())
    return found


def test_two_processes_run_a_study_with_the_losses_of_one(place: Place, cli: Cli) -> None:
    ended = shared(place, "--out", "shared", *sets(*TAUGHT))
    assert ended.returncode == 0, ended.stderr[-2000:]
    assert ended.stdout.count("report: ") == 1
    calls = place.server.calls
    assert calls > 0
    assert cli("run", place.study, "--out", "alone", *sets(*TAUGHT)) == 0
    assert place.server.calls == calls  # the second run finds every answer in the cache
    together, alone = losses(place, "shared"), losses(place, "alone")
    decoders = [name for name in alone if name.startswith("llama")]
    assert len(decoders) == 2
    for name in decoders:
        assert together[name] == pytest.approx(alone[name], rel=1e-4)
    assert {cell["processes"] for cell in place.results("shared")["cells"]} == {2}


def test_a_cell_that_fails_and_a_study_that_cannot_work_end_both(place: Place) -> None:
    broken = ("arms={none: none}", "students.llama.method.learning_rate=1.0e+30")
    ended = shared(place, "--out", "broken", *sets(*broken))
    assert ended.returncode == 1
    results = place.results("broken")
    assert {row["id"].split("/")[0] for row in results["failed"]} == {"llama"}
    assert {row["id"].split("/")[0] for row in results["cells"]} == {"bert"}
    ended = shared(place, "--out", "none", "--set", "students.bert.arms=[nobody]")
    assert ended.returncode == 1
    assert "no arm is named 'nobody'" in ended.stderr

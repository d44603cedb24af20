"""Contenders in turn, each in a process of its own, repeated, and what is said of them.

A contender is a function ``module:function`` that takes one JSON object and returns another.
"""

from __future__ import annotations

import importlib
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("torch", "transformers", "peft", "accelerate", "trl", "lm_eval", "datasets")
FLAGS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16", "amx_tile")

Result = dict[str, Any]


def alone(contender: str, job: Mapping[str, Any], threads: int) -> Result:
    """Run a contender in a process of its own.

    Args:
        contender: ``module:function``.
        job: its argument; must be JSON.
        threads: of torch and of whatever else asks OpenMP.

    Raises:
        subprocess.CalledProcessError: it failed; its own words stand on stderr.
    """
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        asked, told = Path(folder) / "job.json", Path(folder) / "result.json"
        asked.write_text(json.dumps(dict(job)), "utf-8")
        command = [sys.executable, "-m", "benchmarks.contest", contender, str(asked), str(told)]
        environment = _environment(threads, folder)
        subprocess.run(command, cwd=ROOT, env=environment, check=True, stdout=sys.stderr)
        result: Result = json.loads(told.read_text("utf-8"))
    return result


def _environment(threads: int, folder: str) -> dict[str, str]:
    count = str(threads)
    return os.environ | {
        "OMP_NUM_THREADS": count,
        "MKL_NUM_THREADS": count,
        "TOKENIZERS_PARALLELISM": "false",
        "HF_HUB_OFFLINE": "1",
        "HF_DATASETS_CACHE": str(Path(folder) / "datasets"),
        "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
        "TRANSFORMERS_VERBOSITY": "error",
        "PYTHONWARNINGS": "ignore::FutureWarning",
        "CUDA_VISIBLE_DEVICES": "",
        "BENCH_FOLDER": folder,
    }


def contest(
    jobs: Mapping[str, tuple[str, Mapping[str, Any]]], repeats: int, threads: int
) -> dict[str, list[Result]]:
    """Every contender ``repeats`` times, in turn (A B C A B C ...), so that a slow minute of the
    machine does not fall on one of them alone.

    Args:
        jobs: name to (``module:function``, job).
        repeats: how often.
        threads: as for :func:`alone`.
    """
    results: dict[str, list[Result]] = {name: [] for name in jobs}
    for number in range(repeats):
        for name, (contender, job) in jobs.items():
            result = alone(contender, job, threads)
            results[name].append(result)
            print(f"{name}, {number + 1} of {repeats}: {result['seconds']:.1f} s", file=sys.stderr)
    return results


def summary(results: Sequence[Result]) -> Result:
    """All times and memories of a contender, their medians, and the rest of its first result."""
    once = {key: value for key, value in results[0].items() if key not in _MEASURED}
    measured = {key: [result[key] for result in results] for key in _MEASURED}
    medians = {f"median_{key}": median(values) for key, values in measured.items()}
    return {**medians, **measured, **once}


_MEASURED = ("seconds", "peak_bytes", "before_bytes")


def machine(threads: int, packages: Sequence[str] = PACKAGES) -> Result:
    """The processor, its load before the run, and the versions of everything that counts."""
    info = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    fields = dict(line.split(":", 1) for line in info if ":" in line)
    named = {key.strip(): value.strip() for key, value in fields.items()}
    return {
        "cpu": named.get("model name", platform.processor()),
        "cores": os.cpu_count(),
        "flags": [flag for flag in FLAGS if flag in named.get("flags", "").split()],
        "threads": threads,
        "load_before": os.getloadavg()[0],
        "python": platform.python_version(),
        "versions": {name: version(name) for name in packages},
        "commit": _commit(),
    }


def _commit() -> str:
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def write(path: Path, value: Mapping[str, Any]) -> None:
    """Write a result, making its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(dict(value), indent=1) + "\n", "utf-8")


def _child(contender: str, asked: str, told: str) -> None:
    import torch

    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    module, _, function = contender.partition(":")
    result = getattr(importlib.import_module(module), function)(
        json.loads(Path(asked).read_text("utf-8"))
    )
    Path(told).write_text(json.dumps(result), "utf-8")


if __name__ == "__main__":
    _child(*sys.argv[1:])

"""Where a run was made: what must be the same for the same predictions."""

from __future__ import annotations

import os
import platform
import re
from importlib.metadata import PackageNotFoundError, version

import preceptor

_PACKAGES = (
    *("torch", "transformers", "peft", "accelerate", "tokenizers", "numpy", "scipy", "pyarrow"),
    *("openai", "xllamacpp", "scikit-learn"),
)


def environment(jobs: int = 1) -> dict[str, object]:
    """Versions, processor, threads and device, as JSON values.

    Args:
        jobs: how many cells are trained at a time.
    """
    import torch

    return {
        "preceptor": preceptor.__version__,
        "python": platform.python_version(),
        **{name: _version(name) for name in _PACKAGES},
        "platform": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "jobs": jobs,
        "threads_per_job": job_threads(jobs),
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
    }


def job_threads(jobs: int) -> int:
    """The threads of each of several processes: what the user has set, or its share of the cores.

    One process takes as many as torch does.
    """
    import torch

    if jobs == 1:
        return torch.get_num_threads()
    named = re.match(r"[1-9]\d*", os.environ.get("OMP_NUM_THREADS", ""))
    return int(named[0]) if named else max(1, cores() // jobs)


def cores() -> int:
    """The processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _processor() -> str:
    """The processor's name; Linux tells it in a file alone."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            names = [
                line.partition(":")[2].strip() for line in file if line.startswith("model name")
            ]
    except OSError:
        names = []
    return names[0] if names else platform.processor() or platform.machine()

"""Where a run was made: what must be the same for the same predictions."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version

import preceptor

_PACKAGES = ("torch", "transformers", "peft", "accelerate", "openai", "xllamacpp", "scikit-learn")


def environment() -> dict[str, object]:
    """Versions, processor, threads and device, as JSON values."""
    import torch

    return {
        "preceptor": preceptor.__version__,
        "python": platform.python_version(),
        **{name: _version(name) for name in _PACKAGES},
        "platform": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
    }


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

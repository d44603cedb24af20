"""The command line: one command per verb. Starts without torch, transformers or openai."""

from __future__ import annotations

import logging
import os

# In the order of `preceptor --help`.
from preceptor.cli import studies, runs, answers, models  # isort: skip
from preceptor.cli.app import app

__all__ = ["answers", "app", "main", "models", "runs", "studies"]

_NO_TELEMETRY = {"HF_HUB_DISABLE_TELEMETRY": "1", "DO_NOT_TRACK": "1", "WANDB_ERROR_REPORTING": "0"}


def main() -> None:
    """The entry point."""
    # Libraries that count their users read these when they are imported; a user's setting wins.
    for name, value in _NO_TELEMETRY.items():
        os.environ.setdefault(name, value)
    # Beside other work, threads of libgomp that spin while they wait made training 6 times as
    # slow (measured); read when torch loads libgomp, and a user's own setting wins.
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")
    # PEFT imports bitsandbytes wherever it is installed, which then warns of a missing kernel.
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
    app()

"""What tells one saved model from another, wherever it and its base lie."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from preceptor.models.files import sha256
from preceptor.models.save import BASE, record_of
from preceptor.store.fingerprint import fingerprint

_ADAPTER = "adapter_config.json"
_OTHERS = (BASE, "preceptor.json", "README.md", _ADAPTER)
"""where the base lay, which cell it was, the card; the adapter's config counts but for its base's
place"""
_PLACES = ("base_model_name_or_path", "revision")


def saved_identity(folder: Path) -> str:
    """SHA-256 over all of a saved model that decides what it writes: what was trained, tokenizer,
    adapter, and the base that it stands on.

    Args:
        folder: what :func:`preceptor.models.save.save` wrote.

    Raises:
        WeightsError: the folder is none that ``save`` wrote.
    """
    record = record_of(folder)
    files = sorted(path for path in folder.iterdir() if path.name not in _OTHERS)
    return fingerprint(
        {
            "files": {path.name: sha256(path) for path in files},
            "adapter": _adapter(folder / _ADAPTER),
            "form": record["form"],
            "base": None if record["form"] == "whole" else record["identity"],
        }
    )


def _adapter(config: Path) -> dict[str, Any] | None:
    if not config.is_file():
        return None
    told: dict[str, Any] = json.loads(config.read_text("utf-8"))
    # PEFT writes the names of the layers in the order of a set.
    return {
        key: sorted(value, key=str) if isinstance(value, list) else value
        for key, value in told.items()
        if key not in _PLACES
    }

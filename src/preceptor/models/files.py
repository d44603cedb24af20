"""Slow facts about weight files (a hash, a format), read once and kept by size and time."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

from preceptor.store.atomic import write_text
from preceptor.store.cache import cache_folder
from preceptor.store.fingerprint import file_hash, fingerprint

# Everything that changes what a model computes: not its README, nor where it came from, which
# names paths as they were written when it was converted or saved.
_MODEL_FILES = ("*.safetensors", "*.json", "*.txt", "*.model", "*.jinja")
_ORIGINS = ("converted.json", "base.json")


def remembered(path: Path, fact: str, read: Callable[[Path], str]) -> str:
    """A fact about a file, from the user's cache unless the file has changed since.

    Args:
        path: the file; its size and time of change tell whether it is still the same.
        fact: the fact's name.
        read: how to find it out.
    """
    stat = path.stat()
    key = fingerprint([str(path.resolve()), stat.st_size, stat.st_mtime_ns])
    kept = cache_folder() / "files" / f"{key[:32]}.{fact}"
    if not kept.is_file():
        write_text(kept, read(path))
    return kept.read_text("utf-8")


def sha256(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    return remembered(path, "sha256", file_hash)


def model_hash(folder: Path) -> str:
    """SHA-256 over the files of a model folder that decide what it computes."""
    files = sorted({path for pattern in _MODEL_FILES for path in folder.glob(pattern)})
    return fingerprint({path.name: sha256(path) for path in files if path.name not in _ORIGINS})


def quantization(path: Path) -> str:
    """How a GGUF file rounds its weights, in llama.cpp's words: Q4_1, say."""
    return remembered(path, "quantization", _read_quantization)


def _read_quantization(path: Path) -> str:
    from gguf import LlamaFileType

    number = _header(path, path.stat().st_mtime_ns).get("file_type")
    if number is None:
        return "unknown"
    name: str = LlamaFileType(number).name
    return name.removeprefix("MOSTLY_").removeprefix("ALL_")


def gguf_licence(path: Path) -> str:
    """The licence that a GGUF file's header names; empty for none."""
    return remembered(
        path, "licence", lambda file: str(_header(file, file.stat().st_mtime_ns).get("license", ""))
    )


@lru_cache(maxsize=4)
def _header(path: Path, stamp: int) -> dict[str, Any]:
    """What a GGUF file says of itself in general; reading it takes two seconds."""
    from gguf import GGUFReader

    fields = GGUFReader(path).fields.items()
    general = "general."
    return {
        key.removeprefix(general): field.contents()
        for key, field in fields
        if key.startswith(general)
    }

"""Slow facts about weight files (a hash, a format), read once and kept by size and time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

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
    from gguf import GGUFReader, LlamaFileType

    field = GGUFReader(path).get_field("general.file_type")
    if field is None:
        return "unknown"
    name: str = LlamaFileType(field.contents()).name
    return name.removeprefix("MOSTLY_").removeprefix("ALL_")

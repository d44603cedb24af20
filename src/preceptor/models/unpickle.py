"""The process that reads a pickle: this file is all that runs beside it, and torch.

Started by :mod:`preceptor.models.convert` as ``python -m preceptor.models.unpickle``, without
the user's environment. Its standard input is one line of JSON, ``{"files", "folder", "tied"}``,
and stays open as long as the parent lives. Its standard output is one line of JSON: for every
file the names and digests of its tensors, or what is wrong with it.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

_WRAPPERS = ("state_dict", "model_state_dict", "model")
_FORBIDDEN = re.compile(r"(?:GLOBAL|class|operand|function) '?([A-Za-z_][\w.]*\.\w+)")


class RefusedError(Exception):
    """A checkpoint that is not read.

    Args:
        what: why.
        found: the object in it that is in the way.
    """

    def __init__(self, what: str, found: str) -> None:
        super().__init__(what)
        self.what, self.found = what, found


def main() -> None:
    """Read the job, convert every file, tell what was found."""
    import torch

    torch.set_num_threads(1)
    job = json.loads(sys.stdin.readline())
    Thread(target=_die_with_parent, daemon=True).start()
    files = [Path(file) for file in job["files"]]
    _limit(sum(file.stat().st_size for file in files), max(file.stat().st_size for file in files))
    try:
        told: dict[str, Any] = {"files": read(files, Path(job["folder"]), set(job["tied"]))}
    except RefusedError as error:
        told = {"refused": error.what, "found": error.found}
    print(json.dumps(told), flush=True)


def _die_with_parent() -> None:
    sys.stdin.read()
    os._exit(1)


def _limit(total: int, largest: int) -> None:
    """Bound memory, processor time and files: a small file that unpacks to a huge one is stopped.

    Memory: what this process has now, and five times the largest file (it is mapped, copied and
    written; a shard's twin may be untied) and 256 MB.
    """
    try:
        import resource
    except ImportError:  # Windows has none of these limits
        return
    bounds = {"CORE": 0, "NOFILE": 64, "FSIZE": 2 * largest + 2**24, "CPU": 300 + total // 10**7}
    statm = Path("/proc/self/statm")
    if statm.is_file():
        now = int(statm.read_text().split()[0]) * resource.getpagesize()
        bounds["AS"] = now + 5 * largest + 2**28
    for name, bound in bounds.items():
        with suppress(ValueError, OSError):  # a bound that already is tighter stays
            resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (bound, bound))


def read(files: list[Path], folder: Path, tied: set[str]) -> dict[str, dict[str, str]]:
    """Write every file's tensors as safetensors.

    Args:
        files: pickles, in the order of their shards.
        folder: where to.
        tied: names that are left out where they share another's memory.

    Returns:
        For every file written the names and digests of its tensors.

    Raises:
        RefusedError: a file cannot be read, or holds more than named tensors.
    """
    from safetensors.torch import save_file

    written: dict[str, dict[str, str]] = {}
    for number, file in enumerate(files, start=1):
        part = "" if len(files) == 1 else f"-{number:05}-of-{len(files):05}"
        name = f"model{part}.safetensors"
        tensors = _plain(_state(_load(file), file), tied)
        save_file(tensors, folder / name, metadata={"format": "pt"})
        written[name] = {key: digest(value) for key, value in tensors.items()}
    return written


def _load(file: Path) -> Any:
    import pickle

    import torch

    try:
        mapped = _can_be_mapped(file)
        return torch.load(file, map_location="cpu", weights_only=True, mmap=mapped)
    except pickle.UnpicklingError as error:
        found = _FORBIDDEN.search(str(error))
        if found is None:
            raise RefusedError(
                "this pickle cannot be read", f"{file.name}: {_gist(error)}"
            ) from error
        what = "this pickle holds an object that is no tensor and could run code"
        raise RefusedError(what, f"{found[1]} in {file.name}") from error
    except Exception as error:  # whatever a broken file raises, it is refused
        raise RefusedError("this pickle cannot be read", f"{file.name}: {_gist(error)}") from error


def _can_be_mapped(file: Path) -> bool:
    """Whether tensors lie in the file as they are: not in the old kind, nor a compressed one."""
    import zipfile

    if not zipfile.is_zipfile(file):
        return False
    with zipfile.ZipFile(file) as archive:
        return all(one.compress_type == zipfile.ZIP_STORED for one in archive.infolist())


def _gist(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]


def _state(value: Any, file: Path) -> dict[str, Tensor]:
    import torch

    for name in _WRAPPERS:
        if isinstance(value, dict) and isinstance(value.get(name), dict):
            value = value[name]
    whole = isinstance(value, dict) and all(isinstance(key, str) for key in value)
    other = [key for key, one in value.items() if type(one) not in _kinds(torch)] if whole else []
    if not whole or not value or other:
        found = f"{file.name}: {', '.join(map(str, other[:3])) or type(value).__name__}"
        raise RefusedError("this checkpoint is no plain table of named tensors", found)
    return {str(key): one.detach() for key, one in value.items()}


def _kinds(torch: Any) -> tuple[type, ...]:
    return (torch.Tensor, torch.nn.Parameter)


def _plain(state: dict[str, Tensor], tied: set[str]) -> dict[str, Tensor]:
    """Tensors of their own memory; of those that share it, what the model ties is left out."""
    import torch

    places: dict[tuple[Any, ...], list[str]] = {}
    for name, value in state.items():
        if value.layout is not torch.strided or value.is_quantized:
            raise RefusedError("this checkpoint holds sparse or quantized tensors", name)
        place = (value.data_ptr(), value.dtype, tuple(value.shape), value.stride())
        places.setdefault(place if value.numel() else (name,), []).append(name)
    kept = [name for group in places.values() for name in _kept(group, tied)]
    return {name: state[name].clone().contiguous() for name in sorted(kept)}


def _kept(group: list[str], tied: set[str]) -> list[str]:
    return [name for name in group if name not in tied] or group[:1]


def digest(value: Tensor) -> str:
    """SHA-256 of a tensor's type, shape and bytes."""
    import torch

    head = f"{value.dtype} {tuple(value.shape)} ".encode()
    raw = value.contiguous().reshape(-1).view(torch.uint8).numpy()
    return hashlib.sha256(head + raw.tobytes()).hexdigest()


if __name__ == "__main__":
    main()

"""Where the pickle files of an old checkpoint lie: in a folder, or on the hub."""

from __future__ import annotations

import fnmatch
from dataclasses import dataclass
from pathlib import Path

from preceptor.errors import WeightsError
from preceptor.models import hub
from preceptor.models.kinds import read_config
from preceptor.models.weights import locate

_INDEX = "pytorch_model.bin.index.json"
_NO_WEIGHTS = ("optimizer.pt", "scheduler.pt", "scaler.pt", "rng_state*.pt", "training_args*")


@dataclass(frozen=True)
class Source:
    """A folder with a pickle checkpoint.

    Attributes:
        ref: the reference as written.
        folder: where it lies.
        commit: the hub's commit; None for a folder of the user's own.
    """

    ref: str
    folder: Path
    commit: str | None


def find(source: str) -> Source:
    """A folder as it is; a hub repository with its pickles, downloaded.

    Raises:
        WeightsError: there is no such thing, or it needs no conversion.
    """
    folder = Path(source).expanduser()
    if folder.is_dir():
        return Source(source, folder.resolve(), None)
    if folder.suffix in (".bin", ".pt", ".pth") and folder.is_file():
        fix = f"name the folder that holds it, its config and its tokenizer: {folder.parent}"
        raise WeightsError("a pickle file alone is no model", where=source, fix=fix)
    if locate(source) is not None:
        raise _nothing(source, "its weights are no pickle; they are loaded as they are")
    hub_id, _, revision = source.partition("@")
    files = hub.weight_files(hub_id, revision or None)
    if any(name.endswith(".safetensors") for name in files):
        raise _nothing(source, "it has safetensors")
    fetched = hub.pickled(hub_id, revision or None)
    return Source(source, fetched, fetched.name)


def _nothing(source: str, why: str) -> WeightsError:
    fix = f"use {source} as weights"
    return WeightsError("nothing to convert", where=source, found=why, fix=fix)


def pickles(source: Source) -> list[Path]:
    """The pickle files that make up the checkpoint, shards in their order.

    Raises:
        WeightsError: there are none or several, some are missing, or it has safetensors.
    """
    folder = source.folder
    if any(folder.glob("*.safetensors")):
        raise _nothing(source.ref, "it has safetensors")
    if (folder / _INDEX).is_file():
        return _shards(folder)
    if (folder / "pytorch_model.bin").is_file():
        return [folder / "pytorch_model.bin"]
    others = [path for path in sorted(folder.glob("*.pt")) if not _is_state_of_training(path)]
    if len(others) == 1:
        return others
    raise WeightsError(
        "no pickle checkpoint in this folder" if not others else "which of these is the model?",
        where=source.ref,
        found=", ".join(path.name for path in others or sorted(folder.iterdir())) or "nothing",
        expected="pytorch_model.bin, its shards with their index, or one .pt file",
    )


def _is_state_of_training(path: Path) -> bool:
    return any(fnmatch.fnmatch(path.name, pattern) for pattern in _NO_WEIGHTS)


def _shards(folder: Path) -> list[Path]:
    index = read_config(folder / _INDEX).get("weight_map", {})
    names = sorted(set(index.values()))
    # A name with a path in it would lead out of the folder.
    missing = [name for name in names if Path(name).name != name or not (folder / name).is_file()]
    if missing or not names:
        raise WeightsError(
            "shards of this checkpoint are missing",
            where=str(folder / _INDEX),
            found=f"no {', '.join(missing) or 'shard named'}",
            fix="fetch the whole checkpoint",
        )
    return [folder / name for name in names]

"""Weights from the Hugging Face hub: safetensors, never code.

Pickles are fetched for ``preceptor convert`` alone, which reads them in a process of its own.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from preceptor.errors import WeightsError

_SMALL = ["*.json", "*.txt", "*.model", "*.jinja", "README.md"]
"""the last is the model's card, which tells its licence"""
_ALL = [*_SMALL, "*.safetensors"]
_PICKLES = "pytorch_model*.bin"
_OTHER_PICKLES = "*.pt"


def commit(hub_id: str, revision: str | None) -> str:
    """The commit that a revision stands for now; fetches the config alone.

    Raises:
        WeightsError: the repository cannot be reached or read.
    """
    return _download(hub_id, revision, _SMALL).name


def snapshot(hub_id: str, revision: str | None) -> Path:
    """Download a model (or find it in the hub's own cache) and return its folder.

    Raises:
        WeightsError: the repository cannot be reached or read, or holds no safetensors.
    """
    folder = _download(hub_id, revision, _ALL)
    if not any(folder.glob("*.safetensors")):
        raise WeightsError(
            f"{hub_id} holds no safetensors file at its top",
            found="perhaps pickle checkpoints, which can run code when they are loaded",
            fix=f"use a revision that has safetensors (often {hub_id}@refs/pr/N), or convert it: "
            f"preceptor convert {_written(hub_id, revision)} FOLDER, then use FOLDER as weights",
        )
    return folder


def weight_files(hub_id: str, revision: str | None) -> list[str]:
    """Names of the weight files, safetensors and pickles, at a repository's top; fetches none.

    Raises:
        WeightsError: the repository cannot be reached or read.
    """
    from huggingface_hub import snapshot_download

    patterns = ["*.safetensors", _PICKLES, _OTHER_PICKLES]
    with _told(hub_id, revision):
        found = snapshot_download(hub_id, revision=revision, allow_patterns=patterns, dry_run=True)
    return [one.filename for one in found if "/" not in one.filename]


def pickled(hub_id: str, revision: str | None) -> Path:
    """Download a model with its pickle checkpoint and return its folder; for ``convert`` alone.

    Raises:
        WeightsError: the repository cannot be reached or read, or holds no pickle checkpoint.
    """
    names = weight_files(hub_id, revision)
    wanted = [one for one in (_PICKLES, _OTHER_PICKLES) if fnmatch.filter(names, one)]
    if not wanted:
        raise WeightsError(
            f"{hub_id} holds no pickle checkpoint at its top",
            found=", ".join(names) or "no weights that transformers reads",
            expected="pytorch_model.bin, its shards, or a .pt file",
        )
    return _download(hub_id, revision, [*_SMALL, wanted[0]])


def _download(hub_id: str, revision: str | None, patterns: list[str]) -> Path:
    from huggingface_hub import snapshot_download

    with _told(hub_id, revision):
        return Path(snapshot_download(hub_id, revision=revision, allow_patterns=patterns))


@contextmanager
def _told(hub_id: str, revision: str | None) -> Iterator[None]:
    from huggingface_hub import errors

    try:
        yield
    except errors.GatedRepoError as error:
        raise _gated(hub_id) from error
    except (errors.RepositoryNotFoundError, errors.RevisionNotFoundError) as error:
        raise _not_found(hub_id, revision) from error
    except (OSError, errors.HfHubHTTPError) as error:
        raise _unreachable(hub_id, error) from error


def _written(hub_id: str, revision: str | None) -> str:
    return hub_id if revision is None else f"{hub_id}@{revision}"


def _gated(hub_id: str) -> WeightsError:
    return WeightsError(
        f"{hub_id} is gated: its owner wants its terms accepted",
        fix=f"accept them at https://huggingface.co/{hub_id}, then run `hf auth login` "
        "or set HF_TOKEN",
    )


def _not_found(hub_id: str, revision: str | None) -> WeightsError:
    return WeightsError(
        "the hub has no such model, or it is private",
        found=_written(hub_id, revision),
        fix="check its name and revision; for a private one set HF_TOKEN",
    )


def _unreachable(hub_id: str, error: Exception) -> WeightsError:
    return WeightsError(
        f"{hub_id} is not on this machine and the hub did not give it",
        found=str(error).splitlines()[0],
        fix="go online (and unset HF_HUB_OFFLINE), or name a folder or a GGUF file instead",
    )

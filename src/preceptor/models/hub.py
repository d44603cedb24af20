"""Weights from the Hugging Face hub: safetensors alone, never code, never pickle."""

from __future__ import annotations

from pathlib import Path

from preceptor.errors import WeightsError

_SMALL = ["*.json", "*.txt", "*.model", "*.jinja"]
_ALL = [*_SMALL, "*.safetensors"]


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
            fix="use a revision or a copy that has safetensors (often refs/pr/N, written "
            f"{hub_id}@refs/pr/N)",
        )
    return folder


def _download(hub_id: str, revision: str | None, patterns: list[str]) -> Path:
    from huggingface_hub import errors, snapshot_download

    try:
        return Path(snapshot_download(hub_id, revision=revision, allow_patterns=patterns))
    except errors.GatedRepoError as error:
        raise _gated(hub_id) from error
    except (errors.RepositoryNotFoundError, errors.RevisionNotFoundError) as error:
        raise _not_found(hub_id, revision) from error
    except (OSError, errors.HfHubHTTPError) as error:
        raise _unreachable(hub_id, error) from error


def _gated(hub_id: str) -> WeightsError:
    return WeightsError(
        f"{hub_id} is gated: its owner wants its terms accepted",
        fix=f"accept them at https://huggingface.co/{hub_id}, then run `hf auth login` "
        "or set HF_TOKEN",
    )


def _not_found(hub_id: str, revision: str | None) -> WeightsError:
    return WeightsError(
        "the hub has no such model, or it is private",
        found=hub_id if revision is None else f"{hub_id}@{revision}",
        fix="check its name and revision; for a private one set HF_TOKEN",
    )


def _unreachable(hub_id: str, error: Exception) -> WeightsError:
    return WeightsError(
        f"{hub_id} is not on this machine and the hub did not give it",
        found=str(error).splitlines()[0],
        fix="go online (and unset HF_HUB_OFFLINE), or name a folder or a GGUF file instead",
    )

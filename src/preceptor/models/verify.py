"""Whether a converted checkpoint is the whole of a model that transformers knows."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any

from preceptor.errors import WeightsError
from preceptor.models.kinds import Kind, read_config, wrong_kind
from preceptor.models.loading import load_config, told
from preceptor.models.quiet import quiet
from preceptor.models.unpickle import digest
from preceptor.models.weights import Weights

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedConfig, PreTrainedModel

Written = dict[str, dict[str, str]]
"""For every safetensors file the names and digests of its tensors."""


@dataclass(frozen=True)
class ModelClass:
    """What a checkpoint is loaded as.

    Attributes:
        kind: the kind of student.
        made: transformers' class.
        tied: names of parameters that are another one's; a file may leave them out.
    """

    kind: Kind
    made: type[PreTrainedModel]
    tied: frozenset[str]

    @property
    def architecture(self) -> str:
        """The class's name."""
        return self.made.__name__


def model_class(weights: Weights, kind: Kind) -> ModelClass:
    """What a checkpoint will be loaded as, by its config alone.

    Raises:
        WeightsError: transformers does not know the architecture, or it is of another kind.
    """
    import torch
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    model_type = read_config(weights.folder / "config.json").get("model_type")
    if model_type not in CONFIG_MAPPING:
        raise WeightsError(
            "unknown architecture",
            where=weights.ref,
            found=f"model_type {model_type}",
            expected="a model_type that transformers knows; models that bring their own code "
            "are refused",
        )
    config = load_config(weights, kind)
    made = _class(config, kind)
    if made is None:
        raise wrong_kind(weights.ref, config.model_type, kind)
    with told(weights), quiet(), torch.device("meta"):
        tied = frozenset(made(config).all_tied_weights_keys)
    return ModelClass(kind, made, tied)


def _class(config: PreTrainedConfig, kind: Kind) -> type[PreTrainedModel] | None:
    """Decoders and seq2seq models as students load them; an encoder as it was trained."""
    import transformers

    named: Any = getattr(transformers, next(iter(config.architectures or []), ""), None)
    if kind == "encoder" and getattr(named, "config_class", None) is type(config):
        found: type[PreTrainedModel] = named
        return found
    autos: dict[str, Any] = {
        "decoder": transformers.AutoModelForCausalLM,
        "encoder": transformers.AutoModelForMaskedLM,
        "seq2seq": transformers.AutoModelForSeq2SeqLM,
    }
    mapped: Any = autos[kind]._model_mapping.get(type(config), None)
    made: type[PreTrainedModel] | None = mapped[0] if isinstance(mapped, tuple) else mapped
    return made


def floating_types(folder: Path, written: Written) -> list[str]:
    """The floating types of a folder's tensors, in torch's words: ``["float16"]``."""
    from safetensors import safe_open

    names = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16"}
    found = set()
    for file in written:
        with safe_open(folder / file, "pt") as opened:
            found |= {opened.get_slice(name).get_dtype() for name in opened.keys()}  # noqa: SIM118
    return sorted(names[one] for one in found if one in names)


def check_loads(model: ModelClass, weights: Weights, written: Written) -> list[str]:
    """Load what was written and compare it with what the pickle held.

    Args:
        model: what to load it as.
        weights: the folder.
        written: the pickle's tensors.

    Returns:
        Names of tensors that the model has no place for.

    Raises:
        WeightsError: a tensor differs, the model lacks one, or a decoder or seq2seq model has
            no place for a matrix of the checkpoint and would compute something else than it did.
    """
    import torch

    floats = (getattr(torch, name) for name in floating_types(weights.folder, written))
    options: dict[str, Any] = {"use_safetensors": True, "output_loading_info": True}
    options["dtype"] = reduce(torch.promote_types, floats)  # so that nothing is rounded
    with told(weights), quiet():
        loaded, info = model.made.from_pretrained(weights.folder, **options)
    stored = _stored(weights.folder, written)
    extra = sorted(info["unexpected_keys"])
    _refuse("the checkpoint lacks parts of the model", _missing(model, loaded, info), weights)
    if model.kind != "encoder":
        matrices = [name for name in extra if stored[name].ndim > 1]
        _refuse("the model has no place for parts of the checkpoint", matrices, weights)
    _refuse("tensors were changed by the conversion", _changed(stored, written, loaded), weights)
    return extra


def _refuse(what: str, names: list[str], weights: Weights) -> None:
    if names:
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        raise WeightsError(
            what,
            where=weights.ref,
            found=", ".join(names[:3]) + more,
            fix="check that config.json belongs to this checkpoint, and --kind if it was given",
        )


def _missing(model: ModelClass, loaded: PreTrainedModel, info: dict[str, Any]) -> list[str]:
    # An encoder's heads and its pooler are drawn anew for a student; its body is not.
    missing = sorted(info["missing_keys"])
    if model.kind != "encoder":
        return missing
    prefix = loaded.base_model_prefix if loaded.base_model is not loaded else ""
    head = {name for name in missing if not name.startswith(prefix)}
    return [name for name in missing if name not in head and "pooler." not in name]


def _stored(folder: Path, written: Written) -> dict[str, Tensor]:
    from safetensors.torch import load_file

    return {name: value for file in written for name, value in load_file(folder / file).items()}


def _changed(stored: dict[str, Tensor], written: Written, loaded: PreTrainedModel) -> list[str]:
    """Names of tensors that are not as in the pickle, on the disk or in the loaded model."""
    import torch

    digests = {name: one for file in written.values() for name, one in file.items()}
    state = loaded.state_dict()
    prefix = f"{loaded.base_model_prefix}."
    wrong = []
    for name, value in stored.items():
        held = state.get(name, state.get(prefix + name))
        # Transformers keeps some modules of half-precision models in fp32, which is exact.
        same = held is None or torch.equal(held.to(value.dtype), value)
        if digest(value) != digests.get(name) or not same:
            wrong.append(name)
    return wrong + sorted(digests.keys() - stored.keys())

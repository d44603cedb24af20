"""What loading a decoder and loading an encoder have in common."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

from preceptor.errors import WeightsError
from preceptor.models.kinds import Kind, kind_of, wrong_kind
from preceptor.models.quiet import quiet
from preceptor.models.weights import Weights

if TYPE_CHECKING:
    from torch import nn
    from transformers import PreTrainedConfig, PreTrainedTokenizerBase

Dtype = Literal["float32", "bfloat16"]


def load_config(weights: Weights, kind: Kind) -> PreTrainedConfig:
    """A model's config, refused where it is not of ``kind``.

    Raises:
        WeightsError: transformers does not know the model, or it is of another kind.
    """
    from transformers import AutoConfig

    with told(weights), quiet():
        config = AutoConfig.from_pretrained(weights.folder, trust_remote_code=False)
    found = kind_of(config.to_dict())
    if found is not None and found != kind:
        raise wrong_kind(weights.ref, found, kind)
    return config


def load_model(auto: Any, weights: Weights, dtype: Dtype, **options: Any) -> tuple[Any, set[str]]:
    """Load a model through one of transformers' auto classes, from safetensors alone.

    Args:
        auto: the auto class.
        weights: where from.
        dtype: what the weights are held in; by default it would follow the file.
        options: passed on to ``from_pretrained``.

    Returns:
        The model and the names of the parameters that its files do not hold.

    Raises:
        WeightsError: the files cannot be read as this model.
    """
    import torch

    with told(weights), quiet():
        model, info = auto.from_pretrained(
            weights.folder,
            dtype=getattr(torch, dtype),
            use_safetensors=True,
            trust_remote_code=False,
            output_loading_info=True,
            **options,
        )
    _align(model)
    return model, set(info["missing_keys"])


def load_writer(
    auto: Any, weights: Weights, dtype: Dtype, whole: str, **options: Any
) -> tuple[Any, PreTrainedTokenizerBase]:
    """Load a model that writes, none of whose weights may be missing, and its tokenizer.

    Args:
        auto: the auto class.
        weights: where from.
        dtype: what the weights are held in.
        whole: what the weights must be a whole one of, for the error.
        options: passed on to ``from_pretrained``.

    Raises:
        WeightsError: weights are missing, or the tokenizer has no end token.
    """
    model, missing = load_model(auto, weights, dtype, **options)
    if missing:
        raise WeightsError(
            f"these weights are no whole {whole}",
            where=weights.ref,
            found=f"nothing for {', '.join(sorted(missing)[:3])}",
            fix="name weights that were saved whole, with their language-model head",
        )
    tokenizer = load_tokenizer(weights)
    if tokenizer.eos_token_id is None:
        raise WeightsError("the tokenizer has no end token", where=weights.ref)
    model.config.pad_token_id = tokenizer.pad_token_id
    return model, tokenizer


def _align(model: nn.Module) -> None:
    # A safetensors file is mapped into memory at odd addresses, where matrix products round
    # otherwise: the same weights would predict otherwise after training than after reloading.
    for value in [*model.parameters(), *model.buffers()]:
        value.data = value.data.clone()


def load_tokenizer(weights: Weights) -> PreTrainedTokenizerBase:
    """A model's tokenizer with a pad token; the end token pads where there is none of its own.

    Which tokens are supervised is decided by position, so a pad token that is also the end
    token does not hide the end of an answer.

    Raises:
        WeightsError: there is no tokenizer (transformers would make up an almost empty one), or
            it has neither pad nor end token.
    """
    tokenizer = _load_tokenizer(weights)
    if tokenizer.pad_token_id is None:
        if tokenizer.eos_token_id is None:
            raise WeightsError("the tokenizer has no pad and no end token", where=weights.ref)
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


_VOCABULARIES = ("tokenizer.json", "vocab*", "*.model", "merges.txt")


def _load_tokenizer(weights: Weights) -> PreTrainedTokenizerBase:
    from transformers import AutoTokenizer

    try:
        with told(weights), quiet():
            tokenizer = AutoTokenizer.from_pretrained(weights.folder, trust_remote_code=False)
    except WeightsError as error:
        if any(path for name in _VOCABULARIES for path in weights.folder.glob(name)):
            raise
        raise _no_tokenizer(weights, _VOCABULARIES) from error
    needed = {*tokenizer.vocab_files_names.values(), "tokenizer.json"}
    present = any((weights.folder / name).is_file() for name in needed)
    if tokenizer.vocab_files_names and not present:
        raise _no_tokenizer(weights, sorted(needed))
    return tokenizer


def _no_tokenizer(weights: Weights, expected: Sequence[str]) -> WeightsError:
    return WeightsError(
        "there is no tokenizer beside the weights",
        where=weights.ref,
        expected=f"one of {', '.join(expected)}",
        fix="put the tokenizer's files into its folder (of the model that it was made from)",
    )


@contextmanager
def told(weights: Weights) -> Iterator[None]:
    """Turn the library's loading errors into one that says which weights and what to do."""
    from safetensors import SafetensorError

    try:
        yield
    except (OSError, ValueError, ImportError, RuntimeError, SafetensorError) as error:
        raise WeightsError(
            f"these weights cannot be loaded: {str(error).strip().splitlines()[0]}",
            where=weights.ref,
            fix="check that the folder holds config, safetensors and tokenizer of one model of "
            "a family that transformers knows; models that bring their own code are refused",
        ) from error

"""Decoders: students that read a prompt and write an answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from preceptor.models import four_bit
from preceptor.models.kinds import wrong_kind
from preceptor.models.loading import Dtype, load_config, load_writer
from preceptor.models.weights import Weights

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


def load_decoder(
    weights: Weights, dtype: Dtype = "float32"
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Load a decoder and its tokenizer.

    Args:
        weights: where from.
        dtype: what the weights are held in.

    Returns:
        The model, in eval mode and without the checkpoint's sampling defaults, and its
        tokenizer, which has a pad and an end token.

    Raises:
        WeightsError: the weights cannot be loaded, or are no decoder's.
    """
    from transformers import AutoModelForCausalLM

    config = load_config(weights, "decoder")
    if type(config) not in AutoModelForCausalLM._model_mapping:
        raise wrong_kind(weights.ref, config.model_type, "decoder")
    options = four_bit.options() if weights.rounded else {}
    model, tokenizer = load_writer(
        AutoModelForCausalLM, weights, dtype, "decoder", config=config, **options
    )
    if weights.rounded:
        four_bit.keep_differentiable(model)
    model.generation_config = _plain_generation(tokenizer)
    return model.eval(), tokenizer


def _plain_generation(tokenizer: PreTrainedTokenizerBase) -> Any:
    from transformers import GenerationConfig

    return GenerationConfig(
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )

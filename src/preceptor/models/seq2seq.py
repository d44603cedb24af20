"""Encoder-decoder students: an encoder reads the input, a decoder writes the answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from preceptor.errors import WeightsError
from preceptor.models.kinds import wrong_kind
from preceptor.models.loading import (
    Dtype,
    load_config,
    load_model,
    load_tokenizer,
    load_writer,
    told,
)
from preceptor.models.pairs import Opening, opening_by
from preceptor.models.quiet import quiet
from preceptor.models.seeding import seeded
from preceptor.models.weights import Weights

if TYPE_CHECKING:
    from transformers import (
        GenerationConfig,
        PreTrainedModel,
        PreTrainedTokenizerBase,
    )


def load_seq2seq(
    weights: Weights, dtype: Dtype = "float32", seed: int = 0
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Load an encoder-decoder model and its tokenizer.

    Args:
        weights: where from; a pair of encoders is made into a model by :func:`paired_encoders`.
        dtype: what the weights are held in.
        seed: draws what a pair has no weights for; without effect on any other weights.

    Returns:
        The model, in eval mode and without the checkpoint's sampling defaults, and its
        tokenizer, which has a pad and an end token. The model's generation config names the
        token that an answer starts from and, where the checkpoint has one (BART's summarizers,
        mBART), the token that is always written first.

    Raises:
        WeightsError: the weights cannot be loaded, or are no encoder-decoder model's.
    """
    from transformers import AutoModelForSeq2SeqLM

    if weights.parts:
        return paired_encoders(weights, seed, dtype)
    config = load_config(weights, "seq2seq")
    if type(config) not in AutoModelForSeq2SeqLM._model_mapping:
        raise wrong_kind(weights.ref, config.model_type, "seq2seq")
    model, tokenizer = load_writer(
        AutoModelForSeq2SeqLM, weights, dtype, "encoder-decoder model", config=config
    )
    model.generation_config = _plain_generation(model, tokenizer, weights)
    return model.eval(), tokenizer


def load_opening(weights: Weights) -> Opening:
    """What the answers of a model open with, by its configs alone.

    Raises:
        WeightsError: they cannot be read, or do not say which token answers start from.
    """
    from transformers import GenerationConfig

    config = load_config(weights, "seq2seq")
    with told(weights), quiet():
        if (weights.folder / "generation_config.json").is_file():
            kept = GenerationConfig.from_pretrained(weights.folder)
        else:
            kept = GenerationConfig.from_model_config(config)
    _check_start(kept, weights)
    return opening_by(kept)


def _check_start(kept: GenerationConfig, weights: Weights) -> None:
    if kept.decoder_start_token_id is None:
        raise WeightsError(
            "the model does not say which token its answers start from",
            where=weights.ref,
            fix="set decoder_start_token_id in its config.json",
        )


def _plain_generation(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, weights: Weights
) -> Any:
    from transformers import GenerationConfig

    kept = model.generation_config
    _check_start(kept, weights)
    return GenerationConfig(
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        decoder_start_token_id=kept.decoder_start_token_id,
        forced_bos_token_id=kept.forced_bos_token_id,
    )


def paired_encoders(
    weights: Weights, seed: int, dtype: Dtype = "float32"
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Two encoders made into one encoder-decoder model: a stand-in, not a pretrained one.

    The second encoder becomes the decoder: it gets a causal mask, cross-attention into the
    first and an output layer over its own embeddings. **Cross-attention and output transform
    start random**, so the model writes nothing sensible before it is trained, and a method that
    freezes them cannot teach it (Rothe et al. 2020, arXiv:1907.12461, "BERT2BERT", trained all
    weights on far more data). Two MiniLMs ("minilm+minilm") have 49 million parameters. It
    stands here because no pretrained BART or T5 comes without a hub; ``weights.note`` says so in
    every result. Answers start from the tokenizer's begin token ([CLS]) and end with [SEP].

    Args:
        weights: a pair, as :func:`preceptor.models.weights.resolve` makes it of "minilm+minilm".
        seed: draws what the encoders have no weights for.
        dtype: what the weights are held in.

    Returns:
        The model, in eval mode, and the tokenizer that both halves share.

    Raises:
        WeightsError: a part is no encoder, or cannot become a decoder, or the parts do not
            share one vocabulary.
    """
    from transformers import AutoModel, AutoModelForCausalLM, EncoderDecoderModel

    config, tokenizer = load_config(weights, "seq2seq"), load_tokenizer(weights)
    encoder, decoder = weights.parts
    with seeded(seed):
        reader, lost = load_model(AutoModel, encoder, dtype)
        writer, more = load_model(AutoModelForCausalLM, decoder, dtype, config=config.decoder)
    _check_bodies(weights, writer, lost, more)
    with told(weights), quiet():
        model = EncoderDecoderModel(config=config, encoder=reader, decoder=writer)
    model.generation_config.decoder_start_token_id = config.decoder_start_token_id
    model.generation_config = _plain_generation(model, tokenizer, weights)
    return model.eval(), tokenizer


def _check_bodies(weights: Weights, writer: Any, lost: set[str], more: set[str]) -> None:
    body = {name for name in more if name.startswith(f"{writer.base_model_prefix}.")}
    drawn = (".crossattention.", "pooler.")
    missing = sorted(name for name in lost | body if not any(part in name for part in drawn))
    if missing:
        raise WeightsError(
            "these weights are no whole encoder",
            where=weights.ref,
            found=f"nothing for {', '.join(missing[:3])}",
        )

"""Two encoders as one encoder-decoder model: the config and the tokenizer that it has."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from preceptor.errors import WeightsError
from preceptor.models.files import model_hash
from preceptor.models.quiet import quiet
from preceptor.models.window import context_window
from preceptor.store.atomic import new_folder
from preceptor.store.cache import cache_folder
from preceptor.store.fingerprint import fingerprint

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedTokenizerBase

_FORMAT = 1


def pair_folder(ref: str, parts: Sequence[Path]) -> Path:
    """The folder with a pair's config and tokenizer, made at first use; it holds no weights.

    Args:
        ref: what the pair is called, for errors.
        parts: the folders of the encoder that reads and of the one that becomes the decoder.

    Raises:
        WeightsError: the parts cannot be made into one model.
    """
    from filelock import FileLock

    folder = cache_folder() / "pairs" / fingerprint([_FORMAT, *(model_hash(one) for one in parts)])
    if not folder.is_dir():
        config, tokenizer = _config(ref, parts), _tokenizer(ref, parts)
        config.pad_token_id = tokenizer.pad_token_id
        config.eos_token_id = tokenizer.eos_token_id
        config.decoder_start_token_id = tokenizer.bos_token_id
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{folder}.lock"):
            if not folder.is_dir():
                _write(config, tokenizer, folder)
    return folder


def _write(config: PreTrainedConfig, tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    with new_folder(folder) as draft, quiet():
        config.save_pretrained(draft)
        tokenizer.save_pretrained(draft)


def _config(ref: str, parts: Sequence[Path]) -> PreTrainedConfig:
    from transformers import AutoConfig, AutoModelForCausalLM, EncoderDecoderConfig

    reader, writer = (_read(ref, AutoConfig, part) for part in parts)
    if type(writer) not in AutoModelForCausalLM._model_mapping:
        raise WeightsError(
            "this encoder cannot be made into a decoder",
            where=ref,
            found=writer.model_type,
            expected="a family with causal attention and cross-attention (bert, roberta)",
        )
    config = EncoderDecoderConfig.from_encoder_decoder_configs(reader, writer)
    windows = [window for half in (reader, writer) if (window := context_window(half))]
    # Where the rest of the program looks for a model's context window.
    config.max_position_embeddings = min(windows) if windows else None
    return config


def _tokenizer(ref: str, parts: Sequence[Path]) -> PreTrainedTokenizerBase:
    from transformers import AutoTokenizer

    tokenizer, other = (_read(ref, AutoTokenizer, part) for part in parts)
    if tokenizer.get_vocab() != other.get_vocab():
        raise WeightsError(
            "the two encoders do not share one vocabulary",
            where=ref,
            found=f"{len(tokenizer)} and {len(other)} tokens",
            fix="pair encoders of one family (minilm+minilm)",
        )
    tokenizer.bos_token = tokenizer.bos_token or tokenizer.cls_token
    tokenizer.eos_token = tokenizer.eos_token or tokenizer.sep_token
    if tokenizer.bos_token is None or tokenizer.eos_token is None:
        raise WeightsError("the tokenizer has no begin or no end token", where=ref)
    return tokenizer


def _read(ref: str, auto: Any, folder: Path) -> Any:
    try:
        with quiet():
            return auto.from_pretrained(folder, trust_remote_code=False)
    except (OSError, ValueError) as error:
        raise WeightsError(f"a part of the pair cannot be read: {error}", where=ref) from error

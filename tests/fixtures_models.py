"""Models for tests: tiny random ones of the real classes, and the two real ones, loaded once."""

from __future__ import annotations

import copy
import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch

from preceptor.models.decoder import load_decoder
from preceptor.models.encoder import load_encoder
from preceptor.models.seeding import seeded
from preceptor.models.weights import resolve

torch.set_num_threads(1)  # tiny models gain nothing from more, and tests run side by side

WIDTH = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
FED = {**WIDTH, "intermediate_size": 48}
GROUPED = {**FED, "num_key_value_heads": 2, "head_dim": 8}
DISTIL = {"dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 48}
DECODERS: dict[str, dict[str, Any]] = {
    "LlamaForCausalLM": GROUPED,
    "MistralForCausalLM": GROUPED,
    "Qwen2ForCausalLM": {**FED, "num_key_value_heads": 2},
    "Gemma2ForCausalLM": {**GROUPED, "final_logit_softcapping": 5.0},
    "CohereForCausalLM": {**FED, "num_key_value_heads": 2, "logit_scale": 0.5},
    "GPTNeoXForCausalLM": FED,
    "BioGptForCausalLM": FED,
    "GPT2LMHeadModel": {"n_embd": 32, "n_layer": 2, "n_head": 4},
    "OPTForCausalLM": {**WIDTH, "ffn_dim": 48, "word_embed_proj_dim": 16},
}
NO_DROPOUT: dict[str, dict[str, float]] = {
    "BioGptForCausalLM": {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0},
    "GPT2LMHeadModel": {"resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0},
    "OPTForCausalLM": {"dropout": 0.0},
}
TEXTS = [
    "Does water boil at lower heat on a mountain? Answer: yes",
    "Is the moon made of cheese? Answer: no",
    "Will it rain tomorrow in the valley? Answer: maybe",
    "The answer to the question given the context is yes, no or maybe.",
]


@cache
def tiny_tokenizer(begin: bool = False, kind: str = "bytes") -> Any:
    """A real byte-level BPE (or, like SentencePiece, one of word pieces that start with ▁)."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    special = ["<pad>", "<s>", "</s>"]
    core = Tokenizer(models.BPE())
    alphabet = []
    if kind == "bytes":
        core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        core.decoder = decoders.ByteLevel()
        alphabet = pre_tokenizers.ByteLevel.alphabet()
    else:
        core.pre_tokenizer = pre_tokenizers.Metaspace()
        core.decoder = decoders.Metaspace()
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    core.train_from_iterator(TEXTS * 4, trainer)
    if begin:
        core.post_processor = processors.TemplateProcessing(
            single="<s> $A", special_tokens=[("<s>", 1)]
        )
    return PreTrainedTokenizerFast(
        tokenizer_object=core, bos_token="<s>", eos_token="</s>", pad_token="<pad>"
    )


@cache
def _tiny(name: str, options: tuple[tuple[str, Any], ...]) -> Any:
    import transformers

    model_class = getattr(transformers, name)
    config = model_class.config_class(
        vocab_size=400,
        max_position_embeddings=128,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=0,
        initializer_range=0.2,  # large, so that random models have opinions
        **dict(options),
    )
    with seeded(0):
        return model_class(config).eval()


def tiny_decoder(name: str = "LlamaForCausalLM", **more: Any) -> Any:
    """A random decoder of a real class, a fresh copy each time."""
    return copy.deepcopy(_tiny(name, tuple({**DECODERS[name], **more}.items())))


def tiny_encoder(name: str = "BertForSequenceClassification", **more: Any) -> Any:
    """A random encoder of a real class, a fresh copy each time."""
    sizes = DISTIL if name.startswith("DistilBert") else FED
    return copy.deepcopy(_tiny(name, tuple({**sizes, **more}.items())))


def saved(model: Any, folder: Path, tokenizer: Any = None) -> Path:
    """The folder that transformers writes for a model and a tokenizer."""
    model.save_pretrained(folder)
    (tokenizer or tiny_tokenizer()).save_pretrained(folder)
    return folder


@cache
def _smollm2() -> tuple[Any, Any]:
    return load_decoder(resolve("smollm2"))


@cache
def _minilm() -> tuple[Any, Any]:
    return load_encoder(resolve("minilm"), ["yes", "no", "maybe"], seed=0)


@pytest.fixture
def smollm2() -> tuple[Any, Any]:
    """The real SmolLM2 and its tokenizer; shared, so a test must not change it."""
    return _smollm2()


@pytest.fixture
def minilm() -> tuple[Any, Any]:
    """The real MiniLM with a new head for yes, no, maybe; shared, so a test must not change it."""
    return _minilm()


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder of this test's own."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("PRECEPTOR_CACHE", str(folder))
    return folder


def tiny_gguf(path: Path, scale: float = 1.0) -> Path:
    """A random Llama of one block as the GGUF file that llama.cpp's own writer makes."""
    import gguf
    import numpy as np

    width, fed, vocabulary = 32, 64, tiny_tokenizer().get_vocab()
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(128)
    writer.add_embedding_length(width)
    writer.add_block_count(1)
    writer.add_feed_forward_length(fed)
    writer.add_head_count(4)
    writer.add_head_count_kv(2)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(8)
    writer.add_vocab_size(len(vocabulary))
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q8_0)
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(sorted(vocabulary, key=vocabulary.__getitem__))
    writer.add_token_types([3] * 3 + [1] * (len(vocabulary) - 3))
    merges = json.loads(tiny_tokenizer().backend_tokenizer.to_str())["model"]["merges"]
    writer.add_token_merges([" ".join(pair) for pair in merges])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    random = np.random.default_rng(0)
    shapes = {"token_embd": (len(vocabulary), width), "output_norm": (width,)}
    shapes |= {f"blk.0.{name}": (width, width) for name in ("attn_q", "attn_output")}
    shapes |= {f"blk.0.{name}": (width // 2, width) for name in ("attn_k", "attn_v")}
    shapes |= {f"blk.0.{name}": (fed, width) for name in ("ffn_gate", "ffn_up")}
    shapes |= {"blk.0.ffn_down": (width, fed)}
    shapes |= {f"blk.0.{name}": (width,) for name in ("attn_norm", "ffn_norm")}
    for name, shape in shapes.items():
        values = scale * random.normal(size=shape).astype(np.float32)
        if len(shape) == 1:
            writer.add_tensor(f"{name}.weight", values)
        else:
            kind = gguf.GGMLQuantizationType.Q8_0
            writer.add_tensor(f"{name}.weight", gguf.quantize(values, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


SEQ2SEQ: dict[str, dict[str, Any]] = {
    "BartForConditionalGeneration": {
        "d_model": 32, "encoder_layers": 2, "decoder_layers": 2, "encoder_ffn_dim": 48,
        "decoder_ffn_dim": 48, "encoder_attention_heads": 4, "decoder_attention_heads": 4,
        "max_position_embeddings": 128, "init_std": 0.2, "bos_token_id": 1,
        "decoder_start_token_id": 2, "forced_eos_token_id": None,
    },
    "T5ForConditionalGeneration": {
        "d_model": 32, "num_layers": 2, "d_ff": 48, "num_heads": 4, "d_kv": 8,
        "decoder_start_token_id": 0,
    },
}  # fmt: skip


@cache
def _tiny_seq2seq(name: str, options: tuple[tuple[str, Any], ...]) -> Any:
    import transformers

    model_class = getattr(transformers, name)
    config = model_class.config_class(
        vocab_size=400, eos_token_id=2, pad_token_id=0, **dict(options)
    )
    with seeded(0):
        return model_class(config).eval()


def tiny_seq2seq(name: str = "BartForConditionalGeneration", **more: Any) -> Any:
    """A random encoder-decoder model of a real class, a fresh copy each time."""
    return copy.deepcopy(_tiny_seq2seq(name, tuple({**SEQ2SEQ[name], **more}.items())))

"""Blocks, final norm and head of every family, found without its name."""

from pathlib import Path
from typing import Any

import pytest
import torch

from fixtures_models import DECODERS, saved, tiny_decoder, tiny_encoder
from preceptor.errors import WeightsError
from preceptor.models.anatomy import blocks, final_norm, head, head_names, is_tied, untie
from preceptor.tune.methods import lora, prefix

TOKENS = torch.tensor([[5, 6, 7, 8]])
LLAMA = ("model.layers", "model.norm", ["lm_head"])
DECODER_PARTS = {
    **dict.fromkeys(DECODERS, LLAMA),
    "GPTNeoXForCausalLM": ("gpt_neox.layers", "gpt_neox.final_layer_norm", ["lm_head"]),
    "BioGptForCausalLM": ("biogpt.layers", "biogpt.layer_norm", ["output_projection"]),
    "GPT2LMHeadModel": ("transformer.h", "transformer.ln_f", ["lm_head"]),
    "OPTForCausalLM": (
        "model.decoder.layers",
        "model.decoder.final_layer_norm",
        ["model.decoder.project_out", "lm_head"],
    ),
    # A norm stands beside the blocks that is not the final one.
    "BloomForCausalLM": ("transformer.h", "transformer.ln_f", ["lm_head"]),
}
ENCODER_PARTS = {
    "BertForSequenceClassification": ("bert.encoder.layer", None, ["bert.pooler", "classifier"]),
    "RobertaForSequenceClassification": ("roberta.encoder.layer", None, ["classifier"]),
    "DistilBertForSequenceClassification": (
        "distilbert.transformer.layer",
        None,
        ["pre_classifier", "classifier"],
    ),
    "ModernBertForSequenceClassification": (
        "model.layers",
        "model.final_norm",
        ["head", "classifier"],
    ),
}
TIED = {
    "Gemma2ForCausalLM",
    "CohereForCausalLM",
    "BioGptForCausalLM",
    "GPT2LMHeadModel",
    "OPTForCausalLM",
}


def bloom() -> Any:
    from transformers import BloomConfig, BloomForCausalLM

    return BloomForCausalLM(BloomConfig(vocab_size=50, hidden_size=32, n_layer=2, n_head=4)).eval()


def check(model: Any, parts: tuple[str, str | None, list[str]], before: str = "") -> None:
    layers, norm, heads = parts
    name, found = blocks(model)
    assert name == before + layers
    assert found is model.get_submodule(name)
    assert len(found) == 2
    assert final_norm(model) is (norm and model.get_submodule(before + norm))
    assert head_names(model) == [before + one for one in heads]
    assert list(head(model)) == [model.get_submodule(before + one) for one in heads]
    assert not model.training


@pytest.mark.parametrize("name", DECODER_PARTS)
def test_a_decoders_parts(name: str) -> None:
    model = bloom() if name.startswith("Bloom") else tiny_decoder(name)
    check(model, DECODER_PARTS[name])
    assert head(model)[-1] is model.get_output_embeddings()


@pytest.mark.parametrize("name", ENCODER_PARTS)
def test_an_encoders_parts(name: str) -> None:
    check(tiny_encoder(name), ENCODER_PARTS[name])


@pytest.mark.parametrize("name", DECODERS)
def test_through_an_adapter(name: str) -> None:
    adapted = lora.attach(tiny_decoder(name), lora.LoraSettings(last_blocks=1))
    check(adapted.eval(), DECODER_PARTS[name], "base_model.model.")
    prefixed = prefix.attach(tiny_decoder(name), prefix.PrefixSettings(virtual_tokens=2))
    check(prefixed.eval(), DECODER_PARTS[name], "base_model.")


def test_a_model_in_training_stays_so_and_draws_nothing() -> None:
    model = tiny_decoder("BioGptForCausalLM").train()  # its dropout would draw
    state = torch.get_rng_state()
    final_norm(model)
    assert model.training
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize(
    ("name", "sizes"),
    [
        ("AlbertForSequenceClassification", {"embedding_size": 16}),  # one block, run many times
        ("BartForConditionalGeneration", {"encoder_layers": 2, "decoder_layers": 2}),
    ],
)
def test_what_is_not_one_stack_of_blocks_is_refused(name: str, sizes: dict[str, int]) -> None:
    import transformers

    model_class = getattr(transformers, name)
    small = {"vocab_size": 50, "hidden_size": 32, "num_attention_heads": 4, "d_model": 32}
    model = model_class(model_class.config_class(**small, **sizes))
    with pytest.raises(WeightsError, match="not one stack of blocks"):
        blocks(model)


@pytest.mark.parametrize("name", DECODERS)
def test_untying_changes_nothing_and_lasts(name: str, tmp_path: Path) -> None:
    model = tiny_decoder(name)
    before = model(TOKENS).logits
    assert is_tied(model) is (name in TIED)
    untie(model)
    assert not is_tied(model)
    assert torch.equal(model(TOKENS).logits, before)
    with torch.no_grad():
        model.get_output_embeddings().weight.mul_(2)
    after = model(TOKENS).logits
    assert not torch.equal(after, before)
    again = type(model).from_pretrained(saved(model, tmp_path)).eval()
    assert torch.allclose(again(TOKENS).logits, after, rtol=1e-5, atol=1e-5)
    assert not is_tied(again)


def test_a_tied_head_is_seen_through_an_adapter_and_a_classifier_has_none() -> None:
    tied = tiny_decoder("LlamaForCausalLM", tie_word_embeddings=True)
    assert is_tied(lora.attach(tied, lora.LoraSettings()))
    assert not is_tied(tiny_encoder())

"""What enters a head, kept, gives the very logits that the model gives."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import pytest
import torch

from fixtures_models import DECODERS, SEQ2SEQ, tiny_decoder, tiny_seq2seq
from preceptor.models.head import entering_head, head_width, logits_of, vocabulary_size
from preceptor.models.logits import logits_at

TOKENS = torch.tensor([[5, 6, 7, 8], [9, 8, 7, 6]])
AT = torch.tensor([[False, True, True, False], [True, False, False, True]])


def kept(model: Any, precision: str = "fp32") -> tuple[torch.Tensor, torch.Tensor]:
    inputs = {"input_ids": TOKENS, "attention_mask": torch.ones_like(TOKENS)}
    if model.config.is_encoder_decoder:
        inputs["decoder_input_ids"] = TOKENS.flip(0)
    lowered = torch.autocast("cpu", torch.bfloat16)
    with lowered if precision == "bf16" else nullcontext():
        states = entering_head(model, inputs, AT)
        assert states.shape == (4, head_width(model))
        found = logits_of(model, states)
        with torch.no_grad():
            return found, logits_at(model, inputs, AT, sparse=True)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("name", [*DECODERS, *SEQ2SEQ])
def test_logits_of_kept_states_are_the_models_own(name: str, precision: str) -> None:
    model = tiny_decoder(name) if name in DECODERS else tiny_seq2seq(name)
    found, expected = kept(model, precision)
    assert torch.equal(found, expected)
    assert found.shape == (4, vocabulary_size(model))


@pytest.mark.parametrize("method", ["lora", "prefix"])
def test_with_an_adapter_too(method: str) -> None:
    from preceptor.tune.methods.lora import LoraSettings
    from preceptor.tune.methods.prefix import PrefixSettings
    from tune.test_methods import attach

    settings: Any = LoraSettings() if method == "lora" else PrefixSettings(virtual_tokens=3)
    model = attach(tiny_decoder(), settings).eval()
    assert torch.equal(*kept(model))

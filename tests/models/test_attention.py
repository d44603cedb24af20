"""Attention by matrix products against torch's own, in fp32 and as autocast runs it."""

from __future__ import annotations

import copy
from contextlib import nullcontext
from typing import Any

import pytest
import torch

from fixtures_models import DECODERS, NO_DROPOUT, tiny_decoder, tiny_encoder, tiny_seq2seq
from preceptor.models import attention
from preceptor.models.attention import _attention, _bias, by_products
from preceptor.models.bf16 import prepared
from preceptor.tune.methods import boft, lora

TOKENS = torch.tensor([[5, 6, 7, 8, 9, 4], [5, 9, 3, 0, 0, 0]])
MASK = (TOKENS > 0).long()


def drawn(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)))


@pytest.mark.parametrize("heads", [(4, 4), (6, 2), (3, 1)])
@pytest.mark.parametrize("kind", ["causal", "bool", "float", "none"])
def test_it_is_softmax_attention_with_its_gradient(heads: tuple[int, int], kind: str) -> None:
    inputs = [drawn(2, heads[0], 5, 8), drawn(2, heads[1], 7, 8), drawn(2, heads[1], 7, 8)]
    seen = torch.rand(2, 1, 5, 7, generator=torch.Generator().manual_seed(1)) > 0.4
    seen[..., 0] = True
    lowest = torch.zeros(seen.shape).masked_fill(~seen, float("-inf"))
    mask = {"bool": seen, "float": lowest}.get(kind)
    results = []
    for ours in (True, False):
        query, key, value = (one.clone().requires_grad_() for one in inputs)
        if ours:
            bias = _bias(mask, kind == "causal", 5, 7)
            out = _attention().apply(query, key, value, bias, 0.3)
        else:
            out = torch.nn.functional.scaled_dot_product_attention(
                query, key, value, mask, scale=0.3, is_causal=kind == "causal", enable_gqa=True
            )
        (out * drawn(*out.shape)).sum().backward()
        results.append([out, query.grad, key.grad, value.grad])
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_a_query_that_may_see_nothing_gives_numbers() -> None:
    nothing = torch.full((1, 1, 3, 3), float("-inf"))
    out = _attention().apply(*(drawn(1, 2, 3, 4).bfloat16(),) * 3, _bias(nothing, False, 3, 3), 1.0)
    assert out.isfinite().all()


def run(model: Any, way: bool, **inputs: torch.Tensor) -> tuple[torch.Tensor, dict[str, Any]]:
    model = copy.deepcopy(model)
    with by_products(model) if way else nullcontext():
        with torch.autocast("cpu", torch.bfloat16):
            logits = model(TOKENS, use_cache=False, **inputs).logits.float()
        (logits[MASK.bool()] if logits.ndim == 3 else logits).square().mean().backward()
    grads = {name: one.grad for name, one in model.named_parameters() if one.grad is not None}
    return logits, grads


@pytest.mark.parametrize("mask", [{}, {"attention_mask": MASK}])
@pytest.mark.parametrize("name", DECODERS)
def test_every_family_computes_the_same(
    name: str, mask: dict[str, torch.Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []
    attend = _attention().apply
    monkeypatch.setattr(_attention(), "apply", lambda *given: (calls.append(1), attend(*given))[1])
    model = tiny_decoder(name, **NO_DROPOUT.get(name, {}))
    (ours, grads), (theirs, expected) = (run(model, way, **mask) for way in (True, False))
    # Gemma2 caps its scores, and transformers attends for it in another way.
    assert len(calls) == (0 if name.startswith("Gemma2") else 2), "each block attends by it"
    real = MASK.bool()
    torch.testing.assert_close(ours[real], theirs[real], rtol=0.05, atol=0.05)
    assert grads.keys() == expected.keys()
    largest = max(grad.norm() for grad in expected.values())
    for key, grad in grads.items():  # a bias of keys has a gradient of rounding alone
        apart = (grad - expected[key]).norm() / (expected[key].norm() + 0.01 * largest)
        assert apart < 0.1, key


def test_a_classifier_sees_its_padding_masked() -> None:
    model = tiny_encoder(num_labels=2)
    ours, theirs = (run(model, way, attention_mask=MASK)[0] for way in (True, False))
    torch.testing.assert_close(ours, theirs, rtol=0.05, atol=0.05)


def test_an_encoder_decoder_model_keeps_its_three_kinds_of_attention() -> None:
    model = tiny_seq2seq(dropout=0.0, attention_dropout=0.0)
    given = {"attention_mask": MASK, "decoder_input_ids": TOKENS[:, :4]}
    found = []
    for way in (True, False):
        autocast = torch.autocast("cpu", torch.bfloat16)
        with by_products(model) if way else nullcontext(), torch.no_grad(), autocast:
            found.append(model(TOKENS, use_cache=False, **given).logits.float())
    torch.testing.assert_close(*found, rtol=0.05, atol=0.05)


def test_the_real_model_is_as_near_to_fp32_as_before(smollm2: Any) -> None:
    model, tokenizer = smollm2
    tokens = tokenizer("The patient was given aspirin because " * 12, return_tensors="pt").input_ids
    with torch.no_grad():
        exact = model(tokens).logits.log_softmax(-1)
        with torch.autocast("cpu", torch.bfloat16):
            before = model(tokens).logits.float().log_softmax(-1)
        with prepared(model, "bf16"), torch.autocast("cpu", torch.bfloat16):
            after = model(tokens).logits.float().log_softmax(-1)
    apart = [(one - exact).abs().mean() for one in (before, after)]
    assert apart[1] < 1.3 * apart[0]


def test_the_model_is_as_it_was_and_long_texts_go_the_other_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = lora.attach(tiny_decoder(), lora.LoraSettings())
    before = {name: value.clone() for name, value in model.named_parameters()}
    layer = model.base_model.model.model.layers[0].mlp.up_proj.base_layer
    with pytest.raises(ZeroDivisionError), prepared(model, "bf16"):
        assert layer.weight.dtype == torch.bfloat16
        assert model.get_input_embeddings().weight.dtype == torch.float32
        assert model.config._attn_implementation == attention.NAME
        monkeypatch.setattr(attention, "_LARGEST", 1)
        monkeypatch.setattr(_attention(), "apply", None)
        with torch.autocast("cpu", torch.bfloat16):
            model(TOKENS)
        raise ZeroDivisionError
    assert model.config._attn_implementation == "sdpa"
    assert all(torch.equal(value, before[name]) for name, value in model.named_parameters())
    assert {value.dtype for value in model.parameters()} == {torch.float32}


def test_matrices_that_more_is_done_with_stay() -> None:
    model = boft.attach(tiny_decoder(), boft.BoftSettings(block_size=4))
    dora = lora.attach(tiny_decoder(), lora.LoraSettings(dora=True))
    for one in (model, dora):
        with prepared(one, "bf16"):
            assert {value.dtype for value in one.parameters()} == {torch.float32}
    with prepared(model, "fp32"):
        assert model.config._attn_implementation == "sdpa"


def test_rounding_a_frozen_matrix_first_changes_no_bit() -> None:
    model = lora.attach(tiny_decoder(), lora.LoraSettings(dropout=0.0))
    found = []
    for precision in ("fp32", "bf16"):
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16), prepared(model, precision):
            model.config._attn_implementation = "sdpa"
            found.append(model(TOKENS).logits)
    assert torch.equal(*found)

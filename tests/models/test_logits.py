"""Logits at supervised positions are the model's own logits there, in every family."""

from typing import Any

import pytest
import torch

from fixtures_models import DECODERS, tiny_decoder
from preceptor.models.batching import pad
from preceptor.models.logits import can_be_sparse, logits_at
from preceptor.tune.methods.lora import LoraSettings, attach


def batch() -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    tokens, mask = pad([[5, 6, 7, 8, 9], [10, 11, 12]], 0)
    at = torch.tensor([[0, 0, 1, 1, 0], [0, 1, 0, 0, 0]], dtype=torch.bool)
    return {"input_ids": tokens, "attention_mask": mask}, at


@pytest.mark.parametrize("name", DECODERS)
def test_sparse_logits_are_the_whole_ones_at_their_positions(name: str) -> None:
    model = tiny_decoder(name)
    inputs, at = batch()
    assert can_be_sparse(model)
    sparse = logits_at(model, inputs, at, sparse=True)
    whole = model(**inputs).logits[at]
    assert sparse.shape == (3, 400)
    torch.testing.assert_close(sparse, whole, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["LlamaForCausalLM", "BioGptForCausalLM", "GPT2LMHeadModel"])
def test_gradients_through_an_adapter_are_the_same_both_ways(name: str) -> None:
    model = attach(tiny_decoder(name), LoraSettings(dropout=0.0))
    inputs, at = batch()
    gradients = []
    for sparse in (True, False):
        model.zero_grad()
        logits_at(model, inputs, at, sparse=sparse).logsumexp(-1).sum().backward()
        gradients.append([p.grad.clone() for p in model.parameters() if p.grad is not None])
    assert gradients[0]
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


def test_a_family_that_mixes_positions_behind_its_head_is_found_out() -> None:
    model = tiny_decoder()
    forward = model.forward

    def centred(*args: Any, **options: Any) -> Any:
        output = forward(*args, **options)
        output.logits = output.logits - output.logits.mean(-2, keepdim=True)
        return output

    model.forward = centred
    assert not can_be_sparse(model)
    inputs, at = batch()
    expected = model(**inputs).logits[at]
    torch.testing.assert_close(logits_at(model, inputs, at, sparse=False), expected)


def test_the_hook_is_gone_after_an_error() -> None:
    model = tiny_decoder()
    inputs, at = batch()
    with pytest.raises(IndexError):
        logits_at(model, inputs, at[:, :2], sparse=True)
    assert model(**inputs).logits.shape == (2, 5, 400)


def test_trying_does_not_leave_training_mode() -> None:
    model = tiny_decoder().train()
    can_be_sparse(model)
    assert model.training

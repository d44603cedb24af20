"""Frozen weights in four bits: real bitsandbytes on tiny models."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from fixtures_models import saved, tiny_decoder, tiny_tokenizer
from preceptor.errors import WeightsError
from preceptor.models.decoder import load_decoder
from preceptor.models.parameters import count_parameters
from preceptor.models.save import export, load_saved, save
from preceptor.models.weights import Weights, resolve
from preceptor.tune.batches import text_row
from preceptor.tune.fit import Aids, fit
from preceptor.tune.methods import lora
from preceptor.tune.settings import Budget, FitSettings
from preceptor.tune.trunk import TrunkCache

TOKENS = torch.tensor([[5, 6, 7, 8]])
WIDE = {"hidden_size": 64, "intermediate_size": 128, "head_dim": 32}  # rounded 64 at a time


@pytest.fixture
def rounded(tmp_path: Path) -> Weights:
    model = tiny_decoder("LlamaForCausalLM", **WIDE)
    return replace(resolve(str(saved(model, tmp_path / "base"))), rounded=True)


def tuned(weights: Weights, **settings: Any) -> tuple[Any, Any]:
    model, _ = load_decoder(weights)
    model = lora.attach(model, lora.LoraSettings(**settings), tiny_tokenizer())
    rows = [text_row(tiny_tokenizer(), "Is it so?", answer, "answer") for answer in (" yes", " no")]
    options: Any = {"learning_rate": 1e-2, "seed": 0, "label": "fit", "pad_id": 0}
    where = TrunkCache(Path(weights.path or "") / "trunk", weights.identity(), 1e9)
    report = fit(model, rows, Budget(steps=8), FitSettings(), **options, aids=Aids(trunk=where))
    return model, report


def test_an_adapter_learns_beside_weights_that_stay(rounded: Weights, tmp_path: Path) -> None:
    plain, _ = load_decoder(replace(rounded, rounded=False))
    model, tokenizer = load_decoder(rounded)
    small = model.model.layers[0].mlp.up_proj.weight
    assert small.dtype == torch.uint8
    assert small.numel() == 64 * 128 // 2
    assert count_parameters(model)[1] == count_parameters(plain)[1]
    given = torch.randn(20, 64, generator=torch.Generator().manual_seed(0))
    one, other = (it.model.layers[0].mlp.up_proj(given) for it in (model, plain))
    assert 0.02 < (one - other).norm() / other.norm() < 0.15  # 16 levels for each 64 numbers
    before = model(TOKENS).logits
    model, report = tuned(rounded)
    assert report.history[-1]["loss"] < report.history[0]["loss"]
    assert not torch.equal(model(TOKENS).logits, before)
    save(model, tokenizer, tmp_path / "out", rounded)
    again, _ = load_saved(tmp_path / "out")
    assert again.model.model.layers[0].mlp.up_proj.base_layer.weight.dtype == torch.uint8
    assert torch.equal(again(TOKENS).logits, model(TOKENS).logits)


def test_a_look_without_gradients_does_not_end_the_learning(rounded: Weights) -> None:
    model, _ = load_decoder(rounded)
    model = lora.attach(model, lora.LoraSettings(), tiny_tokenizer())
    with torch.no_grad():
        model(TOKENS)
    model(TOKENS).logits.square().sum().backward()
    lowest = model.base_model.model.model.layers[0].mlp.up_proj.lora_B["default"].weight
    assert lowest.grad is not None
    assert lowest.grad.abs().sum() > 0


def test_the_export_is_the_adapter_on_unrounded_weights(rounded: Weights, tmp_path: Path) -> None:
    model, tokenizer = tuned(rounded)[0], tiny_tokenizer()
    save(model, tokenizer, tmp_path / "out", rounded)
    export(tmp_path / "out", tmp_path / "whole")
    whole, _ = load_saved(tmp_path / "whole")
    plain, _ = load_decoder(replace(rounded, rounded=False))
    assert {value.dtype for value in whole.parameters()} == {torch.float32}
    update = whole.model.layers[0].mlp.up_proj.weight - plain.model.layers[0].mlp.up_proj.weight
    torch.testing.assert_close(
        update, model.base_model.model.model.layers[0].mlp.up_proj.get_delta_weight("default")
    )
    record = json.loads((tmp_path / "out" / "base.json").read_text())
    assert record["note"] == "loaded in 4 bits (NF4)"


def test_rounded_weights_are_other_weights(rounded: Weights, tmp_path: Path) -> None:
    plain = replace(rounded, rounded=False)
    assert rounded.identity() != plain.identity()
    reports = [tuned(one, last_blocks=1)[1] for one in (rounded, plain)]
    assert [report.trunk["blocks"] for report in reports] == [1, 1]
    trunks = list((Path(plain.path or "") / "trunk").glob("*/states.bin"))
    assert len(trunks) == 2  # neither sees the hidden states of the other
    save(tuned(rounded)[0], tiny_tokenizer(), tmp_path / "out", rounded)
    record = json.loads((tmp_path / "out" / "base.json").read_text())
    (tmp_path / "out" / "base.json").write_text(json.dumps({**record, "rounded": False}))
    with pytest.raises(WeightsError, match="other base weights"):
        load_saved(tmp_path / "out")

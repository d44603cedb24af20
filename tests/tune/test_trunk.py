"""The trunk cache: exact, shared, bounded, and refused where it would be wrong."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from fixtures_models import DECODERS, NO_DROPOUT, tiny_decoder, tiny_encoder, tiny_tokenizer
from preceptor.errors import PreceptorError
from preceptor.tune import trunk as trunk_module
from preceptor.tune.batches import LabelRow, TextRow, text_row
from preceptor.tune.fit import Aids, FitReport, fit
from preceptor.tune.methods import METHODS
from preceptor.tune.settings import Budget, FitSettings
from preceptor.tune.trunk import TrunkCache, frozen_depth
from preceptor.tune.update import Forward

ROWS = [
    text_row(tiny_tokenizer(), f"Is {'water ' * (1 + i % 4)}wet?", (" yes", " no")[i % 2], "answer")
    for i in range(8)
]
WEIGHTS = {"folder_sha256": "one"}


def deep(name: str) -> Any:
    layers = {"n_layer": 3} if name == "GPT2LMHeadModel" else {"num_hidden_layers": 3}
    return tiny_decoder(name, **NO_DROPOUT.get(name, {}), **layers)


def attach(model: Any, method: str = "unfreeze", **settings: Any) -> Any:
    module = METHODS[method]
    kind = next(value for key, value in vars(module).items() if key.lower() == f"{method}settings")
    return module.attach(model, kind(**settings))


def train(
    model: Any, cache: TrunkCache | None = None, rows: Any = ROWS, **settings: Any
) -> FitReport:
    fitted = FitSettings(**{"batch_rows": 8, "weight_decay": 0.0, **settings})
    budget, aids = Budget(steps=4), Aids(trunk=cache)
    return fit(
        model, rows, budget, fitted, learning_rate=1e-3, seed=0, label="fit", pad_id=0, aids=aids
    )


@pytest.fixture
def cache(tmp_path: Path) -> TrunkCache:
    return TrunkCache(tmp_path / "trunk", WEIGHTS, 1e9)


def losses(report: FitReport) -> list[float]:
    return [step["loss"] for step in report.history]


@pytest.mark.parametrize("name", DECODERS)
@pytest.mark.parametrize("layout", ["padded", "packed"])
@pytest.mark.parametrize(
    ("method", "settings"),
    [("unfreeze", {"last_blocks": 2}), ("lora", {"last_blocks": 1, "dropout": 0.0})],
)
def test_cached_equals_uncached(
    name: str, layout: str, method: str, settings: Any, cache: TrunkCache
) -> None:
    torch.manual_seed(0)
    plain = attach(deep(name), method, **settings)
    torch.manual_seed(0)
    cached = attach(deep(name), method, **settings)
    one, two = train(plain), train(cached, cache, layout=layout)
    assert losses(one) == pytest.approx(losses(two), rel=1e-5)
    assert one.trunk == {"off": "not asked for"}
    assert two.trunk["blocks"] == 3 - settings["last_blocks"]
    assert two.trunk["narrow"] == (name != "GPT2LMHeadModel")
    with torch.no_grad():
        tokens = torch.tensor([ROWS[3].tokens])
        torch.testing.assert_close(plain(tokens).logits, cached(tokens).logits, rtol=0, atol=2e-3)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_real_model_learns_the_same_with_its_trunk_cached(
    precision: str, cache: TrunkCache, smollm2: tuple[Any, Any]
) -> None:
    import copy

    whole, tokenizer = smollm2
    rows = [
        text_row(tokenizer, "Is the sea salt?" + " It is." * n, " yes", "answer") for n in (3, 5)
    ]
    seen = []
    for used in (None, cache):
        model = attach(copy.deepcopy(whole), "unfreeze", head="frozen")
        seen.append(losses(train(model, used, rows, precision=precision)))
    assert seen[0] == pytest.approx(seen[1], rel=1e-4 if precision == "fp32" else 3e-2)


def test_states_are_computed_once_for_every_setting_seed_and_arm(
    cache: TrunkCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = []
    below = trunk_module.states_below
    monkeypatch.setattr(trunk_module, "states_below", lambda *a: runs.append(1) or below(*a))
    train(attach(deep("LlamaForCausalLM")), cache, ROWS[:4])
    different = {row.tokens for row in ROWS[:4]}
    assert len(runs) == len(different)
    train(attach(deep("LlamaForCausalLM")), cache, ROWS[:4])
    assert len(runs) == len(different)
    train(attach(deep("LlamaForCausalLM"), last_blocks=2), cache, ROWS[:4])
    assert len(runs) == 2 * len(different)
    other = TrunkCache(cache.folder, {"folder_sha256": "two"}, 1e9)
    train(attach(deep("LlamaForCausalLM")), other, ROWS[:4])
    assert len(runs) == 3 * len(different)


def test_a_row_has_the_same_states_whatever_is_computed_with_it(tmp_path: Path) -> None:
    found = []
    for name, rows in (("a", ROWS), ("b", ROWS[::-1])):
        train(attach(deep("LlamaForCausalLM")), TrunkCache(tmp_path / name, WEIGHTS, 1e9), rows)
        folder = next((tmp_path / name).iterdir())
        index = [json.loads(line) for line in (folder / "index.jsonl").read_text().splitlines()]
        body = (folder / "states.bin").read_bytes()
        found.append({key: body[s * 128 : (s + n) * 128] for key, s, n in index})
    assert found[0] == found[1]


def test_what_a_killed_run_left_half_written_is_cut_off(cache: TrunkCache) -> None:
    model = attach(deep("LlamaForCausalLM"))
    train(model, cache, ROWS[:3])
    folder = next(cache.folder.iterdir())
    with (folder / "states.bin").open("ab") as body:
        body.write(b"\1" * 1000)
    with (folder / "index.jsonl").open("a") as lines:
        lines.write('["abc", 17')
    again = train(attach(deep("LlamaForCausalLM")), cache, ROWS)
    whole = train(attach(deep("LlamaForCausalLM")), None, ROWS)
    assert losses(again) == pytest.approx(losses(whole), rel=1e-5)


def test_over_its_budget_it_is_off_and_says_so_or_refuses(tmp_path: Path) -> None:
    small = TrunkCache(tmp_path, WEIGHTS, 1000)
    report = train(attach(deep("LlamaForCausalLM")), small)
    assert "more than the study allows" in report.trunk["off"]
    with pytest.raises(PreceptorError, match="trunk cannot be cached"):
        train(attach(deep("LlamaForCausalLM")), small, trunk_cache="on")
    report = train(attach(deep("LlamaForCausalLM")), small, trunk_cache="off")
    assert report.trunk == {"off": "not asked for"}


@pytest.mark.parametrize(
    ("method", "settings", "reason"),
    [
        ("full", {}, "embedding"),
        ("lora", {}, "first block"),
        ("unfreeze", {"head": "tied"}, "embedding"),
        ("unfreeze", {"last_blocks": 3}, "first block"),
        ("prefix", {"virtual_tokens": 4}, "prefix"),
    ],
)
def test_where_it_would_be_wrong_it_is_off_with_the_reason(
    method: str, settings: Any, reason: str, cache: TrunkCache
) -> None:
    model = attach(tiny_decoder(num_hidden_layers=3, tie_word_embeddings=True), method, **settings)
    depth, told = frozen_depth(model)
    assert depth == 0
    assert reason in told
    assert reason in train(model, cache).trunk["off"]


def test_a_classifier_has_none(cache: TrunkCache) -> None:
    rows = [LabelRow((1, 5, 9, 2), i % 2) for i in range(4)]
    report = train(attach(tiny_encoder(num_labels=2), "full"), cache, rows)
    assert report.trunk == {"off": "a classifier is trained"}


def test_dropout_that_is_left_out_below_is_told(cache: TrunkCache) -> None:
    report = train(attach(tiny_decoder("OPTForCausalLM", num_hidden_layers=3)), cache)
    assert report.trunk["dropout_off"] is True


def test_an_update_above_a_cached_trunk_is_one_batch_where_little_is_supervised(
    cache: TrunkCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    losses_of = Forward.losses
    monkeypatch.setattr(
        Forward, "losses", lambda self, rows: sizes.append(len(rows)) or losses_of(self, rows)
    )
    plain = train(attach(deep("LlamaForCausalLM")), batch_rows=2, accumulation=4)
    assert set(sizes) == {2}
    sizes.clear()
    cached = train(attach(deep("LlamaForCausalLM")), cache, batch_rows=2, accumulation=4)
    assert set(sizes) == {8}
    assert losses(plain) == pytest.approx(losses(cached), rel=1e-5)
    sizes.clear()
    everything = [TextRow(row.tokens, 1) for row in ROWS]
    train(attach(deep("LlamaForCausalLM")), cache, everything, batch_rows=2, accumulation=4)
    assert set(sizes) == {2}

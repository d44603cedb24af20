"""Padded, packed, fixed: other shapes of the same update."""

from typing import Any

import pytest
import torch

from fixtures_models import DECODERS, NO_DROPOUT, tiny_decoder, tiny_encoder, tiny_tokenizer
from preceptor.errors import PreceptorError
from preceptor.models.packing import reads_segments
from preceptor.tune.batches import LabelRow, plan_updates, text_row
from preceptor.tune.collate import collate, lay_out
from preceptor.tune.fit import FitReport, fit
from preceptor.tune.methods import full
from preceptor.tune.settings import Budget, FitSettings

CPU = torch.device("cpu")
ROWS = [
    text_row(tiny_tokenizer(), f"Is {'water ' * (1 + i % 4)}wet?", (" yes", " no")[i % 2], "answer")
    for i in range(8)
]


def train(name: str, **settings: Any) -> tuple[FitReport, Any]:
    model = full.attach(tiny_decoder(name, **NO_DROPOUT.get(name, {})), full.FullSettings())
    fitted = FitSettings(**{"batch_rows": 8, "batch_tokens": 512, **settings})
    steps = Budget(steps=3)
    report = fit(model, ROWS, steps, fitted, learning_rate=1e-3, seed=0, label="fit", pad_id=0)
    return report, model


@pytest.mark.parametrize("name", DECODERS)
def test_a_packed_row_predicts_what_it_predicts_alone(name: str) -> None:
    model = tiny_decoder(name)
    batch = collate(ROWS[:3], 0, CPU, "packed")
    together = model(**batch.inputs, use_cache=False).logits[0]
    for row, (_, start) in zip(ROWS[:3], batch.places, strict=True):
        alone = model(**collate([row], 0, CPU).inputs).logits[0]
        kept = together[start : start + len(row.tokens)]
        torch.testing.assert_close(kept, alone, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_no_row_of_a_pack_sees_another(attention: str) -> None:
    model = tiny_decoder()
    model.set_attn_implementation(attention)
    rows = [ROWS[0], ROWS[1]]
    other = [text_row(tiny_tokenizer(), "The moon is made of cheese", " maybe", "all"), ROWS[1]]
    ends = []
    for several in (rows, other):
        batch = collate(several, 0, CPU, "packed")
        ends.append(model(**batch.inputs, use_cache=False).logits[0, -len(ROWS[1].tokens) :])
    torch.testing.assert_close(*ends, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", DECODERS)
@pytest.mark.parametrize("settings", [{"layout": "packed"}, {"layout": "fixed", "max_length": 64}])
def test_the_layout_does_not_change_what_is_learned(name: str, settings: Any) -> None:
    padded, _ = train(name)
    other, _ = train(name, **settings)
    for one, two in zip(padded.history, other.history, strict=True):
        assert one["loss"] == pytest.approx(two["loss"], rel=2e-4)
    assert other.layout == settings["layout"]


def test_a_packed_row_ends_in_one_supervised_end_token_and_no_first_token_is() -> None:
    batch = collate(ROWS[:4], 0, CPU, "packed")
    assert batch.at is not None
    firsts = [start for _, start in batch.places]
    assert not any(bool(batch.at[0, start - 1]) for start in firsts if start)
    wanted = [token for row in ROWS[:4] for token in row.tokens[row.first :]]
    assert batch.targets.tolist() == wanted
    assert wanted.count(2) == 4
    assert batch.inputs["position_ids"][0, firsts].tolist() == [0, 0, 0, 0]
    assert batch.tokens == batch.inputs["input_ids"].numel()


def test_packs_are_filled_by_tokens_and_fixed_lines_count_whole() -> None:
    lengths = [10, 20, 30, 40] * 8
    packed = FitSettings(layout="packed", batch_tokens=100, batch_rows=64)
    for update in plan_updates(lengths, Budget(epochs=1), packed, 0):
        for batch in update:
            assert sum(lengths[row] for row in batch) <= 100
    fixed = FitSettings(layout="fixed", batch_tokens=100, max_length=50)
    sizes = [len(b) for u in plan_updates(lengths, Budget(epochs=1), fixed, 0) for b in u]
    assert max(sizes) == 2


def test_fixed_lines_have_the_length_that_was_asked_for() -> None:
    assert collate(ROWS, 0, CPU, "fixed", 64).inputs["input_ids"].shape == (8, 64)


def test_states_are_laid_out_like_the_rows() -> None:
    parts = [torch.full((len(row.tokens), 3), float(n + 1)) for n, row in enumerate(ROWS[:2])]
    padded = lay_out(parts, collate(ROWS[:2], 0, CPU))
    assert padded.shape == (2, max(map(len, parts)), 3)
    assert padded[0, len(parts[0]) :].abs().sum() == 0
    packed = lay_out(parts, collate(ROWS[:2], 0, CPU, "packed"))
    assert torch.equal(packed[0], torch.cat(parts))


def test_what_cannot_be_packed_is_refused() -> None:
    sliding = tiny_decoder("MistralForCausalLM", sliding_window=4)
    assert reads_segments(sliding, 4)
    assert not reads_segments(sliding, 5)
    settings = FitSettings(layout="packed")
    rows = [LabelRow((1, 5, 9, 2), 0)]
    model = full.attach(tiny_encoder(num_labels=2), full.FullSettings())
    with pytest.raises(PreceptorError, match="cannot be packed"):
        fit(model, rows, Budget(steps=1), settings, learning_rate=1, seed=0, label="", pad_id=0)

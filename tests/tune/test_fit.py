"""The loop: exact, repeatable, and plain about what goes wrong."""

import gc
from typing import Any

import pytest
import torch

from fixtures_models import DECODERS, NO_DROPOUT, tiny_decoder, tiny_encoder, tiny_tokenizer
from preceptor.errors import DataError, PreceptorError
from preceptor.models.seeding import seeded
from preceptor.tune.batches import LabelRow, TextRow, text_row
from preceptor.tune.collate import collate
from preceptor.tune.fit import FitReport, fit
from preceptor.tune.memory import release
from preceptor.tune.methods import full, lora
from preceptor.tune.optimizer import optimizer_for, rate
from preceptor.tune.settings import Budget, FitSettings

CPU = torch.device("cpu")
ROWS = [
    text_row(tiny_tokenizer(), f"Is {'water ' * (1 + i % 4)}wet?", (" yes", " no")[i % 2], "answer")
    for i in range(8)
]


def train(model: Any, rows: Any = ROWS, seed: int = 0, lr: float = 1e-2, **more: Any) -> FitReport:
    budget = more.pop("budget", Budget(steps=4))
    settings = FitSettings(**{"batch_rows": 8, **more})
    return fit(model, rows, budget, settings, learning_rate=lr, seed=seed, label="fit", pad_id=0)


def full_model(name: str = "LlamaForCausalLM", **more: Any) -> Any:
    return full.attach(tiny_decoder(name, **more), full.FullSettings())


def lora_model(name: str = "LlamaForCausalLM", seed: int = 0) -> Any:
    with seeded(seed):
        return lora.attach(tiny_decoder(name), lora.LoraSettings(dropout=0.1))


def weights(model: Any) -> dict[str, torch.Tensor]:
    return {name: value.detach().clone() for name, value in model.named_parameters()}


def same(one: Any, other: Any) -> bool:
    pairs = zip(weights(one).values(), weights(other).values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def test_same_seed_gives_the_same_weights_byte_for_byte() -> None:
    models = [lora_model() for _ in range(2)]
    torch.manual_seed(1)
    train(models[0], batch_rows=3)
    torch.manual_seed(2)  # the surroundings' randomness plays no part
    train(models[1], batch_rows=3)
    assert same(*models)


def test_another_seed_gives_other_weights() -> None:
    models = [lora_model() for _ in range(2)]
    for seed, model in enumerate(models):
        train(model, seed=seed, batch_rows=3)
    assert not same(*models)


def test_the_surroundings_random_state_is_left_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    train(lora_model())
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize("name", DECODERS)
def test_the_loss_is_transformers_own(name: str) -> None:
    model = tiny_decoder(name, **NO_DROPOUT.get(name, {}))
    tokens = collate(ROWS, 0, CPU).inputs
    labels = torch.full_like(tokens["input_ids"], -100)
    for number, row in enumerate(ROWS):
        labels[number, row.first : len(row.tokens)] = torch.tensor(row.tokens[row.first :])
    expected = model(**tokens, labels=labels).loss.item()
    report = train(full.attach(model, full.FullSettings()), budget=Budget(steps=1), warmup=0)
    assert report.history[0]["loss"] == pytest.approx(expected, rel=1e-5)
    assert report.logits == "supervised"


@pytest.mark.parametrize("name", DECODERS)
def test_a_padded_row_predicts_what_it_predicts_alone(name: str) -> None:
    model = tiny_decoder(name)
    batch = collate(ROWS, 0, CPU)
    together = model(**batch.inputs).logits
    for number, row in enumerate(ROWS[:2]):
        alone = model(**collate([row], 0, CPU).inputs).logits[0]
        kept = together[number, : len(row.tokens)]
        torch.testing.assert_close(kept, alone, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("loss", ["answer", "all"])
def test_accumulated_batches_equal_one_big_batch(loss: Any) -> None:
    rows = [TextRow(row.tokens, row.first if loss == "answer" else 1) for row in ROWS]
    rows[0] = TextRow(rows[0].tokens, 1)  # uneven counts: a mean of means would differ
    big, small = full_model(), full_model()
    one = train(big, rows, lr=1e-3, batch_rows=8)
    two = train(small, rows, lr=1e-3, batch_rows=2, accumulation=4)
    for first, second in zip(one.history, two.history, strict=True):
        assert first["loss"] == pytest.approx(second["loss"], rel=1e-4)
    for a, b in zip(weights(big).values(), weights(small).values(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-2, atol=1e-5)


@pytest.mark.parametrize("name", DECODERS)
def test_the_loss_falls_and_the_base_stays(name: str) -> None:
    model = lora_model(name)
    before = weights(model)
    report = train(model, lr=5e-2, budget=Budget(steps=12))
    assert report.history[-1]["loss"] < 0.7 * report.history[0]["loss"]
    moved = {key for key, value in weights(model).items() if not torch.equal(value, before[key])}
    assert moved == {key for key in before if "lora_" in key}


def test_a_classifier_learns() -> None:
    rows = [LabelRow((1, 5 + i % 3, 9, 2), i % 3) for i in range(12)]
    model = full.attach(tiny_encoder(num_labels=3), full.FullSettings())
    report = train(model, rows, lr=3e-3, budget=Budget(epochs=20), batch_rows=4)
    assert report.history[-1]["loss"] < 0.3
    assert report.logits == "classifier"
    assert report.updates == 60


def test_the_report_tells_what_was_done() -> None:
    report = train(full_model(), budget=Budget(epochs=2), batch_rows=4, accumulation=2)
    assert report.updates == len(report.history) == 2
    assert report.tokens_seen == 2 * sum(len(row.tokens) for row in ROWS)
    assert [step["update"] for step in report.history] == [1, 2]
    assert report.peak_memory_bytes > 50_000_000
    assert report.seconds > 0
    assert (report.precision, report.device) == ("fp32", "cpu")


def test_bf16_autocast_keeps_weights_in_fp32() -> None:
    model = lora_model()
    report = train(model, lr=5e-2, precision="bf16", budget=Budget(steps=8))
    assert report.precision == "bf16"
    assert report.history[-1]["loss"] < report.history[0]["loss"]
    assert {value.dtype for value in model.parameters()} == {torch.float32}


def test_dropout_is_on_while_training_and_drawn_by_the_seed() -> None:
    def first_loss(seed: int, **more: Any) -> float:
        model = full_model("GPT2LMHeadModel", **more).eval()
        return train(model, seed=seed, budget=Budget(steps=1)).history[0]["loss"]

    off = NO_DROPOUT["GPT2LMHeadModel"]
    assert first_loss(1) == first_loss(1) != first_loss(2)
    assert first_loss(1, **off) == pytest.approx(first_loss(2, **off), rel=1e-5)


def test_the_model_is_left_ready_to_predict() -> None:
    model = lora_model()
    train(model)
    assert not model.training


def test_rate_warms_up_from_above_zero_and_falls_to_zero() -> None:
    settings = FitSettings(warmup=0.2)
    rates = [rate(done, 10, settings) for done in range(11)]
    assert rates == pytest.approx([0.5, 1, 1, 7 / 8, 6 / 8, 5 / 8, 4 / 8, 3 / 8, 2 / 8, 1 / 8, 0])
    constant = FitSettings(warmup=0.2, schedule="constant")
    assert [rate(done, 10, constant) for done in range(4)] == [0.5, 1, 1, 1]
    assert rate(0, 1, FitSettings()) == 1


def test_history_holds_the_rates_that_were_used() -> None:
    report = train(full_model(), lr=1e-3, budget=Budget(steps=5), warmup=0.4)
    rates = [step["learning_rate"] / 1e-3 for step in report.history]
    assert rates == pytest.approx([1 / 2, 1, 1, 2 / 3, 1 / 3])


def test_decay_spares_biases_and_norms() -> None:
    optimizer = optimizer_for(full_model("GPT2LMHeadModel"), FitSettings(weight_decay=0.1), 1e-3)
    for group in optimizer.param_groups:
        matrices = {value.ndim > 1 for value in group["params"]}
        assert matrices == {group["weight_decay"] == 0.1}


def test_a_broken_loss_names_the_update_and_a_remedy() -> None:
    with pytest.raises(PreceptorError) as caught:
        train(full_model(), lr=1e30, budget=Budget(steps=9), warmup=0, max_grad_norm=1e9)
    told = str(caught.value)
    assert "update 2" in told
    assert "nan" in told or "inf" in told
    assert "learning rate" in told


def test_no_rows_a_frozen_model_and_too_long_a_row_are_refused() -> None:
    with pytest.raises(DataError, match="nothing to train on"):
        train(full_model(), [])
    with pytest.raises(PreceptorError, match="trainable"):
        train(tiny_decoder().requires_grad_(False))
    with pytest.raises(DataError, match="129 tokens"):
        train(full_model(), [TextRow((5,) * 129, 100)])


def test_gradients_are_clipped(monkeypatch: pytest.MonkeyPatch) -> None:
    norms = []
    step = torch.optim.AdamW.step

    def watched(self: Any, *args: Any, **options: Any) -> Any:
        grads = [p.grad for group in self.param_groups for p in group["params"]]
        norms.append(float(torch.stack([g.norm() for g in grads if g is not None]).norm()))
        return step(self, *args, **options)

    monkeypatch.setattr(torch.optim.AdamW, "step", watched)
    train(full_model(), max_grad_norm=0.01)
    train(full_model(), max_grad_norm=1e6)
    assert norms[:4] == pytest.approx([0.01] * 4, rel=1e-3)
    assert norms[4] > 0.1


def test_what_training_alone_needs_goes_with_it() -> None:
    def optimizers() -> int:
        return sum(issubclass(type(one), torch.optim.Optimizer) for one in gc.get_objects())

    gc.collect()
    before = optimizers()
    gc.disable()  # Adam's moments are twice the model: they must not wait for garbage collection
    try:
        train(full_model())
        assert optimizers() == before
    finally:
        gc.enable()


def test_what_was_released_is_not_in_the_peak_of_the_next_fit() -> None:
    def peak() -> int:
        release()
        return train(full_model(), budget=Budget(steps=1)).peak_memory_bytes

    before = peak()
    large = torch.ones(200_000_000 // 4)
    ring: dict[str, Any] = {"large": large}
    ring["itself"] = ring  # as a model with hooks: no count of references frees it
    del large, ring
    assert peak() < before + 100_000_000

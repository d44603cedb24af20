"""Encoder-decoder students on the loop: the loss is transformers' own, whatever the layout."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from fixtures_models import SEQ2SEQ, saved, tiny_encoder, tiny_seq2seq, tiny_tokenizer
from preceptor.errors import DataError, PreceptorError, SpecError
from preceptor.evaluate.decode import generate
from preceptor.models.logits import logits_at
from preceptor.models.pairs import PairRow, opening_of, pair_row
from preceptor.models.save import load_saved, save
from preceptor.models.seeding import seeded
from preceptor.models.seq2seq import load_seq2seq
from preceptor.models.weights import resolve
from preceptor.tune.collate import collate
from preceptor.tune.fit import Aids, FitReport, fit
from preceptor.tune.methods import base, boft, full, lora
from preceptor.tune.settings import Budget, FitSettings
from preceptor.tune.trunk import TrunkCache

CPU = torch.device("cpu")
TEXTS = [
    (f"Is {'water ' * (1 + i % 4)}wet?", ("yes", "no, it is dry", "maybe")[i % 3]) for i in range(8)
]
STILL: dict[str, dict[str, float]] = {
    "BartForConditionalGeneration": {"dropout": 0.0},
    "T5ForConditionalGeneration": {"dropout_rate": 0.0},
}


def tiny(name: str, forced: int | None = None) -> Any:
    model = tiny_seq2seq(name, **STILL[name])
    model.generation_config.forced_bos_token_id = forced
    return model


def rows_for(model: Any, tokenizer: Any = None) -> list[PairRow]:
    tokens = tokenizer or tiny_tokenizer()
    return [pair_row(tokens, opening_of(model), source, target) for source, target in TEXTS]


def train(model: Any, rows: Any = None, lr: float = 1e-2, **more: Any) -> FitReport:
    budget, aids = more.pop("budget", Budget(steps=1)), more.pop("aids", None)
    settings = FitSettings(**{"batch_rows": 8, "warmup": 0, **more})
    options: Any = {"learning_rate": lr, "seed": 0, "label": "fit", "pad_id": 0, "aids": aids}
    return fit(model, rows or rows_for(model), budget, settings, **options)


def its_own(model: Any, rows: list[PairRow]) -> float:
    """Transformers' loss, its decoder's inputs made by its own shift of the labels."""
    inputs = collate(rows, 0, CPU).inputs
    width = max(len(row.target) for row in rows) - 1
    labels = torch.full((len(rows), width), -100)
    for number, row in enumerate(rows):
        labels[number, : len(row.target) - 1] = torch.tensor(row.target[1:])
    with torch.no_grad():
        return float(
            model(
                input_ids=inputs["input_ids"],
                attention_mask=inputs["attention_mask"],
                labels=labels,
            ).loss
        )


@pytest.mark.parametrize("forced", [None, 1])
@pytest.mark.parametrize("name", SEQ2SEQ)
def test_the_loss_is_transformers_own(name: str, forced: int | None) -> None:
    model = tiny(name, forced)
    expected = its_own(model, rows_for(model))
    report = train(full.attach(model, full.FullSettings()))
    assert report.history[0]["loss"] == pytest.approx(expected, rel=1e-5)
    assert report.logits == "supervised"
    assert report.tokens_seen == sum(len(row.tokens) for row in rows_for(model))


@pytest.fixture(scope="module")
def pair() -> tuple[Any, Any]:
    """The real MiniLM pair, without dropout; trained by the last test."""
    model, tokenizer = load_seq2seq(resolve("minilm+minilm"), seed=1)
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    return model, tokenizer


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_the_pairs_loss_is_transformers_own(pair: tuple[Any, Any]) -> None:
    model, tokenizer = pair
    rows = rows_for(model, tokenizer)
    expected = its_own(model, rows)
    report = train(movable(model), rows, lr=1e-9)
    assert report.history[0]["loss"] == pytest.approx(expected, rel=1e-4)
    assert report.logits == "supervised"


def movable(model: Any) -> Any:
    return full.attach(model, full.FullSettings())


@pytest.mark.parametrize("name", SEQ2SEQ)
def test_padded_and_fixed_rows_predict_what_they_predict_alone(name: str) -> None:
    model = tiny(name)
    rows = rows_for(model)
    alone = [collate([row], 0, CPU) for row in rows]
    for batch in (collate(rows, 0, CPU), collate(rows, 0, CPU, "fixed", 40)):
        with torch.no_grad():
            together = logits_at(model, batch.inputs, batch.at, sparse=True)
            apart = [logits_at(model, one.inputs, one.at, sparse=True) for one in alone]
        torch.testing.assert_close(together, torch.cat(apart), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", SEQ2SEQ)
def test_accumulated_batches_equal_one_big_batch(name: str) -> None:
    big, small = (movable(tiny(name)) for _ in range(2))
    steps = {"lr": 1e-3, "budget": Budget(steps=3)}
    one = train(big, batch_rows=8, **steps)
    two = train(small, batch_rows=2, accumulation=4, **steps)
    for first, second in zip(one.history, two.history, strict=True):
        assert first["loss"] == pytest.approx(second["loss"], rel=1e-4)


METHODS: dict[str, Any] = {
    "full": (full, full.FullSettings()),
    "lora": (lora, lora.LoraSettings(dropout=0)),
    "boft": (boft, boft.BoftSettings(targets="all-linear")),
}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", SEQ2SEQ)
def test_the_loss_falls_and_what_was_saved_predicts_the_same(
    name: str, method: str, tmp_path: Path
) -> None:
    weights = resolve(str(saved(tiny(name, forced=1), tmp_path / "base")))
    model, tokenizer = load_seq2seq(weights)
    module, settings = METHODS[method]
    with seeded(0):
        model = module.attach(model, settings)
    report = train(model, lr=5e-2 if method != "full" else 1e-2, budget=Budget(steps=15))
    assert report.history[-1]["loss"] < 0.8 * report.history[0]["loss"]
    save(model, tokenizer, tmp_path / "tuned", weights)
    again, _ = load_saved(tmp_path / "tuned")
    batch = collate(rows_for(model), 0, CPU)
    assert opening_of(again) == opening_of(model)
    with torch.no_grad():
        one, other = (logits_at(m, batch.inputs, batch.at, sparse=True) for m in (model, again))
    torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_nothing_of_a_base_is_trained() -> None:
    model = base.attach(tiny("BartForConditionalGeneration"), base.BaseSettings())
    assert not any(value.requires_grad for value in model.parameters())


def test_what_does_not_work_is_refused_with_the_reason(tmp_path: Path) -> None:
    model = movable(tiny("T5ForConditionalGeneration"))
    with pytest.raises(PreceptorError, match="cannot be packed"):
        train(model, layout="packed")
    aids = Aids(TrunkCache(tmp_path, {}, 1e9))
    reason = "an encoder-decoder model has two stacks of blocks"
    assert train(model, aids=aids).trunk == {"off": reason}
    with pytest.raises(PreceptorError) as error:
        train(model, aids=aids, trunk_cache="on")
    assert error.value.found == reason


@pytest.mark.parametrize("side", ["source", "target"])
def test_a_row_that_is_too_long_on_either_side_is_refused(side: str) -> None:
    model = movable(tiny("BartForConditionalGeneration"))
    long = tuple(range(3, 140))
    row = PairRow(long, (2, 5, 2)) if side == "source" else PairRow((5, 2), (2, *long, 2))
    with pytest.raises(DataError, match="longer than the model can see"):
        train(model, [row])


def test_an_adapter_on_a_pair_of_encoders_stays_refused(tmp_path: Path, own_cache: Path) -> None:
    saved(tiny_encoder("BertModel"), tmp_path / "bert")
    for method in ("lora", "boft"):
        model, _ = load_seq2seq(resolve("bert+bert", tmp_path))
        module, settings = METHODS[method]
        with pytest.raises(SpecError, match="a pair of encoders"):
            module.attach(model, settings)


def test_the_pair_learns_to_answer_and_to_stop(pair: tuple[Any, Any]) -> None:
    model, tokenizer = pair
    texts = dict(TEXTS[:3])
    rows = [pair_row(tokenizer, opening_of(model), *text) for text in texts.items()]
    report = train(movable(model), rows, lr=3e-4, budget=Budget(steps=25))
    assert report.history[-1]["loss"] < 0.05 * report.history[0]["loss"]
    options: Any = {"max_new_tokens": 12, "batch_tokens": 500, "label": "answers"}
    assert generate(model, tokenizer, list(texts), "default", **options) == list(texts.values())

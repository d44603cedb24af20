"""LoRA on every family: what it trains, what it leaves, what it refuses."""

from typing import Any

import pytest
import torch

from fixtures_models import DECODERS, tiny_decoder, tiny_encoder
from preceptor.errors import SpecError
from preceptor.models.parameters import count_parameters
from preceptor.models.seeding import seeded
from preceptor.tune.methods.lora import LoraSettings, attach

TOKENS = torch.tensor([[5, 6, 7, 8]])


@pytest.mark.parametrize("name", DECODERS)
def test_starts_as_no_change_and_trains_its_own_alone(name: str) -> None:
    model = tiny_decoder(name)
    before = model(TOKENS).logits
    adapted = attach(model, LoraSettings(rank=4, alpha=32))
    assert torch.equal(adapted.eval()(TOKENS).logits, before)
    trained = {key for key, value in adapted.named_parameters() if value.requires_grad}
    assert trained
    assert all("lora_" in key for key in trained)


@pytest.mark.parametrize("name", DECODERS)
def test_the_head_is_no_target_and_stays_tied(name: str) -> None:
    adapted = attach(tiny_decoder(name), LoraSettings())
    assert type(adapted.get_output_embeddings()) is torch.nn.Linear
    if adapted.config.tie_word_embeddings:
        head, embedding = adapted.get_output_embeddings(), adapted.get_input_embeddings()
        assert head.weight.data_ptr() == embedding.weight.data_ptr()


def test_parameter_counts() -> None:
    model = tiny_decoder()
    total = sum(value.numel() for value in model.parameters())
    assert count_parameters(model) == (total, total)
    adapted = attach(model, LoraSettings(rank=4, targets=("q_proj",)))
    # Two blocks, q_proj 32 -> 32: A is 4 x 32 and B is 32 x 4.
    assert count_parameters(adapted) == (2 * 256, total + 2 * 256)


def test_rank_and_alpha_set_the_scale() -> None:
    adapted = attach(tiny_decoder(), LoraSettings(rank=4, alpha=64, targets=("q_proj",)))
    layer = adapted.get_base_model().model.layers[0].self_attn.q_proj
    assert layer.scaling["default"] == 16


def test_the_seed_draws_the_updates() -> None:
    def drawn(seed: int) -> Any:
        with seeded(seed):
            adapted = attach(tiny_decoder(), LoraSettings())
        return adapted.get_base_model().model.layers[0].self_attn.q_proj.lora_A["default"].weight

    assert torch.equal(drawn(1), drawn(1))
    assert not torch.equal(drawn(1), drawn(2))


@pytest.mark.parametrize(
    ("name", "head"),
    [
        ("BertForSequenceClassification", {"pooler.dense", "classifier"}),
        ("RobertaForSequenceClassification", {"classifier.dense", "classifier.out_proj"}),
        ("DistilBertForSequenceClassification", {"pre_classifier", "classifier"}),
    ],
)
def test_a_classifiers_whole_head_is_trained_too(name: str, head: set[str]) -> None:
    adapted = attach(tiny_encoder(name, num_labels=3), LoraSettings())
    trained = {key for key, value in adapted.named_parameters() if value.requires_grad}
    whole = {key for key in trained if "lora_" not in key}
    parts = {key.replace(".modules_to_save.default", "").rsplit(".", 1)[0] for key in whole}
    ends = {part.removeprefix("base_model.model.").removeprefix("bert.") for part in parts}
    assert ends == head
    assert len(trained) > len(whole)


@pytest.mark.parametrize(
    ("targets", "near"),
    [(("q_prj",), "q_proj"), (("q_proj", "query"), None), (("mlp.up",), "mlp.up_proj")],
)
def test_a_target_without_match_is_refused_and_the_nearest_named(
    targets: tuple[str, ...], near: str | None
) -> None:
    with pytest.raises(SpecError) as caught:
        attach(tiny_decoder(), LoraSettings(targets=targets))
    assert repr(targets[-1]) in str(caught.value)
    assert near is None or f"did you mean {near!r}" in str(caught.value)

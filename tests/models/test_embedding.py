"""Sentence embeddings: as MiniLM's own card makes them, batched as alone, remembered."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from fixtures_models import saved, tiny_decoder, tiny_encoder
from preceptor.errors import WeightsError
from preceptor.models.embedding import Embedder, embedder
from preceptor.models.weights import resolve

TEXTS = [
    "My knee hurts when I climb stairs.",
    "Climbing stairs makes my knee ache.",
    "Could you send me a copy of last month's bill?",
    "Thanks!",
    "I have been taking the new tablets for two weeks now and since Monday I feel dizzy whenever "
    "I get up from a chair, which has never happened to me before; should I stop taking them?",
]


def fresh(remembered: int = 0) -> Embedder:
    return Embedder(resolve("minilm"), remembered=remembered)


def test_the_vectors_are_those_of_the_models_own_card() -> None:
    from transformers import AutoModel, AutoTokenizer

    folder = resolve("minilm").folder
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder)
    encoded = tokenizer(TEXTS, padding=True, truncation=True, return_tensors="pt")
    with torch.no_grad():
        states = model(**encoded)[0]
    mask = encoded["attention_mask"].unsqueeze(-1).expand(states.size()).float()
    pooled = torch.sum(states * mask, 1) / torch.clamp(mask.sum(1), min=1e-9)
    expected = torch.nn.functional.normalize(pooled, p=2, dim=1).numpy()
    np.testing.assert_allclose(embedder().embed(TEXTS), expected, atol=1e-5)


@pytest.mark.parametrize("name", ["RobertaForMaskedLM", "ModernBertForMaskedLM", "minilm"])
def test_a_batch_gets_what_its_texts_get_alone(name: str, tmp_path: Path) -> None:
    ref = name if name == "minilm" else str(saved(tiny_encoder(name), tmp_path))
    model = Embedder(resolve(ref), remembered=0)
    together = model.embed(TEXTS)
    alone = np.concatenate([model.embed([text]) for text in TEXTS])
    np.testing.assert_allclose(together, alone, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)


def test_the_same_texts_get_the_same_vectors_bit_by_bit() -> None:
    np.testing.assert_array_equal(fresh().embed(TEXTS), fresh().embed(TEXTS))


def test_texts_that_say_alike_things_are_near_each_other() -> None:
    knee, stairs, bill, *_ = embedder().embed(TEXTS)
    assert knee @ stairs > 0.8
    assert knee @ bill < 0.2
    assert embedder().cosines(TEXTS[:2], TEXTS[1:3]).tolist() == pytest.approx(
        [knee @ stairs, stairs @ bill], abs=1e-5
    )


def test_what_is_remembered_is_not_embedded_again_and_the_memory_is_bounded() -> None:
    model = fresh(remembered=2)
    first = model.embed(TEXTS[:2])
    again = model.embed([TEXTS[4], TEXTS[0], TEXTS[1]])
    # Beside a longer text it would have been rounded otherwise.
    np.testing.assert_array_equal(again[1:], first)
    assert len(model._memory) == 2
    np.testing.assert_allclose(model.embed([TEXTS[4]] * 3), [again[0]] * 3, atol=1e-5)


def test_a_text_longer_than_the_model_was_made_for_is_cut_at_its_end_and_counted() -> None:
    model = fresh()
    long, longer = "knee " * 300, "knee " * 300 + "and the bill"
    one, other, _ = model.embed([long, longer, "knee"])
    assert model.longest == 256
    np.testing.assert_allclose(one, other, atol=1e-5)
    assert model.cut([long, longer, "knee"]) == 2


def test_odd_texts_have_vectors_and_no_texts_have_none() -> None:
    model = embedder()
    assert model.embed([]).shape == (0, 384)
    assert model.cosines([], []).shape == (0,)
    np.testing.assert_allclose(
        np.linalg.norm(model.embed(["", "\ud83d", "👍"]), axis=1), 1, atol=1e-5
    )


def test_weights_are_loaded_once_and_told_apart(tmp_path: Path) -> None:
    assert embedder("minilm", tmp_path) is embedder()
    assert embedder().identity == resolve("minilm").identity()
    other = embedder(str(saved(tiny_encoder(), tmp_path / "tiny")))
    assert other.identity != embedder().identity


def refusal(model: Any, folder: Path, pooling: dict[str, Any] | None = None) -> str:
    saved(model, folder)
    if pooling is not None:
        (folder / "1_Pooling").mkdir()
        (folder / "1_Pooling" / "config.json").write_text(json.dumps(pooling))
    with pytest.raises(WeightsError) as caught:
        embedder(str(folder)).embed(["a"])
    return str(caught.value)


def test_weights_that_give_no_such_embeddings_are_refused(tmp_path: Path) -> None:
    assert "encoder" in refusal(tiny_decoder(), tmp_path / "decoder")
    for number, pooling in enumerate(
        [{"pooling_mode_mean_tokens": False}, {"pooling_mode": "cls"}]
    ):
        told = refusal(tiny_encoder(), tmp_path / f"{number}", pooling)
        assert "does not average" in told

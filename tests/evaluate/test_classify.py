"""Class probabilities: batched as alone."""

from typing import Any

import numpy as np
import pytest

from fixtures_models import tiny_encoder, tiny_tokenizer
from preceptor.evaluate.classify import class_probabilities

TEXTS = ["Is the moon made of cheese?", "rain", "Will it rain tomorrow in the valley?", "yes, no"]


def probabilities(model: Any, tokenizer: Any, texts: list[str]) -> np.ndarray:
    return class_probabilities(model, tokenizer, texts, batch_tokens=40, label="classes")


@pytest.mark.parametrize(
    "name",
    ["BertForSequenceClassification", "RobertaForSequenceClassification",
     "DistilBertForSequenceClassification", "ModernBertForSequenceClassification"],
)  # fmt: skip
def test_a_batch_gets_what_its_texts_get_alone(name: str) -> None:
    model, tokenizer = tiny_encoder(name, num_labels=3), tiny_tokenizer()
    together = probabilities(model, tokenizer, TEXTS)
    alone = np.concatenate([probabilities(model, tokenizer, [text]) for text in TEXTS])
    np.testing.assert_allclose(together, alone, atol=1e-5)
    np.testing.assert_allclose(together.sum(1), 1)
    assert together.shape == (4, 3)
    assert together.std(0).max() > 1e-3


def test_minilm_against_plain_transformers(minilm: tuple[Any, Any]) -> None:
    model, tokenizer = minilm
    inputs = tokenizer(TEXTS, return_tensors="pt", padding=True)
    expected = model(**inputs).logits.softmax(-1).detach().numpy()
    got = class_probabilities(model, tokenizer, TEXTS, batch_tokens=400, label="classes")
    np.testing.assert_allclose(got, expected, atol=1e-5)

"""Perplexity and next-token accuracy, repeated with transformers alone."""

import math
from typing import Any

import pytest
import torch

from fixtures_models import DECODERS, tiny_decoder, tiny_tokenizer
from preceptor.evaluate.perplexity import NOTHING, Foreseen, foresee
from preceptor.tune.batches import text_row

TEXTS = [
    ("What is (are) water ?\n", "Water is wet."),
    ("Why?\n", "Because."),
    ("Is the moon made of cheese?\n", "No, it is made of rock and of dust and of nothing else."),
]


def rows(tokenizer: Any) -> list[tuple[tuple[int, ...], int]]:
    found = [text_row(tokenizer, prompt, answer, "answer") for prompt, answer in TEXTS]
    return [(row.tokens, row.first) for row in found]


def by_hand(model: Any, tokens: tuple[int, ...], first: int) -> tuple[float, int, int]:
    """Transformers' own loss over the answer and the end token, times their number."""
    row = torch.tensor([tokens])
    labels = row.clone()
    labels[:, :first] = -100
    out = model(row, labels=labels)
    count = len(tokens) - first
    guesses = out.logits[0, first - 1 : -1].argmax(-1)
    return float(out.loss) * count, int((guesses == row[0, first:]).sum()), count


@pytest.mark.parametrize("name", DECODERS)
def test_the_figures_are_transformers_own(name: str) -> None:
    model = tiny_decoder(name)
    texts = rows(tiny_tokenizer())
    with torch.no_grad():
        answer = [by_hand(model, tokens, first) for tokens, first in texts]
        whole = [by_hand(model, tokens, 1) for tokens, _ in texts]
    found = foresee(model, texts, pad_id=0, batch_tokens=128, label="test")
    for one, by_answer, by_all in zip(found, answer, whole, strict=True):
        assert one.answer.nll == pytest.approx(by_answer[0], rel=1e-4)
        assert (one.answer.right, one.answer.tokens) == by_answer[1:]
        assert one.all.nll == pytest.approx(by_all[0], rel=1e-4)
        assert (one.all.right, one.all.tokens) == by_all[1:]


def test_the_real_model_foresees_an_answer_better_than_noise(smollm2: tuple[Any, Any]) -> None:
    model, tokenizer = smollm2
    texts = rows(tokenizer)
    (tokens, first) = texts[2]
    found = foresee(model, [(tokens, first)], pad_id=0, batch_tokens=64, label="test")[0]
    with torch.no_grad():
        nll, right, count = by_hand(model, tokens, first)
    assert found.answer.perplexity == pytest.approx(math.exp(nll / count), rel=1e-4)
    assert (found.answer.right, found.answer.tokens) == (right, count)
    assert 1 < found.answer.perplexity < 1000


def test_rows_are_weighted_by_their_tokens() -> None:
    total = sum([Foreseen(2.0, 1, 2), Foreseen(30.0, 5, 10)], NOTHING)
    assert total.perplexity == pytest.approx(math.exp(32 / 12))
    assert total.accuracy == pytest.approx(0.5)
    assert math.isfinite(Foreseen(1e6, 0, 1).perplexity)

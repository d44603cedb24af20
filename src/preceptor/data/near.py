"""Near-duplicate texts, and what hangs together through them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

from preceptor.data.words import normalise

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

NEAR_JACCARD = 0.8
"""Jaccard similarity of the shingles from which two texts are near-duplicates"""
SHINGLE = 5
"""words in a shingle; Lee et al. (2022) seek near-duplicates by 5-grams too"""
_BANDS, _IN_BAND = 25, 5
"""two texts of Jaccard 0.8 share none of 25 bands of 5 hashes with probability (1 - 0.8^5)^25,
that is 5e-5"""
_ESTIMATE = 0.65
"""estimate below which a pair is not compared: for Jaccard 0.8 and 125 hashes its standard
deviation is 0.036, so that 1 pair in 60,000 lies lower"""
_AT_ONCE = 200
SEED = 42


@dataclass(frozen=True)
class Near:
    """Which texts are near-duplicates of which.

    Attributes:
        number: for each text, the number of its wording; repeats (case, punctuation and white
            space aside) share one. Shape (texts,).
        pairs: pairs of wordings that are near-duplicates, shape (pairs, 2).
    """

    number: NDArray[np.int64]
    pairs: NDArray[np.int64]

    def met(self, texts: Sequence[int], among: Sequence[int]) -> int:
        """How many of ``texts`` have a repeat or near-duplicate ``among`` others (indices)."""
        import numpy as np

        known = np.zeros(len(self.number), bool)
        known[self.number[among]] = True
        is_near = known.copy()
        for one, other in (self.pairs.T, self.pairs.T[::-1]):
            is_near[one[known[other]]] = True
        return int(is_near[self.number[texts]].sum())

    def links(self) -> list[tuple[int, int]]:
        """Pairs of texts (indices) that link all that hangs together, few of each wording."""
        first: dict[int, int] = {}
        number = self.number.tolist()
        repeats = [(first.setdefault(wording, text), text) for text, wording in enumerate(number)]
        return repeats + [(first[one], first[other]) for one, other in self.pairs.tolist()]


def near_duplicates(texts: Sequence[str]) -> Near:
    """Find all repeats and near-duplicates.

    Candidates come from MinHash and locality-sensitive hashing (Broder, 1997; Leskovec et al.,
    Mining of Massive Datasets, chapter 3) by ``rensa``; each is then compared exactly. Nothing
    hangs on the order of texts or on Python's hash seed.
    """
    import numpy as np

    wordings: dict[str, int] = {}
    number = [wordings.setdefault(normalise(text), len(wordings)) for text in texts]
    pairs: list[NDArray[np.int64]] = [np.empty((0, 2), np.int64)]
    if wordings:
        shingles, sketches = _sketched(list(wordings))
        sizes = np.diff(shingles.indptr)
        for one, other in _candidates(sketches, sizes):
            both = np.asarray(shingles[one].multiply(shingles[other]).sum(axis=1)).ravel()
            is_near = both / (sizes[one] + sizes[other] - both) >= NEAR_JACCARD
            pairs.append(np.stack([one[is_near], other[is_near]], axis=1))
    return Near(np.array(number, np.int64), np.concatenate(pairs))


def _sketched(wordings: Sequence[str]) -> tuple[Any, list[Any]]:
    """Which text has which shingles, a sparse matrix (texts, shingles) of ones; the MinHashes."""
    import numpy as np
    from rensa import RMinHash
    from scipy.sparse import csr_matrix

    hashes: list[NDArray[np.uint64]] = []
    sketches: list[Any] = []
    for start in range(0, len(wordings), _AT_ONCE):
        shingles = [_shingles(wording) for wording in wordings[start : start + _AT_ONCE]]
        several = RMinHash.hash_token_sets(shingles)
        hashes += [np.unique(np.array(one, np.uint64)) for one in several]
        sketches += RMinHash.from_token_sets(shingles, num_perm=_BANDS * _IN_BAND, seed=SEED)
    columns = np.unique(np.concatenate(hashes), return_inverse=True)[1]
    begins = np.cumsum([0, *map(len, hashes)])
    return csr_matrix((np.ones(len(columns), np.int32), columns, begins)), sketches


def _shingles(wording: str) -> list[str]:
    """Every run of 5 words; of a shorter text the whole."""
    words = wording.split()
    runs = zip(*(words[start:] for start in range(SHINGLE)), strict=False)
    return [" ".join(run) for run in runs] or [wording]


def _candidates(
    sketches: Sequence[Any], sizes: NDArray[np.int64]
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Pairs that share a band and may be near-duplicates by their sizes and by the estimate."""
    import numpy as np
    from rensa import RMinHashLSH

    index = RMinHashLSH(threshold=NEAR_JACCARD, num_perm=_BANDS * _IN_BAND, num_bands=_BANDS)
    index.insert_many(sketches)
    minima = np.array([sketch.digest() for sketch in sketches], np.uint32)
    for start in range(0, len(sketches), _AT_ONCE):
        found = index.query_all(sketches[start : start + _AT_ONCE])
        counts = np.fromiter(map(len, found), np.int64, len(found))
        other = np.fromiter(chain.from_iterable(found), np.int64, int(counts.sum()))
        one = np.repeat(np.arange(start, start + len(found)), counts)
        smaller, larger = np.sort(sizes[np.stack([one, other])], axis=0)
        likely = (one < other) & (smaller >= NEAR_JACCARD * larger)
        one, other = one[likely], other[likely]
        likely = (minima[one] == minima[other]).mean(axis=1) >= _ESTIMATE
        yield one[likely], other[likely]


def linked(
    count: int, keys: Iterable[Sequence[str]], links: Iterable[tuple[int, int]] = ()
) -> list[int]:
    """Connected components: the number of the one that each item belongs to.

    Args:
        count: how many items there are.
        keys: sequences of one key an item; items with the same key hang together, "" aside.
        links: pairs of items that hang together.
    """
    import numpy as np
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    ends = list(links)
    for several in keys:
        first: dict[str, int] = {}
        ends += [(first.setdefault(key, item), item) for item, key in enumerate(several) if key]
    one, other = np.array(ends, np.int64).reshape(-1, 2).T
    graph = coo_matrix((np.ones(len(ends), bool), (one, other)), shape=(count, count))
    numbers: list[int] = connected_components(graph, directed=False)[1].tolist()
    return numbers

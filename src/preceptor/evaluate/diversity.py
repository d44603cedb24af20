"""How varied some texts are: distinct-n, self-BLEU, and how far apart their embeddings lie."""

from __future__ import annotations

import math
import random
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from preceptor.data.words import words_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LARGEST = 1000
"""texts of each side at most: these figures hang on how many texts there are, so both sides give
as many, and more than this tell little more"""
_ORDERS = 4
Words = Sequence[str]
Gram = tuple[str, ...]


def compare(human: Sequence[str], made: Sequence[str], seed: int) -> dict[str, Any]:
    """Diversity of human beside made texts, from samples of one size; JSON values.

    Args:
        human: texts that people wrote.
        made: texts that a teacher wrote.
        seed: draws the samples.

    Returns:
        ``texts``: how many of each side were measured; ``human`` and ``made``: the figures of
        :func:`measure` and the :func:`spread`; ``note``: what is to be said of the embeddings,
        such as why there are none. Figures are None where too few texts can be compared.
    """
    size = min(len(human), len(made), LARGEST)
    chance = random.Random(f"diversity-{seed}")
    sides = {"human": chance.sample(human, size), "made": chance.sample(made, size)}
    vectors, note = _embedded([*sides["human"], *sides["made"]]) if size > 1 else (None, "")
    found: dict[str, Any] = {"texts": size, "note": note}
    for place, (name, texts) in enumerate(sides.items()):
        own = None if vectors is None else vectors[place * size : (place + 1) * size]
        found[name] = measure(texts) | {"spread": None if own is None else spread(own)}
    return found


def _embedded(texts: Sequence[str]) -> tuple[NDArray[np.float32] | None, str]:
    """The texts' vectors, [texts, width], or why there are none."""
    from preceptor.errors import WeightsError
    from preceptor.models.embedding import cut_note, embedder

    try:
        model = embedder()
        vectors = model.embed(texts, "embedding for diversity")
    except WeightsError as error:
        return None, f"no embeddings: {error.what}"
    return vectors, " ".join(cut_note(model.cut(texts)))


def measure(texts: Sequence[str]) -> dict[str, float | None]:
    """distinct_1, distinct_2, distinct_3 and self_bleu of some texts, over their words."""
    words = [words_of(text) for text in texts]
    figures = {f"distinct_{n}": distinct(words, n) for n in (1, 2, 3)}
    return {**figures, "self_bleu": self_bleu(words)}


def distinct(texts: Iterable[Words], n: int) -> float | None:
    """Different n-grams over all n-grams (Li et al., 2016, "A diversity-promoting objective
    function for neural conversation models"), in (0, 1]; None where there are none."""
    grams = Counter(gram for words in texts for gram in _grams(words, n))
    return len(grams) / grams.total() if grams else None


def self_bleu(texts: Sequence[Words]) -> float | None:
    """The mean BLEU of each text against all others (Zhu et al., 2018, "Texygen"), 0 to 1.

    BLEU-4 as sacrebleu's ``sentence_bleu`` computes it, with exponential smoothing and effective
    order (a text of two words has no 3-grams), over the words of :func:`words_of`. Exact, and in
    time that grows with the words alone: what clips an n-gram is its largest count elsewhere.
    None for fewer than two texts with words.
    """
    texts = [words for words in texts if words]
    if len(texts) < 2:
        return None
    grams = [[Counter(_grams(words, n)) for n in range(1, _ORDERS + 1)] for words in texts]
    most = [_most([one[n] for one in grams]) for n in range(_ORDERS)]
    lengths = sorted(map(len, texts))
    return sum(_bleu(own, most, lengths) for own in grams) / len(texts)


def spread(vectors: NDArray[np.floating[Any]]) -> float | None:
    """The mean cosine distance of all pairs; ``vectors`` has shape (texts, width).

    Of unit vectors the sum of all products is the square of their sum, so no pair is visited.
    """
    import numpy as np

    count = len(vectors)
    if count < 2:
        return None
    wide = np.asarray(vectors, np.float64)
    norms = np.linalg.norm(wide, axis=1, keepdims=True)
    total = (wide / np.where(norms > 0, norms, 1)).sum(axis=0)
    return float(1 - (total @ total - count) / (count * (count - 1)))


def _grams(words: Words, n: int) -> Iterable[Gram]:
    return zip(*(words[start:] for start in range(n)), strict=False)


def _most(counts: Sequence[Counter[Gram]]) -> dict[Gram, tuple[int, int]]:
    """The two largest counts of every n-gram among the texts."""
    most: dict[Gram, tuple[int, int]] = {}
    for one in counts:
        for gram, times in one.items():
            first, second = most.get(gram, (0, 0))
            most[gram] = (times, first) if times > first else (first, max(times, second))
    return most


def _bleu(
    own: Sequence[Counter[Gram]],
    most: Sequence[dict[Gram, tuple[int, int]]],
    lengths: Sequence[int],
) -> float:
    """BLEU of one text against all others, by its n-gram counts and everybody's largest ones."""
    logs: list[float] = []
    smooth = 1.0
    for counts, largest in zip(own, most, strict=True):
        if not counts:
            break
        right = sum(min(n, _elsewhere(n, largest[gram])) for gram, n in counts.items())
        if not right and not logs:
            return 0.0  # no word in common
        smooth *= 1 if right else 2
        logs.append(math.log((right or 1 / smooth) / counts.total()))
    penalty = min(0.0, 1 - _nearest(own[0].total(), lengths) / own[0].total())
    return math.exp(penalty + sum(logs) / len(logs))


def _elsewhere(own: int, largest: tuple[int, int]) -> int:
    """The largest count of an n-gram in any other text."""
    return largest[1] if own == largest[0] else largest[0]


def _nearest(length: int, lengths: Sequence[int]) -> int:
    """The length of another text that is nearest, of two as near the shorter; ``lengths`` is
    sorted and holds the own one too."""
    place = bisect_left(lengths, length)
    others = [lengths[i] for i in (place - 1, place + 1) if 0 <= i < len(lengths)]
    return min(others, key=lambda other: (abs(other - length), other))

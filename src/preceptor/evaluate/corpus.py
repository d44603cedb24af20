"""BLEU and chrF of many texts from what each of them counts into it.

Both are sums of counts over all texts before they are a score, so the score of all texts but one
is exact and needs no text again. sacrebleu (Post, A Call for Clarity in Reporting BLEU Scores,
2018) counts; the scores are computed here for many sums at once, and :func:`counted` holds them
against sacrebleu's own.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, Literal

from preceptor.errors import PreceptorError

if TYPE_CHECKING:
    from numpy import bool_, float64, int64
    from numpy.typing import NDArray

CorpusMetric = Literal["bleu", "chrf"]
_ORDERS = 4
"""n-grams of words in BLEU; those of characters in chrF are six"""
_BETA = 2
"""how many times recall weighs in chrF what precision does (Popović, 2016)"""


@dataclass(frozen=True, slots=True)
class Counted:
    """What some texts count into a score.

    Attributes:
        counts: a row of counts a text, as :func:`score_of` takes them.
        score: the score of all texts, 0 to 100.
        signature: what sacrebleu says of how it was counted (tokenizer, smoothing, version).
    """

    counts: list[list[int]]
    score: float
    signature: str


def counted(
    texts: Sequence[str], references: Sequence[Sequence[str]], metric: CorpusMetric
) -> Counted:
    """Let sacrebleu count, by its defaults: tokenizer 13a, case kept, exponential smoothing.

    Args:
        texts: what was written, at least one.
        references: the right texts of each, at least one each; as many as there are.
        metric: which.

    Raises:
        ValueError: no texts, unequal lengths, or a text without references.
        PreceptorError: this version of sacrebleu counts otherwise than this code computes.
    """
    import numpy as np

    if not texts or len(texts) != len(references) or not all(references):
        raise ValueError(f"{len(texts)} texts, {len(references)} lists of references, none empty")
    # None stands for a reference that a text has not; an empty one would count as a right text.
    engine = _engine(metric, [list(stream) for stream in zip_longest(*references)])
    counts: list[list[int]] = engine._extract_corpus_statistics(list(texts), None)
    score = float(engine.corpus_score(list(texts), None).score)
    ours = float(score_of(np.array(counts).sum(axis=0), metric))
    if not math.isclose(score, ours, abs_tol=1e-6):
        raise PreceptorError(
            f"sacrebleu counts {metric} otherwise than Preceptor computes it",
            found=f"{score} by sacrebleu, {ours} here",
            fix="install the version of sacrebleu that constraints.txt names",
        )
    return Counted(counts, score, str(engine.get_signature()))


def _engine(metric: CorpusMetric, references: list[list[str | None]]) -> Any:
    from sacrebleu.metrics import BLEU, CHRF

    # `force` silences a warning on texts that end in " .", and changes nothing else.
    return (
        BLEU(force=True, references=references) if metric == "bleu" else CHRF(references=references)
    )


def score_of(counts: NDArray[int64], metric: CorpusMetric) -> NDArray[float64]:
    """Corpus scores of summed counts.

    Args:
        counts: [..., 10] for BLEU (words, words of the nearest reference, right n-grams of
            1 to 4 words, all of them), [..., 18] for chrF (n-grams of 1 to 6 characters written,
            in the reference, in both).
        metric: which.

    Returns:
        [...], 0 to 100.
    """
    return _bleu(counts, counts[..., -1] > 0) if metric == "bleu" else _chrf(counts)


def sentence_scores(counts: NDArray[int64], metric: CorpusMetric) -> NDArray[float64]:
    """The score of every text by itself.

    BLEU as sacrebleu's ``sentence_bleu`` has it: n-grams that a text is too short for do not
    count ("effective order"), and those of which none is right are smoothed exponentially.

    Args:
        counts: as for :func:`score_of`, [texts, ...].
        metric: which.
    """
    return _bleu(counts, None) if metric == "bleu" else _chrf(counts)


def _bleu(counts: NDArray[int64], whole: NDArray[bool_] | None) -> NDArray[float64]:
    """BLEU (Papineni et al., 2002); 0 where not ``whole``, or of effective order without it."""
    import numpy as np

    written, nearest = counts[..., 0], counts[..., 1]
    right, total = counts[..., 2 : 2 + _ORDERS], counts[..., 2 + _ORDERS :]
    there, wrong = total > 0, right == 0
    # sacrebleu's "exp": the first order without a hit counts half of one, the next a quarter.
    hits = np.where(wrong, 0.5 ** np.cumsum(wrong & there, axis=-1), right)
    logs = np.where(there, np.log(hits / np.maximum(total, 1)), 0.0).sum(axis=-1)
    orders = np.full(written.shape, _ORDERS) if whole is not None else there.sum(axis=-1)
    penalty = np.minimum(0.0, 1 - nearest / np.maximum(written, 1))
    scores = 100 * np.exp(penalty + logs / np.maximum(orders, 1))
    counts_at_all = right.any(axis=-1) if whole is None else right.any(axis=-1) & whole
    return np.asarray(np.where(counts_at_all, scores, 0.0), dtype=np.float64)


def _chrf(counts: NDArray[int64]) -> NDArray[float64]:
    """The chrF of Popović (2015): F of the mean precision and recall over orders both have."""
    import numpy as np

    written, reference, both = np.moveaxis(counts.reshape(*counts.shape[:-1], -1, 3), -1, 0)
    there = (written > 0) & (reference > 0)
    orders = np.maximum(there.sum(axis=-1), 1)
    precision = np.where(there, both / np.maximum(written, 1), 0.0).sum(axis=-1) / orders
    recall = np.where(there, both / np.maximum(reference, 1), 0.0).sum(axis=-1) / orders
    under = _BETA**2 * precision + recall
    scores = (1 + _BETA**2) * precision * recall / np.where(under > 0, under, 1.0)
    return np.asarray(100 * scores, dtype=np.float64)

"""Written texts held against references, text by text: what the scores of many are made from.

BLEU and chrF of many texts are no means of those of each: their counts are kept (see
:mod:`preceptor.evaluate.corpus`). ROUGE (Lin, 2004) is Google's reimplementation, rouge-score, with
Porter's stemmer (as ROUGE-1.5.5 ``-m``); its words are those of a-z and 0-9, case aside, so of
texts in other scripts it sees nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from statistics import fmean
from types import SimpleNamespace
from typing import Any

from preceptor.data.words import words_of
from preceptor.evaluate.corpus import counted, sentence_scores

ROUGES = ("rouge1", "rouge2", "rougeL")
_KEPT = 50_000
"""texts whose words are kept: references come again with every cell, and stemming takes long"""


@dataclass(frozen=True, slots=True)
class TextScores:
    """What one written text scores.

    Attributes:
        sentence_bleu: BLEU of this text alone, smoothed, of effective order, 0 to 100.
        sentence_chrf: chrF of this text alone, 0 to 100.
        rouge1: F1 of words with the reference where it is greatest, 0 to 1.
        rouge2: the same of pairs of words.
        rougeL: the same of the longest common subsequence.
        exact_match: whether it is one of its references, white space aside.
        words: how many words it has.
        reference_words: how many the reference has that is nearest in length (of two the
            shorter).
        bleu_counts: what it counts into BLEU (:func:`preceptor.evaluate.corpus.score_of`).
        chrf_counts: what it counts into chrF.
    """

    sentence_bleu: float
    sentence_chrf: float
    rouge1: float
    rouge2: float
    rougeL: float  # noqa: N815 - the metric's name
    exact_match: bool
    words: int
    reference_words: int
    bleu_counts: list[int]
    chrf_counts: list[int]


@dataclass(frozen=True, slots=True)
class Held:
    """Some texts held against their references.

    Attributes:
        rows: every text's own scores.
        bleu: of all texts, 0 to 100.
        chrf: of all texts, 0 to 100.
        signatures: by metric (bleu, chrf, rouge), how it was counted.
    """

    rows: list[TextScores]
    bleu: float
    chrf: float
    signatures: dict[str, str]

    @property
    def metrics(self) -> dict[str, Any]:
        """The scores of all texts as JSON values.

        ``n``; ``bleu`` and ``chrf``, 0 to 100; the means of ``rouge1``, ``rouge2``, ``rougeL`` and
        ``exact_match``, 0 to 1; ``length_ratio``, all words over all reference words; and
        ``signatures``.
        """
        words, reference = (
            sum(getattr(row, name) for row in self.rows) for name in ("words", "reference_words")
        )
        means = (*ROUGES, "exact_match")
        return {
            "n": len(self.rows),
            "bleu": self.bleu,
            "chrf": self.chrf,
            **{name: fmean(float(getattr(row, name)) for row in self.rows) for name in means},
            "length_ratio": words / max(reference, 1),
            "signatures": self.signatures,
        }


def hold(texts: Sequence[str], references: Sequence[Sequence[str]]) -> Held:
    """Hold written texts against their references.

    Args:
        texts: what was written; may be empty texts.
        references: the right texts of each, at least one each.

    Raises:
        ValueError: no texts, unequal lengths, or a text without references.
        PreceptorError: this version of sacrebleu counts otherwise than this code computes.
    """
    import numpy as np

    bleu, chrf = (counted(texts, references, metric) for metric in ("bleu", "chrf"))
    alone = zip(
        sentence_scores(np.array(bleu.counts), "bleu").tolist(),
        sentence_scores(np.array(chrf.counts), "chrf").tolist(),
        strict=True,
    )
    rows = [
        TextScores(*scores, **_own(text, right), bleu_counts=counts, chrf_counts=more)
        for text, right, scores, counts, more in zip(
            texts, references, alone, bleu.counts, chrf.counts, strict=True
        )
    ]
    signatures = {"bleu": bleu.signature, "chrf": chrf.signature, "rouge": rouge_signature()}
    return Held(rows, bleu.score, chrf.score, signatures)


def _own(text: str, references: Sequence[str]) -> dict[str, Any]:
    """What needs no other text: ROUGE, exact match, lengths."""
    words = len(words_of(text))
    return {
        **rouge(text, references),
        "exact_match": " ".join(text.split()) in {" ".join(one.split()) for one in references},
        "words": words,
        "reference_words": _nearest(words, [len(words_of(one)) for one in references]),
    }


def _nearest(words: int, lengths: Sequence[int]) -> int:
    return min(lengths, key=lambda length: (abs(length - words), length))


def rouge(text: str, references: Sequence[str]) -> dict[str, float]:
    """ROUGE-1, -2 and -L F1 of a text, each with the reference where it is greatest."""
    found = _scorer().score_multi(list(references), text)
    return {name: float(found[name].fmeasure) for name in ROUGES}


def rouge_signature() -> str:
    """How ROUGE is counted, in the form of sacrebleu's signatures."""
    from importlib.metadata import version

    return f"F1|nrefs:best|stem:porter|tok:a-z0-9|case:lc|rouge-score:{version('rouge-score')}"


@cache
def _scorer() -> Any:
    from rouge_score.rouge_scorer import RougeScorer
    from rouge_score.tokenizers import DefaultTokenizer

    words = lru_cache(maxsize=_KEPT)(DefaultTokenizer(use_stemmer=True).tokenize)
    return RougeScorer(ROUGES, tokenizer=SimpleNamespace(tokenize=words))

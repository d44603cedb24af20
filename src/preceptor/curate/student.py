"""A student of the human texts: reads them by embeddings, or by embeddings and words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from preceptor.curate.crossfit import CrossFit, cross_fit
from preceptor.curate.wording import Wording, wording_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Embed = Callable[[Sequence[str]], NDArray[np.float32]]


@dataclass(frozen=True)
class Student:
    """Logistic regressions, each fitted without some of the human examples.

    Attributes:
        fits: the regressions.
        embed: gives the embeddings of texts, [texts, width].
        words: what it reads beside embeddings, if anything.
    """

    fits: CrossFit
    embed: Embed
    words: Wording | None

    def probabilities(
        self, texts: Sequence[str], parents: Sequence[Sequence[int]]
    ) -> NDArray[np.float64]:
        """As :meth:`CrossFit.probabilities`, of texts."""
        return self.fits.probabilities(_read(self.embed(texts), texts, self.words), parents)


def student_of(
    texts: Sequence[str],
    targets: Sequence[str],
    labels: Sequence[str],
    embed: Embed,
    *,
    folds: int,
    seed: int,
) -> Student:
    """The student that foresees unseen human labels best: with words, or by embeddings alone.

    Where labels lie in how a thing is said (SciCite's intents of citations), words help; where
    they lie in what it is about and examples are few (CLINC150, the quickstart), they do not.

    Args:
        texts: of the human examples.
        targets: their labels.
        labels: the task's labels, in the order of the columns of what is returned.
        embed: gives the embeddings of texts, [texts, width].
        folds: parts that the human examples are dealt into.
        seed: deals them.
    """
    embedded = embed(texts)
    tried = [
        Student(cross_fit(read, targets, labels, folds=folds, seed=seed), embed, words)
        for words in dict.fromkeys((None, wording_of(texts)))
        for read in [_read(embedded, texts, words)]
    ]
    return min(tried, key=lambda one: one.fits.log_loss)


def _read(
    embedded: NDArray[np.float32], texts: Sequence[str], words: Wording | None
) -> NDArray[np.float32]:
    import numpy as np

    return embedded if words is None else np.hstack([embedded, words.vectors(texts)])

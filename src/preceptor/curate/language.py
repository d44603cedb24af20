"""Text in another language than the human data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from pydantic import Field

from preceptor.curate.fields import TakenOver, texts_of
from preceptor.curate.filter import Material, RowFilter, needs_writing
from preceptor.data.candidate import Rejection
from preceptor.data.example import Example
from preceptor.errors import SpecError
from preceptor.settings import Settings

unfit = needs_writing
_USUAL = 0.05
"""share of the human texts from which a language is one of theirs; below lie the mistakes"""


class LanguageSettings(Settings):
    """Reject an example with a field in another language than the human examples. Off by
    default: most teachers keep to the language, and short texts are hard to tell."""

    languages: tuple[str, ...] = ()
    """ISO 639-1 codes (en, de) of the languages that are wanted; by default those in which the
    human texts are"""
    probability: float = Field(0.05, gt=0, lt=0.5)
    """reject where all wanted languages together are less probable than this"""
    letters: int = Field(20, ge=1)
    """shorter texts are not judged"""


class LanguageFilter(RowFilter):
    """Tells languages by py3langid (Lui and Baldwin, 2012), whose model is in its wheel."""

    def __init__(self, settings: LanguageSettings, material: Material) -> None:
        self._settings = settings
        self._taken_over = TakenOver(material)
        self._rank = _ranker(settings.languages)
        human = [text for one in material.human for text in texts_of(one, material.task).values()]
        self._wanted = set(settings.languages or self._languages(human))

    def verdict(self, example: Example) -> Rejection | None:
        """Reject what is hardly in a wanted language, with the language that it seems to be."""
        for name, text in self._taken_over.written(example).items():
            if not self._is_long(text):
                continue
            ranked = self._rank(text)
            wanted = sum(share for language, share in ranked if language in self._wanted)
            if wanted < self._settings.probability:
                detail = f"{name} is {ranked[0][0]}, not {' or '.join(sorted(self._wanted))}"
                return Rejection("other language", detail, {"probability": round(wanted, 4)})
        return None

    def _languages(self, texts: Sequence[str]) -> set[str]:
        """The usual ones, and that of all texts together, which short ones alone do not show."""
        found = Counter(self._rank(text)[0][0] for text in texts if self._is_long(text))
        usual = {language for language, count in found.items() if count >= _USUAL * found.total()}
        return usual | {self._rank("\n".join(texts))[0][0]}

    def _is_long(self, text: str) -> bool:
        return sum(map(str.isalpha, text)) >= self._settings.letters


def _ranker(languages: Sequence[str]) -> Callable[[str], list[tuple[str, float]]]:
    """Tells languages and their probabilities, the most probable first.

    Raises:
        SpecError: one of ``languages`` is unknown.
    """
    identifier = _identifier()
    unknown = sorted(set(languages) - set(identifier.labels))
    if unknown:
        raise SpecError(
            "curation.language.languages: an unknown language",
            found=", ".join(unknown),
            expected=", ".join(sorted(identifier.labels)),
        )
    ranked: Callable[[str], list[tuple[str, float]]] = identifier.rank
    return ranked


@cache
def _identifier() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


def make(settings: LanguageSettings, material: Material) -> LanguageFilter:
    """The filter of one arm and seed."""
    return LanguageFilter(settings, material)

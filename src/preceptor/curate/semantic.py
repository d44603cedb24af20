"""Semantic duplicates: what was said before, in other words."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from textwrap import shorten
from typing import TYPE_CHECKING

from pydantic import Field

from preceptor.curate.fields import ANSWER, texts_of
from preceptor.curate.filter import Material
from preceptor.data.candidate import Rejection
from preceptor.data.example import Example
from preceptor.models.embedding import EMBEDDER, Embedder, cut_note, embedder
from preceptor.settings import Settings
from preceptor.tasks import ChoiceTask

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_ROWS, _CHUNK = 1024, 8192
"""a block of products is 32 MB a field, however many rows there are in all"""
_SHOWN = 300


class SemanticSettings(Settings):
    """Reject an example that says what a human training example says, or one made before, by
    the cosine of their sentence embeddings. All fields that a student sees must be alike, and
    the answers of a text task."""

    similarity: float = Field(0.95, gt=0, le=1)
    """cosine from which two texts say the same. Of the pairs of CLINC150's training texts that are
    so near (421 of 12 million), 0.2 % have two intents; from 0.90 on it is 1.3 %, from 0.80 3.9 %;
    of SciCite's 86, 50 are near-duplicates word for word too"""
    contamination: bool = False
    """reject also where one field, not taken over from a human example, is so near to that
    field of a held-out input; labels are never read"""
    weights: str = EMBEDDER
    """the sentence encoder: a known package (minilm), a folder, or a hub id"""


class SemanticFilter:
    """Remembers the human examples and everything that it let pass.

    A rewrite is near its own parents by design, and is not held against them.
    """

    def __init__(self, settings: SemanticSettings, material: Material) -> None:
        self._settings = settings
        self._material = material
        self._inputs = material.task.input_fields
        is_text = not isinstance(material.task, ChoiceTask)
        self._fields = [*self._inputs, ANSWER] if is_text else self._inputs
        self._cut = 0

    @property
    def notes(self) -> list[str]:
        """What a reader of the result must know."""
        return cut_note(self._cut)

    def judge(self, examples: Sequence[Example]) -> list[Rejection | None]:
        """Reject what is near something known, naming and showing it."""
        verdicts: list[Rejection | None] = []
        for start in range(0, len(examples), _ROWS):
            verdicts += self._judge(examples[start : start + _ROWS])
        return verdicts

    def _judge(self, examples: Sequence[Example]) -> list[Rejection | None]:
        import numpy as np

        vectors = self._embed(examples, self._fields)
        self._cut += self._model.cut(self._texts(examples, self._fields))
        verdicts = self._contaminated(examples, vectors)
        before, place = self._seen.nearest(vectors, [self._own(one) for one in examples])
        among = np.tril(_alike(vectors, vectors), -1)  # each with those before it alone
        for row in range(len(examples)):
            nearest = int(among[row].argmax())
            best = max(before[row], among[row, nearest])
            if verdicts[row] is None and best >= self._settings.similarity:
                known = before[row] == best
                twin = self._seen.examples[place[row]] if known else examples[nearest]
                verdicts[row] = self._same(twin, float(best))
            if verdicts[row] is not None:
                among[:, row] = 0  # nothing is a duplicate of what was rejected
        kept = [row for row, verdict in enumerate(verdicts) if verdict is None]
        self._seen.add([examples[row] for row in kept], vectors[:, kept])
        return verdicts

    def _own(self, example: Example) -> list[int]:
        """Places of the human examples that this one may be like."""
        if example.origin.operation != "rewrite":
            return []
        return [self._places[id] for id in example.origin.parents if id in self._places]

    def _same(self, twin: Example, similarity: float) -> Rejection:
        shown = shorten(self._material.task.show(twin), _SHOWN, placeholder=" …")
        figures = {"similarity": round(similarity, 4)}
        return Rejection("semantic duplicate", f"says what {twin.id} says: {shown}", figures)

    def _contaminated(
        self, examples: Sequence[Example], vectors: NDArray[np.float32]
    ) -> list[Rejection | None]:
        verdicts: list[Rejection | None] = [None] * len(examples)
        if not self._settings.contamination or not self._material.held_out:
            return verdicts
        for number, (field, seen) in enumerate(self._held_out.items()):
            similarity, place = seen.nearest(vectors[number : number + 1])
            for row in (similarity >= self._settings.similarity).nonzero()[0].tolist():
                if examples[row].inputs[field] not in self._human_texts:
                    twin = seen.examples[place[row]]
                    verdicts[row] = _leaked(twin, field, float(similarity[row]))
        return verdicts

    @property
    def _model(self) -> Embedder:
        return embedder(self._settings.weights, self._material.base_dir)

    def _embed(self, examples: Sequence[Example], fields: Sequence[str]) -> NDArray[np.float32]:
        """[fields, examples, width]"""
        import numpy as np

        texts = self._texts(examples, fields)
        vectors = self._model.embed(texts, "embedding for semantic duplicates")
        return np.reshape(vectors, (len(fields), len(examples), vectors.shape[1]))

    def _texts(self, examples: Sequence[Example], fields: Sequence[str]) -> list[str]:
        texts = [texts_of(example, self._material.task) for example in examples]
        return [one[field] for field in fields for one in texts]

    @cached_property
    def _seen(self) -> _Seen:
        seen = _Seen()
        seen.add(self._material.human, self._embed(self._material.human, self._fields))
        return seen

    @cached_property
    def _places(self) -> dict[str, int]:
        return {example.id: place for place, example in enumerate(self._material.human)}

    @cached_property
    def _held_out(self) -> dict[str, _Seen]:
        """The held-out inputs, each field for itself."""
        vectors = self._embed(self._material.held_out, self._inputs)
        found = {field: _Seen() for field in self._inputs}
        for number, seen in enumerate(found.values()):
            seen.add(self._material.held_out, vectors[number : number + 1])
        return found

    @cached_property
    def _human_texts(self) -> set[str]:
        return {text for example in self._material.human for text in example.inputs.values()}


class _Seen:
    """Examples and their vectors, [fields, rows, width], in chunks that are filled in turn.

    Attributes:
        examples: in the order in which they came.
    """

    def __init__(self) -> None:
        self.examples: list[Example] = []
        self._chunks: list[NDArray[np.float32]] = []

    def add(self, examples: Sequence[Example], vectors: NDArray[np.float32]) -> None:
        """Remember these."""
        import numpy as np

        done = 0
        while done < len(examples):
            filled = len(self.examples) % _CHUNK
            if not filled:
                self._chunks.append(np.empty((len(vectors), _CHUNK, vectors.shape[2]), np.float32))
            some = examples[done : done + _CHUNK - filled]
            part = vectors[:, done : done + len(some)]
            self._chunks[-1][:, filled : filled + len(some)] = part
            self.examples += some
            done += len(some)

    def nearest(
        self, vectors: NDArray[np.float32], but: Sequence[Sequence[int]] = ()
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Similarity and place of the example nearest to each, [rows]; -1 where there is none.

        Args:
            vectors: [fields, rows, width].
            but: for each row the places of examples that do not count.
        """
        import numpy as np

        best = np.full(vectors.shape[1], -1, np.float32)
        place = np.zeros(vectors.shape[1], np.int64)
        rows = np.array([row for row, some in enumerate(but) for _ in some], np.int64)
        columns = np.array([column for some in but for column in some], np.int64)
        for number, chunk in enumerate(self._chunks):
            start = number * _CHUNK
            alike = _alike(vectors, chunk[:, : len(self.examples) - start])
            here = (columns >= start) & (columns < start + _CHUNK)
            alike[rows[here], columns[here] - start] = -1
            nearest = alike.argmax(1)
            highest = alike[np.arange(len(alike)), nearest]
            place = np.where(highest > best, nearest + start, place)
            best = np.maximum(highest, best)
        return best, place


def _alike(one: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.float32]:
    """The cosine of the fields that are least alike, [rows of one, rows of other]."""
    import numpy as np

    result: NDArray[np.float32] = one[0] @ other[0].T
    for mine, theirs in zip(one[1:], other[1:], strict=True):
        np.minimum(result, mine @ theirs.T, out=result)
    return result


def _leaked(twin: Example, field: str, similarity: float) -> Rejection:
    shown = shorten(twin.inputs[field], _SHOWN, placeholder=" …")
    figures = {"similarity": round(similarity, 4)}
    return Rejection("contamination", f"says what {twin.id} says: {shown}", figures)


def identity(settings: SemanticSettings, base_dir: Path) -> dict[str, str]:
    """What tells the encoder from any other."""
    return embedder(settings.weights, base_dir).identity


def make(settings: SemanticSettings, material: Material) -> SemanticFilter:
    """The filter of one arm and seed."""
    return SemanticFilter(settings, material)

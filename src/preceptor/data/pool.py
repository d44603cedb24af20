"""The pool: texts without a label that the study may see, for a teacher to annotate."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Literal

from pydantic import Field

from preceptor.data.columns import GOLD
from preceptor.data.example import Example
from preceptor.data.near_index import NearIndex, Sketch, sketches
from preceptor.data.overlap import NEAR as NEAR_RUNS
from preceptor.data.overlap import NgramIndex, inputs_of, wording
from preceptor.data.problems import Dropped
from preceptor.data.sampling import rank
from preceptor.errors import DataError
from preceptor.settings import Settings

Show = Callable[[Example], str]
_AT_ONCE = 4096


class PoolSettings(Settings):
    """Which texts a teacher may annotate."""

    of: Literal["rest", "unlabelled", "both"]
    """`rest`: the train examples that the seed did not draw, their labels hidden from everything
    but the arm `gold`; `unlabelled`: the texts that came without a label"""
    limit: int | None = Field(None, ge=1)
    """at most this many, the first in the seed's order; rows that repeat others or stand in
    validation or test are taken out before"""
    near: bool = True
    """take out what is nearly a validation or test input; `false` takes out the same ones alone,
    for inputs of few recurring parts (triples, acts), where most share long runs of words"""


@dataclass(frozen=True)
class Pool:
    """What may be annotated under one seed.

    Attributes:
        examples: in the seed's order, with nothing but id and inputs.
        hidden: the true target, by id, of those that have one.
        dropped: rows that are not in the pool since they repeat others, or stand in validation
            or test.
    """

    examples: list[Example] = field(default_factory=list)
    hidden: Mapping[str, str] = field(default_factory=dict)
    dropped: list[Dropped] = field(default_factory=list)


def candidates(
    settings: PoolSettings | None,
    train: Sequence[Example],
    drawn: Sequence[Example],
    unlabelled: Sequence[Example],
) -> list[Example]:
    """The rows that the pool is made of.

    Args:
        settings: what it is to be made of; None for what came without a label, if anything.
        train: all train examples.
        drawn: those that the seed drew.
        unlabelled: what came without a label.

    Raises:
        DataError: there are none, or fewer than the pool's limit.
    """
    ours = {example.id for example in drawn}
    rest = [example for example in train if example.id not in ours]
    rows = rows_of(settings, rest, unlabelled)
    if settings is None:
        return rows
    if not rows:
        raise _nothing(settings.of, len(train))
    if settings.limit is not None and settings.limit > len(rows):
        raise DataError(
            "data.pool.limit asks for more than there is",
            where="data.pool.limit",
            found=f"{len(rows)} rows for the pool ({settings.of})",
            expected=f"at least {settings.limit}",
            fix=f"lower data.pool.limit to {len(rows)} or leave it out to use all",
        )
    return rows


def rows_of(
    settings: PoolSettings | None, train: Sequence[Example], unlabelled: Sequence[Example]
) -> list[Example]:
    """Train rows, unlabelled ones or both, as the settings say; unlabelled ones without any."""
    of = "unlabelled" if settings is None else settings.of
    return [*(train if of != "unlabelled" else []), *(unlabelled if of != "rest" else [])]


def _nothing(of: str, train: int) -> DataError:
    if of == "unlabelled":
        return DataError(
            "a pool of unlabelled texts, and the data has none",
            where="data.pool.of",
            found=of,
            expected="texts without a label",
            fix="name a file of them (data.files.unlabelled), or set data.pool.of: rest",
        )
    return DataError(
        "nothing is left for the pool",
        where="data.pool.of",
        found=f"{of}, and all {train} train examples are drawn for training",
        expected="train examples that are not drawn",
        fix="set data.train.limit or data.train.per_label, so that some are left",
    )


@dataclass(frozen=True)
class Screen:
    """What was found out about rows that a pool may be made of; the same for every seed.

    Attributes:
        wordings: what each row shows, as a hash of its words, by id.
        held_out: of the rows that validation or test has too, the reason and the id there.
    """

    wordings: Mapping[str, bytes]
    held_out: Mapping[str, tuple[str, str]]


def screened(
    rows: Sequence[Example],
    train: Iterable[Example],
    held_out: Mapping[str, Sequence[Example]],
    show: Show,
    *,
    near: bool = True,
) -> Screen:
    """Compare rows with the held-out splits: as they are shown, exactly, and by their inputs,
    nearly (as the contamination filter and the leakage table do).

    Args:
        rows: what a pool may be made of.
        train: what a seed may draw for training.
        held_out: the splits that it must not overlap, by name; of several that a row overlaps
            the first is named.
        show: how the task shows an example.
        near: whether near matches are looked for.
    """
    distinct = {example.id: example for example in (*train, *rows)}
    wordings = {id: _wording(example, show) for id, example in distinct.items()}
    exact = {
        _wording(example, show): (f"the text of a {name} example", example.id)
        for name, examples in list(held_out.items())[::-1]
        for example in examples
    }
    found = {row.id: exact[wordings[row.id]] for row in rows if wordings[row.id] in exact}
    if not near:
        return Screen(wordings, found)
    known = _Near(held_out)
    others = [row for row in rows if row.id not in found]
    for start in range(0, len(others), _AT_ONCE):
        found |= known.of(others[start : start + _AT_ONCE])
    return Screen(wordings, found)


def _wording(example: Example, show: Show) -> bytes:
    return sha256(wording(example, show).encode()).digest()


class _Near:
    """Knows the inputs of held-out examples."""

    def __init__(self, held_out: Mapping[str, Sequence[Example]]) -> None:
        known = [(name, one) for name, examples in held_out.items() for one in examples]
        self._reasons = {
            one.id: (f"nearly the text of a {name} example", one.id) for name, one in known
        }
        self._runs, self._shingles = NgramIndex(), NearIndex()
        self._floors = [NEAR_RUNS] * len(known)
        texts = [inputs_of(one) for _, one in known]
        for (_, one), text, sketch in zip(known, texts, sketches(texts), strict=True):
            self._runs.add(one.id, text)
            self._shingles.add(one.id, sketch)

    def of(self, rows: Sequence[Example]) -> Iterator[tuple[str, tuple[str, str]]]:
        """Id, reason and the held-out id of those rows that are near to one."""
        texts = [inputs_of(row) for row in rows]
        for row, text, sketch in zip(rows, texts, sketches(texts), strict=True):
            twin = self._twin(text, sketch)
            if twin is not None:
                yield row.id, self._reasons[twin]

    def _twin(self, text: str, sketch: Sketch) -> str | None:
        near = self._shingles.near(sketch)
        if near:
            return near[0].id
        overlaps = self._runs.above(text, self._floors)
        return max(overlaps, key=lambda one: one.share).id if overlaps else None


def pool_of(
    rows: Sequence[Example],
    drawn: Iterable[Example],
    screen: Screen,
    salt: str,
    *,
    limit: int | None,
    place: Callable[[Example], str],
) -> Pool:
    """The pool of one seed: rows in its order, without those that stand elsewhere.

    The order depends on ids and salt alone, and a smaller limit gives a prefix.

    Args:
        rows: what it is made of.
        drawn: the training rows of the seed, which it must not repeat.
        screen: what was found out about ``rows``.
        salt: draws the order.
        limit: how many at most; None for all.
        place: where a row stands.

    Raises:
        DataError: every row was taken out.
    """
    known = {screen.wordings[one.id]: ("the text of a training example", one.id) for one in drawn}
    kept: list[Example] = []
    dropped: list[Dropped] = []
    for row in sorted(rows, key=lambda row: rank(salt, row.id)):
        shown = screen.wordings[row.id]
        twin = screen.held_out.get(row.id) or known.get(shown)
        if twin is None:
            kept.append(row)
            known[shown] = ("the text of another row of the pool", row.id)
        else:
            dropped.append(Dropped(place(row), twin[0], f"id {twin[1]}"))
    if rows and not kept:
        raise DataError(
            "every row of the pool stands elsewhere too",
            where="data.pool",
            found=f"{len(rows)} rows, the first {dropped[0].reason} ({dropped[0].detail})",
            expected="texts that are not in train, validation or test",
        )
    used = kept[:limit]
    targets = {row.id: row.target or row.extra.get(GOLD) for row in used}
    hidden = {id: target for id, target in targets.items() if target}
    return Pool([_bare(row) for row in used], hidden, dropped)


def _bare(row: Example) -> Example:
    return replace(row, target=None, references=(), extra={}, soft={})

"""Train, validation and test: what a reader returns and how a seed draws from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import Field, model_validator

from preceptor.data.example import Example, Targets
from preceptor.data.folds import Folds
from preceptor.data.overlap import inputs_of
from preceptor.data.pool import PoolSettings, Screen, Show, candidates, pool_of, rows_of, screened
from preceptor.data.problems import Dropped, listed
from preceptor.data.sampling import SAMPLERS, label_counts, sample
from preceptor.errors import DataError
from preceptor.settings import Settings


class Limit(Settings):
    """How many examples of a split are used; drawn by the seed, in balance where asked."""

    limit: int | None = Field(None, ge=1)
    """at most this many examples, labels in the proportion of the split; where targets are
    texts, any of them"""
    per_label: int | None = Field(None, ge=1)
    """this many examples of every label; not for texts"""

    @model_validator(mode="after")
    def _one(self) -> Limit:
        if self.limit is not None and self.per_label is not None:
            raise ValueError("give limit or per_label, not both")
        return self


_Made = TypeVar("_Made")
TooLong = Literal["refuse", "truncate_start", "truncate_end"]


class DataSettings(Settings):
    """What every reader has: how much of each split is used, and what is too long."""

    train: Limit = Limit()
    """the labelled examples of one seed, drawn from the train split by that seed"""
    validation: Limit = Limit()
    """drawn once (seed 0), the same for every seed"""
    test: Limit = Limit()
    """drawn once (seed 0), the same for every seed; not with cross-validation, which tests every
    example"""
    pool: PoolSettings | None = None
    """the texts that a teacher may annotate; without it, those that came without a label"""
    too_long: TooLong = "refuse"
    """an input that does not fit the student: refuse the study, or cut the input's start or
    end (whole words, never the question's frame or the answer), counted in the result"""


@dataclass(frozen=True)
class Splits:
    """What a reader returns.

    Attributes:
        train: labelled examples that training and teachers may see.
        validation: labelled examples for every choice.
        test: labelled examples for scoring alone.
        unlabelled: examples without target, for annotation; of a draw, the pool: in the seed's
            order, with nothing but id and inputs.
        dropped: rows that are not used.
        notes: what a reader of the report must know (the protocol, say).
        files: the files that were read; their hashes enter the fingerprint.
        places: where an example stands, as ``file:row``, by its id.
        target_name: what the target is called in the input.
        targets: whether targets are labels or free text.
        hidden: of a draw, the true target, by id, of those rows of the pool that have one; for
            the arm ``gold`` and for what is told after the fact alone.
        pool_dropped: of a draw, rows that are not in the pool since they repeat others, or stand
            in validation or test.
        folds: of cross-validation, the division that every seed has for itself; train,
            validation and test are those of seed 0 then.
    """

    train: list[Example]
    validation: list[Example]
    test: list[Example]
    unlabelled: list[Example] = field(default_factory=list)
    dropped: list[Dropped] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)
    places: Mapping[str, str] = field(default_factory=dict)
    target_name: str = "target"
    targets: Targets = "label"
    hidden: Mapping[str, str] = field(default_factory=dict)
    pool_dropped: list[Dropped] = field(default_factory=list)
    folds: Folds | None = None
    _made: dict[Any, Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    def once(self, key: Any, make: Callable[[], _Made]) -> _Made:
        """What was made under this key before, or is made now; kept as long as these splits."""
        if key not in self._made:
            self._made[key] = make()
        made: _Made = self._made[key]
        return made

    def under(self, seed: int) -> Splits:
        """The splits of one seed: these, or, in cross-validation, those of its fold."""
        if self.folds is None:
            return self
        return self.once(("under", seed), lambda: self._fold(seed))

    def _fold(self, seed: int) -> Splits:
        assert self.folds is not None
        parts = self.folds.parts(seed)
        return replace(
            self,
            train=parts["train"],
            validation=parts.get("validation", self.validation),
            test=parts["test"],
            folds=None,
        )

    def labelled(self) -> dict[str, list[Example]]:
        """The labelled splits by name."""
        return {"train": self.train, "validation": self.validation, "test": self.test}

    def place(self, example: Example) -> str:
        """Where an example stands, with its id."""
        place = self.places.get(example.id)
        return f"id {example.id}" if place in (None, example.id) else f"{place}, id {example.id}"


def draw(splits: Splits, seed: int, settings: DataSettings, show: Show = inputs_of) -> Splits:
    """The examples that one seed works with.

    Train is drawn by ``seed``; validation and test are drawn by seed 0 whatever the seed, so
    that all cells are compared on the same items. In cross-validation the seed has a test fold
    of its own, and all three are drawn from its splits. Which examples are drawn depends on their
    ids alone. A draw that was made before is given again; leave its lists as they are.

    Args:
        splits: the data as it was read.
        seed: draws train, and the order of the pool.
        settings: how much of each split is used, and what the pool is made of.
        show: how the task shows an example; what it shows of the pool is compared once for each
            function.

    Raises:
        DataError: more is asked for than there is, so many of every label where targets are
            texts, or a pool without rows.
    """
    amounts = settings.train, settings.validation, settings.test, settings.pool
    own = splits.under(seed)
    return own.once((seed, amounts, show), lambda: _drawn(own, seed, settings, show))


def _drawn(splits: Splits, seed: int, settings: DataSettings, show: Show) -> Splits:
    targets = splits.targets
    drawn = replace(
        splits,
        train=_limited("train", splits.train, settings.train, seed, targets),
        validation=_limited("validation", splits.validation, settings.validation, 0, targets),
        test=_limited("test", splits.test, settings.test, 0, targets),
    )
    rows = candidates(settings.pool, splits.train, drawn.train, splits.unlabelled)
    if not rows:
        return drawn
    screen = _screen(splits, drawn, settings, show)
    limit = settings.pool.limit if settings.pool is not None else None
    pool = pool_of(rows, drawn.train, screen, f"pool:{seed}", limit=limit, place=splits.place)
    return replace(drawn, unlabelled=pool.examples, hidden=pool.hidden, pool_dropped=pool.dropped)


def _screen(splits: Splits, drawn: Splits, settings: DataSettings, show: Show) -> Screen:
    """What every seed's pool is held against: validation and test, which no seed changes but
    in cross-validation, where it has splits of its own."""
    rows = rows_of(settings.pool, splits.train, splits.unlabelled)
    held_out = {"test": drawn.test, "validation": drawn.validation}
    near = settings.pool is None or settings.pool.near
    of = settings.pool and settings.pool.of
    key = ("screen", of, near, settings.validation, settings.test, show)
    return splits.once(key, lambda: screened(rows, splits.train, held_out, show, near=near))


def _limited(
    split: str, examples: list[Example], limit: Limit, seed: int, targets: Targets
) -> list[Example]:
    salt = f"{split}:{seed}"
    if limit.per_label is not None and targets == "text":
        raise DataError(
            "per_label draws by label, and the targets are texts",
            where=f"data.{split}.per_label",
            found=limit.per_label,
            fix=f"set data.{split}.limit, the number of examples in all",
        )
    if limit.per_label is not None:
        return _per_label(split, examples, limit.per_label, salt)
    if limit.limit is None:
        return examples
    if limit.limit > len(examples):
        raise DataError(
            f"data.{split}.limit asks for more than the {split} split has",
            found=f"{len(examples)} examples",
            expected=f"at least {limit.limit}",
            fix=f"lower data.{split}.limit to {len(examples)} or leave it out to use all",
        )
    return SAMPLERS[targets](examples, limit.limit, salt)


def _per_label(split: str, examples: list[Example], each: int, salt: str) -> list[Example]:
    counts = label_counts(examples)
    if not counts or min(counts.values()) < each:
        lacking = [f"{label} {count}" for label, count in counts.items() if count < each]
        raise DataError(
            f"data.{split}.per_label asks for more than the {split} split has",
            found=listed(lacking) or "no examples",
            expected=f"at least {each} of every label",
            fix=f"lower data.{split}.per_label to {min(counts.values(), default=0)} or less",
        )
    return sample(examples, dict.fromkeys(counts, each), salt)

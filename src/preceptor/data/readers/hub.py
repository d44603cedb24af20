"""Data sets of the Hugging Face hub, through the `hub` extra."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import model_validator

from preceptor.data.assembling import Source, TabularSettings, assemble
from preceptor.data.dividing import Part
from preceptor.data.example import Targets
from preceptor.data.parts import lacking
from preceptor.data.problems import Problems
from preceptor.data.rows import Row
from preceptor.data.splits import Splits
from preceptor.errors import DataError
from preceptor.settings import Settings

if TYPE_CHECKING:
    from datasets import Dataset


class HubSplits(Settings):
    """What the data set calls its splits."""

    train: str = "train"
    validation: str | None = "validation"
    """null where there is none; `split.validation` then draws it from train"""
    test: str | None = "test"
    """null where there is none; `split.test` then draws it from train"""
    unlabelled: str | None = None

    def given(self) -> dict[Part, str]:
        """The parts that have a split."""
        named: dict[Part, str | None] = {
            "train": self.train,
            "validation": self.validation,
            "test": self.test,
            "unlabelled": self.unlabelled,
        }
        return {part: name for part, name in named.items() if name is not None}


class HubSettings(TabularSettings):
    """A data set of the Hugging Face hub (needs `pip install 'preceptor[hub]'`)."""

    reader: Literal["hub"]
    id: str
    """org/name, or a folder with data files (relative to the study file, beginning with ./)"""
    config: str | None = None
    """the data set's configuration, where it has several"""
    revision: str | None = None
    """a commit or tag; without one, the data may change under the study"""
    splits: HubSplits = HubSplits()
    """what the data set calls its splits"""

    @model_validator(mode="after")
    def _complete(self) -> HubSettings:
        given = self.splits.given()
        if len(set(given.values())) < len(given):
            raise ValueError("splits: one split stands for two parts")
        wrong = lacking(self.split, set(given))
        if wrong is not None:
            raise ValueError(wrong)
        return self


def read(settings: HubSettings, base_dir: Path, targets: Targets = "label") -> Splits:
    """Load a data set of the hub.

    Args:
        settings: the study's ``data``.
        base_dir: the study file's folder.
        targets: whether the target column holds labels or free text.

    Raises:
        DataError: ``datasets`` is not installed, the data set cannot be had, or all that is
            wrong with its rows.
    """
    sources = []
    for part, name in settings.splits.given().items():
        about = f"{settings.id}/{name}"
        sources.append(
            Source(part, about, name, list(_rows(_load(settings, name, base_dir), about)))
        )
    pinned = f"at revision {settings.revision}" if settings.revision else "with no revision named"
    folder = _folder(settings, base_dir)
    return assemble(
        sources,
        settings.layout,
        Problems(settings.id),
        files=sorted(path for path in folder.rglob("*") if path.is_file()) if folder else [],
        notes=[f"Hub data set {settings.id} {pinned}."],
        targets=targets,
    )


def _folder(settings: HubSettings, base_dir: Path) -> Path | None:
    """The folder that the id means; None for a data set of the hub."""
    return (base_dir / settings.id).resolve() if settings.id.startswith(".") else None


def _load(settings: HubSettings, split: str, base_dir: Path) -> Dataset:
    try:
        from datasets import load_dataset
    except ImportError as error:
        raise DataError(
            "the hub reader needs the package `datasets`",
            where="data.reader",
            found=str(error),
            fix="pip install 'preceptor[hub]'",
        ) from error
    source = str(_folder(settings, base_dir) or settings.id)
    try:
        return load_dataset(source, settings.config, split=split, revision=settings.revision)
    except (OSError, ValueError) as error:
        raise DataError(
            f"a hub data set cannot be had: {str(error).splitlines()[0]}",
            where=f"data.id {settings.id}, split {split}",
            found=type(error).__name__,
            expected="a data set that is there, and a network to fetch it through",
            fix="check id, config, revision and splits; or download its files and use"
            " `reader: table`",
        ) from error


def _rows(data: Dataset, about: str) -> Iterator[Row]:
    """The rows, class numbers replaced by the names of the classes."""
    names = {
        column: feature.names
        for column, feature in data.features.items()
        if hasattr(feature, "names")
    }
    for number, row in enumerate(data, 1):
        values: dict[str, Any] = dict(row)
        for column, classes in names.items():
            value = values[column]
            values[column] = classes[value] if value is not None and value >= 0 else None
        yield Row(number, f"{about}:{number}", values)

"""Tables: CSV, TSV, JSONL and Parquet files, each also gzipped."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from preceptor.data.assembling import Source, TabularSettings, assemble
from preceptor.data.dividing import Part
from preceptor.data.example import Targets
from preceptor.data.files import locate
from preceptor.data.parts import Files, named_parts, wrong_with
from preceptor.data.problems import Problems
from preceptor.data.rows import Reading, read_rows, stem_of
from preceptor.data.splits import Splits


class TableSettings(TabularSettings):
    """CSV, TSV, JSONL or Parquet files (each also .gz), one for all parts or one a part."""

    reader: Literal["table"]
    path: str | None = None
    """one file, divided by `split`; relative to the study file, or `demo:NAME`"""
    files: Files | None = None
    """one file a part, in place of `path`"""
    encoding: str = "utf-8"
    """of text files"""
    delimiter: str | None = Field(None, min_length=1, max_length=1)
    """between the columns of a CSV, where it is not a comma"""
    quotes: bool = True
    """whether double quotes enclose values of a CSV or TSV; false takes them as plain text"""

    @model_validator(mode="after")
    def _complete(self) -> TableSettings:
        wrong = wrong_with(self.path, self.files, self.split)
        if wrong is not None:
            raise ValueError(wrong)
        return self


def read(settings: TableSettings, base_dir: Path, targets: Targets = "label") -> Splits:
    """Read the tables of a study.

    Args:
        settings: the study's ``data``.
        base_dir: the study file's folder, which paths are relative to.
        targets: whether the target column holds labels or free text.

    Raises:
        DataError: a file that is missing or cannot be read, or all that is wrong with its rows.
    """
    named = named_parts(settings.path, settings.files)
    problems = Problems(", ".join(named.values()))
    paths: dict[Part | None, Path] = {}
    for part, reference in named.items():
        with problems.gather():
            paths[part] = locate(reference, base_dir)
    sources = []
    for part, path in paths.items():
        with problems.gather():
            sources.append(_source(part, path, settings, list(paths.values()), problems))
    return assemble(sources, settings.layout, problems, list(paths.values()), targets=targets)


def _source(
    part: Part | None, path: Path, settings: TableSettings, paths: list[Path], problems: Problems
) -> Source:
    reading = Reading(settings.encoding, settings.delimiter, settings.quotes)
    shared = [stem_of(other) for other in paths].count(stem_of(path)) > 1
    prefix = f"{part}/{stem_of(path)}" if shared else stem_of(path)
    return Source(part, path.name, prefix, read_rows(path, reading, problems))

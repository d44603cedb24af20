"""Which file is which part of the data, where it is not one file that is divided."""

from __future__ import annotations

from typing import get_args

from preceptor.data.dividing import ByColumn, CrossValidation, Drawn, Part
from preceptor.settings import Settings


class Files(Settings):
    """One file a part."""

    train: str
    """the labelled examples"""
    validation: str | None = None
    """the examples for choices; without them, `split.validation` draws some from train"""
    test: str | None = None
    """the examples for scoring; without them, `split.test` draws some from train"""
    unlabelled: str | None = None
    """texts without a target"""

    def given(self) -> dict[Part, str]:
        """The parts that have a file."""
        named: dict[Part, str | None] = {part: getattr(self, part) for part in get_args(Part)}
        return {part: path for part, path in named.items() if path is not None}


def named_parts(path: str | None, files: Files | None) -> dict[Part | None, str]:
    """The paths by the part that each is; None for one path that is to be divided."""
    if files is not None:
        return dict(files.given().items())
    return {} if path is None else {None: path}


Split = ByColumn | Drawn | CrossValidation


def wrong_with(path: str | None, files: Files | None, split: Split | None) -> str | None:
    """What is wrong with how a study names its files, if anything."""
    if (path is None) == (files is None):
        return "give path or files, one of the two"
    given = {} if files is None else files.given()
    if len(set(given.values())) < len(given):
        return "files: one file stands for two parts"
    if path is not None and split is None:
        return "path needs split: how the file is divided"
    return lacking(split, set(given))


def lacking(split: Split | None, present: set[Part]) -> str | None:
    """What is wrong with a split given the parts that are there already, if anything.

    Args:
        split: how one table is divided, or how missing parts are drawn from train.
        present: parts with a table of their own; empty for one table in all.
    """
    if isinstance(split, ByColumn):
        return "split: by column divides one table, and there are several" if present else None
    drawn: set[Part] = set() if split is None else split.parts()
    if drawn & present:
        return f"split draws {sorted(drawn & present)[0]}, which is given already"
    if "test" not in drawn | present:
        return "no test part: give it, or let split draw it from train (split.test)"
    return None

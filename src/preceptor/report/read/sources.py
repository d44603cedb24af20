"""Where the rows of an arm come from, and how many it has beside how many human ones."""

from __future__ import annotations

from statistics import fmean

from preceptor.report.read.groups import Group, arms_of
from preceptor.report.read.results import Results

CONTROLS = ("none", "repeat", "gold")


def source_of(results: Results, arm: str) -> str:
    """What an arm's rows beside the human ones are: ``annotate``, ``annotate + create``.

    Arms of ``repeat`` and ``gold`` differ in their amounts alone and have the name of their
    operation; a mix has the names of the arms that it takes rows from; any other its own.
    """
    found = results.arms.get(arm)
    if found is None or not found.of:
        return _named(results, arm)
    return " + ".join(dict.fromkeys(_named(results, source) for source in found.of))


def _named(results: Results, arm: str) -> str:
    operation = results.arms[arm].operation if arm in results.arms else ""
    return operation if operation in CONTROLS else arm


def made_rows(results: Results, arm: str) -> float | None:
    """How many rows an arm holds beside the human ones, the mean over seeds."""
    return _mean([seed.kept for seed in results.arms[arm].seeds] if arm in results.arms else [])


def human_rows(results: Results, arm: str) -> float | None:
    """How many human rows an arm holds, the mean over seeds."""
    return _mean([seed.human for seed in results.arms[arm].seeds] if arm in results.arms else [])


def _mean(counts: list[int]) -> float | None:
    return fmean(counts) if counts else None


def arms_from(results: Results, group: Group, source: str) -> list[str]:
    """A student's scored arms whose rows come from one source."""
    return [arm for arm in arms_of(results, group) if source_of(results, arm) == source]

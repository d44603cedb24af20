"""Arms of the same name in two runs, set against each other item by item and seed by seed.

Nothing is compared that is not the same: other tasks or labels, other test items, other tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from preceptor.evaluate.jackknife import Folds, Scores
from preceptor.evaluate.statistics import mcnemar, paired_difference
from preceptor.report.read.cell import Cell
from preceptor.report.read.numbers import count, plural
from preceptor.report.versus import Apart, RunDifference
from preceptor.study.comparing import Found, judged
from preceptor.study.measures import MEASURES, foreseen
from preceptor.study.tested import united
from preceptor.study.versus.folder import Key, Rows, Run

_FEWEST = 2
"""test items below which nothing can be said of chance"""
_WORDING = ("text", "probabilities")
"""columns of predictions that tell how a prediction came about, not what it is"""


@dataclass(frozen=True, slots=True)
class _Side:
    """One run's test rows of a student, a reading and an arm: a list a seed."""

    run: Run
    cells: list[Cell]
    rows: list[Rows]

    @property
    def items(self) -> list[set[tuple[str, str | None]]]:
        """Of every seed the ids, each with a hash of what the example says."""
        return [{(row["id"], self.run.item(row["id"])) for row in rows} for rows in self.rows]

    @property
    def metrics(self) -> list[str]:
        """What every seed is scored by."""
        measure = MEASURES[self.run.results.task.kind]
        of_seeds = [measure.metrics_of(rows) for rows in self.rows]
        return [name for name in measure.METRICS if all(name in found for found in of_seeds)]

    @property
    def predictions(self) -> list[list[dict[str, Any]]]:
        """What was predicted of every item."""
        return [
            [{key: value for key, value in row.items() if key not in _WORDING} for row in rows]
            for rows in self.rows
        ]

    @property
    def records(self) -> list[dict[str, Any]]:
        """What every cell was made from."""
        return [self.run.record(cell) for cell in self.cells]

    def tokens(self, metric: str) -> list[list[int]] | None:
        """Of a figure over tokens how many each item has; None of another."""
        if metric not in foreseen.METRICS:
            return None
        column = "tokens_all" if metric.endswith("_all") else "tokens_answer"
        return [[row[column] for row in rows] for rows in self.rows]

    def signatures(self, reading: str, metric: str) -> set[str]:
        """How written texts were scored."""
        found = (cell.splits["test"][reading].signatures for cell in self.cells)
        return {each[metric] for each in found if metric in each}

    def scores(self, metric: str) -> Scores | Folds:
        """As the statistics take them."""
        task = self.run.results.task
        sample = MEASURES[task.kind].sample
        parts = [sample([rows], metric, tuple(task.labels)) for rows in self.rows]
        return united(parts, [tuple(row["id"] for row in rows) for rows in self.rows])


def differences(first: Run, run: Run) -> tuple[list[RunDifference], list[Apart]]:
    """Every arm that two runs share: the run's scores less the first one's, and what is not
    compared, with the reason.

    P-values are corrected by Holm's method over all comparisons of the two runs in one metric.
    Arms that were made from the very same in both are no part of that family: they ask nothing.
    """
    found: list[Found] = []
    apart: list[Apart] = []
    if why := _other_task(first, run):
        return [], [Apart(run=run.name, why=why)]
    for key in first.cells:
        if key in run.cells:
            compared, reasons = _compared(first, run, key)
            found += compared
            apart += reasons
    rows = judged(found, lambda about: (about["metric"], about["alike"]))
    return [RunDifference.model_validate(row) for row in rows], apart


def _other_task(first: Run, run: Run) -> str:
    """Why nothing of two runs can be compared; empty where something can."""
    ours, theirs = run.results.task, first.results.task
    if ours.kind != theirs.kind:
        return f"the tasks are of other kinds ({run.name} {ours.kind}, {first.name} {theirs.kind})"
    if set(ours.labels) != set(theirs.labels):
        named = [f"{one.name}: {', '.join(one.results.task.labels)}" for one in (run, first)]
        return f"the label sets differ ({'; '.join(named)})"
    return "" if ours.kind in MEASURES else f"tasks of the kind {ours.kind!r} are not known"


def _compared(first: Run, run: Run, key: Key) -> tuple[list[Found], list[Apart]]:
    student, reading, arm = key
    about = {"run": run.name, "student": student, "reading": reading, "arm": arm}
    seeds = sorted(run.cells[key].keys() & first.cells[key].keys())
    ours, theirs = _side(run, key, seeds), _side(first, key, seeds)
    if why := _seedless(ours, theirs, key) or _unknown(ours, theirs) or _other_items(ours, theirs):
        return [], [Apart(**about, why=why)]
    more = {
        "against": first.name,
        "same": ours.predictions == theirs.predictions,
        "alike": ours.records == theirs.records and all(ours.records),
        "seeds_apart": sorted(run.cells[key].keys() ^ first.cells[key].keys()),
    }
    found, apart = [], []
    for metric in dict.fromkeys([*ours.metrics, *theirs.metrics]):
        if why := _other_measure(ours, theirs, reading, metric):
            apart.append(Apart(**about, metric=metric, why=why))
        elif one := _difference({**about, **more, "metric": metric}, ours, theirs):
            found.append(one)
    return found, apart


def _side(run: Run, key: Key, seeds: Sequence[int]) -> _Side:
    cells = [run.cells[key][seed] for seed in seeds]
    return _Side(run, cells, [run.predictions(cell, key[1]) for cell in cells])


def _seedless(ours: _Side, theirs: _Side, key: Key) -> str:
    if ours.cells:
        return ""
    named = [
        f"{side.run.name} {', '.join(map(str, sorted(side.run.cells[key])))}"
        for side in (ours, theirs)
    ]
    return f"no seed is in both ({'; '.join(named)})"


def _unknown(ours: _Side, theirs: _Side) -> str:
    """Why it is not known which items were tested; empty where it is."""
    for side in (ours, theirs):
        name = side.run.name
        if not all(side.rows):
            return f"predictions of {name} cannot be read"
        if not side.run.examples:
            return f"the examples of {name} cannot be read, so its test items are not known"
        strange = sum(told is None for items in side.items for _, told in items)
        if strange:
            return f"{name} predicts {plural(strange, 'item')} that its data do not hold"
    return ""


def _other_items(ours: _Side, theirs: _Side) -> str:
    """How the test items of two runs differ; empty where they are the same."""
    for mine, others, seed in zip(ours.items, theirs.items, ours.cells, strict=True):
        if mine != others:
            sizes = f"{ours.run.name} {count(len(mine))}, {theirs.run.name} {count(len(others))}"
            same = count(len(mine & others))
            return f"other test items under seed {seed.seed} ({sizes}, {same} of them the same)"
    if min(len(items) for items in ours.items) < _FEWEST:
        return "there are fewer than two test items"
    return ""


def _other_measure(ours: _Side, theirs: _Side, reading: str, metric: str) -> str:
    """Why a figure of one run is not of the same thing as the other's; empty where it is."""
    scored = [side.run.name for side in (ours, theirs) if metric in side.metrics]
    if len(scored) == 1:
        return f"{scored[0]} alone is scored by it"
    if ours.tokens(metric) != theirs.tokens(metric):
        return "the two cut the texts into other tokens, or cut off more of them"
    signed = [side.signatures(reading, metric) for side in (ours, theirs)]
    if signed[0] != signed[1]:
        return (
            f"it was computed otherwise ({' and '.join(', '.join(sorted(one)) for one in signed)})"
        )
    return ""


def _difference(about: dict[str, Any], ours: _Side, theirs: _Side) -> Found | None:
    metric = about["metric"]
    a, b = ours.scores(metric), theirs.scores(metric)
    if a.lower_is_better is None:
        return None  # a length is no merit
    labelled = ours.run.results.task.kind == "choice" and metric == "accuracy"
    return Found(about, paired_difference(a, b), mcnemar(a, b) if labelled else None)

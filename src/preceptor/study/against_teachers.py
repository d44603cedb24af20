"""Students against the teachers themselves, on the same test items."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from preceptor.evaluate.jackknife import Scores
from preceptor.evaluate.statistics import paired_difference
from preceptor.store.tables import read_rows
from preceptor.study.baselines import answers_file
from preceptor.study.grid import Cell
from preceptor.study.measures import choice
from preceptor.study.plan import Plan
from preceptor.study.tested import FEWEST, Items, item_of, items, sample, united
from preceptor.tasks import TextTask


@dataclass
class _Answers:
    """What a teacher answered to the test items of one draw seed; scored once a metric.

    Attributes:
        rows: in the order of their items.
        labels: of the task.
    """

    rows: Sequence[Mapping[str, Any]]
    labels: Sequence[str]
    _scores: dict[str, Scores] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path, labels: Sequence[str]) -> _Answers:
        return cls(sorted(read_rows(path), key=item_of), labels)

    @property
    def items(self) -> Items:
        return tuple(map(item_of, self.rows))

    def scores(self, metric: Any) -> Scores:
        if metric not in self._scores:
            self._scores[metric] = choice.sample([self.rows], metric, self.labels)
        return self._scores[metric]


def teacher_comparisons(
    plan: Plan, groups: Mapping[tuple[str, str], Mapping[int, Cell]]
) -> Iterator[dict[str, Any]]:
    """Every student, arm and reading less every baseline of a teacher, metric by metric.

    In pairs by seed and test item, as arms are compared, on the seeds that have both. They
    describe what a student keeps: their p-values are corrected for nothing.

    Args:
        plan: the study.
        groups: the chosen cells by student and arm, then by seed.
    """
    if isinstance(plan.study.task, TextTask):  # no teacher is asked for what it would write
        return
    teachers = _teachers(plan)
    for (student, arm), cells in groups.items():
        for reading in plan.study.readings(student):
            for name, by_seed in teachers.items():
                about = {"student": student, "arm": arm, "reading": reading, "against": name}
                for found in _differences(plan, cells, reading, by_seed):
                    yield {**about, **found}


def _teachers(plan: Plan) -> dict[str, dict[int, _Answers]]:
    """What every teacher answered to the test items, by the baseline's name and draw seed."""
    found: dict[str, dict[int, _Answers]] = {}
    for seed in plan.draw_seeds:
        folder = plan.baselines_part(seed).folder
        told = folder / "baselines.json"
        for row in json.loads(told.read_text("utf-8")) if told.is_file() else ():
            if row.get("teacher"):
                file = folder / answers_file(row["teacher"], row.get("shots"))
                answers = _Answers.read(file, plan.study.task.labels)
                found.setdefault(row["name"], {})[seed] = answers
    return found


def _differences(
    plan: Plan, cells: Mapping[int, Cell], reading: str, teacher: Mapping[int, _Answers]
) -> Iterator[dict[str, Any]]:
    """One student on one arm less one teacher; nothing where they did not see the same items."""
    pairs = [
        (cell, teacher[drawn])
        for seed, cell in cells.items()
        if (drawn := plan.study.draw_seed(seed)) in teacher
    ]
    tested = [items(plan, cell, reading) for cell, _ in pairs]
    same = [one == answers.items for one, (_, answers) in zip(tested, pairs, strict=True)]
    if not pairs or not all(same) or min(map(len, tested)) < FEWEST:
        return
    for metric in choice.METRICS:
        ours = sample(plan, [cell for cell, _ in pairs], reading, metric)
        theirs = united([answers.scores(metric) for _, answers in pairs], tested)
        found = paired_difference(ours, theirs)
        yield {
            "metric": metric,
            "difference": found.mean,
            "low": found.low,
            "high": found.high,
            "seeds": found.seeds,
            "items": found.items,
            "scope": found.scope,
            "verdict": found.verdict(),
            "p": found.p,
        }

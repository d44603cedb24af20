"""What a run has for every row of a paper's table or figure, or why it has nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean

from preceptor.report.papers.exhibit import Asked, Exhibit, Measure, Row, Trained
from preceptor.report.papers.names import Names
from preceptor.report.read.groups import Group, arms_of, chosen, groups
from preceptor.report.read.results import Results
from preceptor.report.read.scores import Metrics
from preceptor.report.sections.tables import score_of


@dataclass(frozen=True, slots=True)
class Number:
    """A number of ours; ``low`` and ``high`` are its interval, or, where ``range`` is true, the
    lowest and the highest seed."""

    value: float
    low: float | None = None
    high: float | None = None
    range: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """What a run has for one row.

    Attributes:
        row: the row.
        numbers: by measure; a measure that was not scored is not there.
        why: why there is nothing, the arm's name behind it where ``arm`` has one; empty where
            there is something.
        arm: the run's arm, if the row is of one.
        group: the run's student and the reading that its numbers are of.
        seeds: how many seeds they are the mean of.
        best: by measure, the mean over seeds of each seed's best setting by the test set, where
            several settings were tried.
    """

    row: Row
    numbers: Mapping[str, Number]
    why: str = ""
    arm: str = ""
    group: Group | None = None
    seeds: int = 0
    best: Mapping[str, float] = field(default_factory=dict)

    @property
    def told(self) -> str:
        """Why there is nothing, in full."""
        return f"{self.why} {self.arm}" if self.why and self.arm else self.why


@dataclass(frozen=True, slots=True)
class Finder:
    """Looks up the rows of an exhibit in a run.

    Attributes:
        results: the run.
        exhibit: the table or figure.
        measures: its columns, or those of the run's form of it.
        names: the run's names for the exhibit's.
    """

    results: Results
    exhibit: Exhibit
    measures: Sequence[Measure]
    names: Names

    def all(self) -> list[Found]:
        """What the run has, row by row, in the paper's order."""
        return [self._find(row) for row in self.exhibit.rows]

    def _find(self, row: Row) -> Found:
        source = row.source
        if isinstance(source, Trained):
            return self._trained(row, source)
        if isinstance(source, Asked):
            return self._asked(row, source)
        return self._baselines(row, "human (", "no person's answers (baselines.human)")

    def _asked(self, row: Row, source: Asked) -> Found:
        ours = self.names.teachers.get(source.teacher)
        if ours is None:
            return Found(row, {}, f"no teacher {source.teacher}")
        shots = "zero-shot" if source.shots == 0 else f"{source.shots}-shot"
        return self._baselines(
            row, f"{ours}, {shots}", f"{ours} was not asked itself, {shots} (baselines.teacher)"
        )

    def _baselines(self, row: Row, name: str, why: str) -> Found:
        """Baselines of one name, over seeds."""
        tests = [one for one in self.results.baselines if one.split == "test"]
        found = [one for one in tests if one.name.startswith(name)]
        numbers = self._means([one.metrics for one in found])
        seeds = len({one.seed for one in found})
        return Found(row, numbers, "" if numbers else why, seeds=seeds)

    def _trained(self, row: Row, source: Trained) -> Found:
        student = self.names.students.get(source.student)
        arm = self.names.arms.get(source.arm)
        if student is None:
            return Found(row, {}, f"no student {source.student}")
        if arm is None:
            return Found(row, {}, f"no arm {source.arm}")
        group = self._group(student, arm)
        if group is None:
            return Found(row, {}, f"{student} has no test score on", arm)
        return self._at(row, source, group, arm) if source.setting else self._by(row, group, arm)

    def _group(self, student: str, arm: str) -> Group | None:
        """The student's reading that is nearest to the paper's own."""
        own = [group for group in groups(self.results) if group[0] == student]
        scored = [group for group in own if arm in arms_of(self.results, group)]
        order = self.exhibit.readings
        return next((one for reading in order for one in scored if one[1] == reading), None)

    def _by(self, row: Row, group: Group, arm: str) -> Found:
        """At the settings that validation chose, as the report has them."""
        found = {one.name: score_of(self.results, group, arm, one.name) for one in self.measures}
        numbers = {
            name: Number(float(value.raw), value.low, value.high)
            for name, value in found.items()
            if isinstance(value.raw, int | float)
        }
        seeds = len({cell.seed for cell, _ in chosen(self.results, group, arm)})
        why = "" if numbers else f"{group[0]} is not scored by these figures on"
        return Found(row, numbers, why, arm, group, seeds, self._best(group, arm))

    def _best(self, group: Group, arm: str) -> dict[str, float]:
        return {
            one.metric: one.best
            for one in self.results.best_on_test
            if (one.student, one.reading, one.arm) == (*group, arm)
            and one.settings > 1
            and one.best is not None
        }

    def _at(self, row: Row, source: Trained, group: Group, arm: str) -> Found:
        """At one value of a grid: the mean over seeds, with the lowest and the highest."""
        student, reading = group
        cells = [
            cell
            for cell in self.results.cells
            if (cell.student, cell.arm) == (student, arm)
            and reading in cell.splits.get("test", {})
            and source.setting.items() <= cell.setting.items()
        ]
        numbers = self._means([cell.splits["test"][reading] for cell in cells], ends=True)
        setting = ", ".join(f"{key} {value}" for key, value in source.setting.items())
        why = "" if numbers else f"{student} was not tried with {setting} on"
        return Found(row, numbers, why, arm, group, len({cell.seed for cell in cells}))

    def _means(self, scores: Sequence[Metrics], ends: bool = False) -> dict[str, Number]:
        """Means by measure, with the lowest and the highest where these are wanted."""
        found = {}
        for one in self.measures:
            values = [getattr(score, one.name, None) for score in scores]
            known = [value for value in values if value is not None]
            if known:
                span = (min(known), max(known), True) if ends else ()
                found[one.name] = Number(fmean(known), *span)
        return found

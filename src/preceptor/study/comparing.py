"""What the cells of a run say together: scores over seeds, and arms and students in pairs."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from preceptor.evaluate.statistics import (
    LEVEL,
    Difference,
    Interval,
    detectable,
    holm,
    items_needed,
    mcnemar,
    mean_interval,
    paired_difference,
    seeds_needed,
)
from preceptor.study.grid import CONTROLS, Cell
from preceptor.study.plan import Plan
from preceptor.study.tested import FEWEST, items, metrics, sample
from preceptor.study.told import hard_twins

_Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class _Pair:
    """Two sets of cells to be compared, by seed, with the reading of each."""

    about: dict[str, str]
    cells: Mapping[int, Cell]
    others: Mapping[int, Cell]
    readings: tuple[str, str]

    @property
    def seeds(self) -> list[int]:
        return [seed for seed in self.cells if seed in self.others]

    @property
    def sides(self) -> tuple[tuple[list[Cell], str], ...]:
        """Cells of the seeds that both have, with their reading; ours first."""
        both = zip((self.cells, self.others), self.readings, strict=True)
        return tuple(([side[seed] for seed in self.seeds], reading) for side, reading in both)


@dataclass(frozen=True, slots=True)
class Found:
    """A difference in one metric; ``exact`` is McNemar's p-value, where it may be told."""

    about: dict[str, Any]
    difference: Difference
    exact: float | None


def groups(
    chosen: Mapping[tuple[str, str, int], Cell],
) -> Iterator[tuple[_Key, dict[int, Cell]]]:
    """Cells by student and arm, then by seed."""
    groups: dict[_Key, dict[int, Cell]] = {}
    for (student, arm, seed), cell in chosen.items():
        groups.setdefault((student, arm), {})[seed] = cell
    yield from groups.items()


def scores(plan: Plan, key: _Key, cells: Mapping[int, Cell]) -> Iterator[dict[str, Any]]:
    """An arm's mean over its seeds; settings are those that validation chose, seed by seed.

    An arm that was tested on fewer than two items has none: there is no interval of one item.
    """
    student, arm = key
    for reading in plan.study.readings(student):
        if min(len(items(plan, cell, reading)) for cell in cells.values()) < FEWEST:
            continue
        for metric in metrics(plan, cells.values(), reading):
            found = mean_interval(sample(plan, [*cells.values()], reading, metric))
            yield {
                "student": student,
                "arm": arm,
                "setting": "chosen",
                "reading": reading,
                "metric": metric,
                **_told(found, "mean"),
            }


def compared(plan: Plan, groups: Mapping[_Key, Mapping[int, Cell]]) -> dict[str, Any]:
    """All comparisons of a run, and those that could not be made.

    P-values are corrected by Holm's method within families: of arms, all comparisons against
    controls of one operation in one metric, over all students and readings of the run; of
    students, all in one metric. ``family`` is how many comparisons there are in it; the verdict
    follows ``p_holm``. What could be detected and what would be needed is told at the level that
    Holm's method asks of a family's first comparison, 0.05 over its number.

    Returns:
        ``comparisons``, ``method_comparisons`` and ``not_compared`` of ``results.json``.
    """
    kinds = {name: arm.operation for name, arm in plan.study.arms.items()}
    arms, apart = _compare(plan, _arms(plan, groups))
    students, others = _compare(plan, _students(plan, groups))
    return {
        "comparisons": judged(arms, lambda about: (kinds[about["against"]], about["metric"])),
        "method_comparisons": judged(students, lambda about: about["metric"]),
        "not_compared": apart + others,
    }


def _compare(plan: Plan, pairs: Iterable[_Pair]) -> tuple[list[Found], list[dict[str, str]]]:
    """What was found of the pairs, and those that cannot be compared, with the reason."""
    found: list[Found] = []
    apart = []
    for pair in pairs:
        if why := _not_comparable(plan, pair):
            apart.append({**pair.about, "why": why})
        else:
            found += _differences(plan, pair)
    return found, apart


def _arms(plan: Plan, groups: Mapping[_Key, Mapping[int, Cell]]) -> Iterator[_Pair]:
    """Every arm against its controls, on the seeds that both have.

    A student of soft labels that is not trained on a control has that of its hard twin.
    """
    twins, controls = hard_twins(plan), _controls(plan)
    for (student, arm), cells in groups.items():
        for against in controls[arm]:
            twin = (twins.get(student, student), against)
            others = groups.get((student, against)) or groups.get(twin)
            if not others:
                continue
            for reading in plan.study.readings(student):
                about = {"student": student, "reading": reading, "arm": arm, "against": against}
                yield _Pair(about, cells, others, (reading, reading))


def _controls(plan: Plan) -> dict[str, list[str]]:
    """What every arm is held against: the arms of `none` and `repeat` of as many human examples.

    Held against a control of fewer, an arm would be better by what people wrote. Where a study
    has none of an operation with as many, all of that operation stand in.
    """
    arms = plan.study.arms
    human = {name: getattr(arm, "human", None) for name, arm in arms.items()}
    found = dict[str, list[str]]()
    for name, arm in arms.items():
        kinds = ("none",) if arm.operation == "none" else CONTROLS
        found[name] = []
        for kind in kinds:
            known = [other for other, one in arms.items() if one.operation == kind]
            alike = [other for other in known if human[other] == human[name]]
            found[name] += [other for other in alike or known if other != name]
    return found


def _students(plan: Plan, groups: Mapping[_Key, Mapping[int, Cell]]) -> Iterator[_Pair]:
    """Every student against every one before it in the study, on the same arm and seeds.

    An untuned base is what the others are compared with, wherever it stands, and its first cell
    stands for the seeds that it has none of.
    """
    untuned = {name for name, one in plan.study.students.items() if one.method.name == "base"}
    for before, after in itertools.combinations(groups, 2):
        if before[1] != after[1] or {before[0], after[0]} <= untuned:
            continue
        key, against = (before, after) if after[0] in untuned else (after, before)
        cells, others = groups[key], groups[against]
        if against[0] in untuned:
            first = next(iter(others.values()))
            others = {seed: others.get(seed, first) for seed in cells}
        readings = plan.study.readings(key[0])[0], plan.study.readings(against[0])[0]
        about = {"arm": key[1], "student": key[0], "against": against[0]}
        yield _Pair(about, cells, others, readings)


def _not_comparable(plan: Plan, pair: _Pair) -> str:
    """Why two sets of cells are not compared; empty where they are."""
    if not pair.seeds:
        return "they have no seed in common"
    (ours, mine), (theirs, other) = pair.sides
    tested = [
        (items(plan, cell, mine), items(plan, against, other))
        for cell, against in zip(ours, theirs, strict=True)
    ]
    differ = [seed for seed, (a, b) in zip(pair.seeds, tested, strict=True) if a != b]
    if differ:
        named = ", ".join(str(seed) for seed in differ)
        return f"they were tested on other items (seed{'s' * (len(differ) > 1)} {named})"
    if min(len(a) for a, _ in tested) < FEWEST:
        return "there are fewer than two test items"
    return ""


def _differences(plan: Plan, pair: _Pair) -> Iterator[Found]:
    """One set of cells less another, metric by metric, on the seeds that both have."""
    (cells, mine), (others, other) = pair.sides
    theirs = metrics(plan, others, other)
    for metric in metrics(plan, cells, mine):
        if metric not in theirs:
            continue
        a, b = sample(plan, cells, mine, metric), sample(plan, others, other, metric)
        if a.lower_is_better is None:
            continue  # a length is no merit
        labelled = plan.study.task.kind == "choice" and metric == "accuracy"
        exact = mcnemar(a, b) if labelled else None
        yield Found({**pair.about, "metric": metric}, paired_difference(a, b), exact)


def judged(
    found: list[Found], family_of: Callable[[dict[str, Any]], object]
) -> list[dict[str, Any]]:
    """Differences as ``results.json`` has them, each judged with its family."""
    families = defaultdict[object, list[int]](list)
    for place, one in enumerate(found):
        families[family_of(one.about)].append(place)
    rows: dict[int, dict[str, Any]] = {}
    for places in families.values():
        corrected = holm([found[place].difference.p for place in places])
        for place, p in zip(places, corrected, strict=True):
            rows[place] = _row(found[place], p, len(places))
    return [rows[place] for place in range(len(found))]


def _row(found: Found, p_holm: float, family: int) -> dict[str, Any]:
    difference = found.difference
    variance, alpha = difference.variance, (1 - LEVEL) / family
    return {
        **found.about,
        **_told(difference, "difference"),
        "p": difference.p,
        "p_holm": p_holm,
        "family": family,
        "effect": difference.effect,
        "detectable": detectable(variance, alpha),
        "seeds_needed": seeds_needed(variance, difference.mean, alpha),
        "items_needed": items_needed(variance, difference.mean, alpha),
        "mcnemar_p": found.exact,
        "verdict": difference.verdict(p_holm),
    }


def _told(found: Interval, name: str) -> dict[str, Any]:
    return {
        name: found.mean,
        "low": found.low,
        "high": found.high,
        "seeds": found.seeds,
        "items": found.items,
        "scope": found.scope,
    }

"""What the study file alone tells a reader of the results."""

from __future__ import annotations

import json

from preceptor.study.plan import Plan
from preceptor.study.spec import AnyStudent, Study

_ALIKE = " Seeds that share a set are alike, so the intervals may be too narrow even for those."


def not_covered(study: Study) -> list[str]:
    """What could have come out otherwise and stands in no interval, a sentence each."""
    sets, seeds = study.teacher_seeds, len(study.seeds)
    if sets is None or sets >= seeds:
        return []
    one = sets == 1
    shared = "one labelled subset" if one else f"{sets} labelled subsets"
    return [
        f"All {seeds} seeds share {shared} and what was made from {'it' if one else 'them'}"
        f" (teacher_seeds: {sets}). The intervals hold for {'that set' if one else 'those sets'}"
        " alone: they do not cover what another draw of the labelled examples, or another made set"
        f" of the same teacher, would give.{'' if one else _ALIKE}"
    ]


def same_but_budget(plan: Plan) -> list[list[str]]:
    """The students that differ in nothing but how long they are trained, together.

    Which arms and seeds they are trained on does not count.
    """
    students = plan.study.students
    alike: dict[str, list[str]] = {}
    for name, student in students.items():
        alike.setdefault(_but_budget(student), []).append(name)
    return [
        names
        for names in alike.values()
        if len({plan.budget(students[name]) for name in names}) > 1
    ]


def hard_twins(plan: Plan) -> dict[str, str]:
    """Classifiers that learn soft labels, each with the one that differs from it in that alone.

    Rows without soft labels, as those of `none`, `repeat` and `gold`, are learnt by both alike
    (:mod:`preceptor.tune.distil`), so its scores on these arms are the other's, too.
    """
    students = plan.study.students
    plain = [name for name, one in students.items() if one.distill is None]
    hard = {_but_soft(plan, name): name for name in reversed(plain)}  # of equals the first
    soft = [name for name, one in students.items() if one.distill and not one.distill.teacher]
    found = {name: hard.get(_but_soft(plan, name)) for name in soft}
    return {name: twin for name, twin in found.items() if twin is not None}


def _but_soft(plan: Plan, name: str) -> str:
    student = plan.study.students[name]
    rest = student.model_dump(mode="json", exclude={"distill", "budget", "arms", "seeds"})
    budget = plan.budget(student).model_dump(mode="json")
    return json.dumps([rest, budget], sort_keys=True)


def _but_budget(student: AnyStudent) -> str:
    rest = student.model_dump(mode="json", exclude={"budget", "arms", "seeds"})
    return json.dumps(rest, sort_keys=True)

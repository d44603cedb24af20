"""From the parts of a run to ``results.json``: what the report reads."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from preceptor.llm import identity_of
from preceptor.llm.chat import Usage
from preceptor.llm.ledger import total
from preceptor.llm.prices import quote
from preceptor.llm.settings import AnyTeacher, TunedSettings
from preceptor.study.against_teachers import teacher_comparisons
from preceptor.study.best_on_test import best_on_test
from preceptor.study.comparing import compared, groups, scores
from preceptor.study.data_told import data_told, tested_seeds
from preceptor.study.environment import environment
from preceptor.study.grid import Cell
from preceptor.study.plan import Plan
from preceptor.study.provenance import provenance
from preceptor.study.spec import chosen_by
from preceptor.study.stages import stages
from preceptor.study.teachers.told import label_accuracy, tunings_told
from preceptor.study.told import hard_twins, not_covered, same_but_budget


def collect(plan: Plan, failed: list[dict[str, str]], finished: bool) -> dict[str, Any]:
    """Everything the report shows, as JSON values; parts that are not there yet are left out."""
    study = plan.study
    done = done_cells(plan)
    chosen = choose(plan, done)
    grouped = dict(groups(_settled(plan, chosen, done, failed)))
    cells = [_cell(plan, cell, cell in chosen.values()) for cell in done]
    return {
        "format": 1,
        "study": study.name,
        "description": study.description,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": sum(part.seconds for part in plan.parts().values()),
        "command": plan.command,
        "base": os.path.relpath(plan.base_dir, plan.out),
        "finished": finished and len(done) == len(plan.cells),
        "limits": list(study.limits),
        "environment": environment(plan.jobs),
        "budget": study.budget.model_dump(mode="json", exclude_none=True),
        "choose_by": study.choose_by,
        "task": study.task.model_dump(mode="json"),
        "data": data_told(plan),
        "teachers": _teachers(plan),
        "arms": _arms(plan),
        "baselines": [row for seed in plan.draw_seeds for row in _baselines(plan, seed)],
        "cells": cells,
        "stages": stages(plan, cells),
        "failed": failed,
        "scores": [row for key, cells in grouped.items() for row in scores(plan, key, cells)],
        **compared(plan, grouped),
        "teacher_comparisons": list(teacher_comparisons(plan, grouped)),
        "not_covered": not_covered(study),
        "same_but_budget": same_but_budget(plan),
        "hard_twins": hard_twins(plan),
        "best_on_test": best_on_test(cells),
        "best": next((cell.id for cell in best_cells(plan, chosen.values()).values()), None),
        "report": study.report.model_dump(mode="json"),
        "provenance": provenance(plan),
    }


def done_cells(plan: Plan) -> list[Cell]:
    """The cells that are trained and scored, in the order of the plan."""
    return [cell for cell in plan.cells if plan.cell_part(cell).exists()]


def _json(path: Path) -> Any:
    return json.loads(path.read_text("utf-8")) if path.is_file() else {}


def _result(plan: Plan, cell: Cell) -> dict[str, Any]:
    found: dict[str, Any] = _json(plan.out / "cells" / cell.id / "result.json")
    return found


def _merit(plan: Plan, cell: Cell) -> float | None:
    """How good a cell is on validation, more being better; None without a validation split."""
    readings = _result(plan, cell)["splits"].get("validation")
    if not readings:
        return None
    by = chosen_by(plan.study, cell.student)
    first = plan.study.readings(cell.student)[0]
    if by == "log_loss":
        return -float(next(one[by] for one in readings.values() if by in one))
    return float(readings[first][by])


def choose(plan: Plan, done: Sequence[Cell]) -> dict[tuple[str, str, int], Cell]:
    """The setting of every student, arm and seed that does best on validation.

    Of equals, and where there is no validation split, the first in the grid.
    """
    chosen: dict[tuple[str, str, int], Cell] = {}
    for cell in done:
        key = (cell.student, cell.arm, cell.seed)
        if key not in chosen or _better(plan, cell, chosen[key]):
            chosen[key] = cell
    return chosen


def _settled(
    plan: Plan,
    chosen: Mapping[tuple[str, str, int], Cell],
    done: Sequence[Cell],
    failed: Sequence[dict[str, str]],
) -> dict[tuple[str, str, int], Cell]:
    """The choices among all settings: of a run that was stopped, one among those of an arm that
    were tried so far would set it behind an arm whose settings were all tried."""
    tried = {cell.id for cell in done} | {one["id"] for one in failed}
    untried = [(cell.student, cell.arm, cell.seed) for cell in plan.cells if cell.id not in tried]
    return {key: cell for key, cell in chosen.items() if key not in untried}


def _better(plan: Plan, cell: Cell, other: Cell) -> bool:
    ours, theirs = _merit(plan, cell), _merit(plan, other)
    return ours is not None and theirs is not None and ours > theirs


def best_cells(plan: Plan, cells: Iterable[Cell]) -> dict[str, Cell]:
    """The best cell of every student by validation; students in the order of its score.

    Students are set in order by what all of them have: the accuracy of their first reading, or
    how well they foresee a text or write one.
    """
    best: dict[str, Cell] = {}
    for cell in cells:
        if _merit(plan, cell) is None:
            continue
        if cell.student not in best or _better(plan, cell, best[cell.student]):
            best[cell.student] = cell
    order = sorted(best.values(), key=lambda cell: _rank(plan, cell), reverse=True)
    return {cell.student: cell for cell in order}


def _rank(plan: Plan, cell: Cell) -> float:
    readings = _result(plan, cell)["splits"]["validation"]
    figures = readings[plan.study.readings(cell.student)[0]]
    by = next((name for name in ("accuracy", "bleu") if name in figures), None)
    return float(figures[by]) if by else -float(figures["log_loss"])


def _cell(plan: Plan, cell: Cell, chosen: bool) -> dict[str, Any]:
    student = plan.study.students[cell.student]
    weights = plan.weights[cell.student]
    folder = plan.out / "cells" / cell.id
    return {
        "id": cell.id,
        "arm": cell.arm,
        "student": cell.student,
        "kind": student.kind,
        "method": student.method.name,
        "setting": dict(cell.setting),
        "seed": cell.seed,
        "chosen": chosen,
        "budget": plan.budget(student).model_dump(mode="json", exclude_none=True),
        "weights": {"ref": student.weights, "note": weights.note, "stands_for": student.stands_for},
        **_result(plan, cell),
        "path": f"cells/{cell.id}",
        "model": f"cells/{cell.id}/model" if (folder / "model").is_dir() else None,
    }


def _teachers(plan: Plan) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "engine": teacher.engine,
            "stands_for": teacher.stands_for,
            "identity": _identity(plan, name, teacher),
            "price": priced.as_dict() if (priced := quote(teacher)) else None,
            "usage": _used(plan, name),
            "tunings": tunings_told(plan, name),
        }
        for name, teacher in plan.study.teachers.items()
    ]


def _identity(plan: Plan, name: str, teacher: AnyTeacher) -> dict[str, Any]:
    """What tells a teacher from others; of a tuned one its settings: each seed has its own."""
    if isinstance(teacher, TunedSettings):
        return teacher.model_dump(mode="json", exclude_none=True, exclude={"stands_for"})
    return identity_of(teacher, plan.base_dir)


def _used(plan: Plan, name: str) -> dict[str, Any]:
    """What a teacher was asked in all of the run: each answer once, however many parts use it.

    A part's own record counts all that the part uses, so parts that share answers add up to
    more. Time is that of the parts alone.
    """
    parts = _used_by_parts(plan, name)
    whole = total(plan.ledger_of(name))
    if whole is None:  # a folder that an earlier version made, or a run that asked nothing
        return asdict(parts)
    priced = quote(plan.study.teachers[name])
    used = whole.priced(priced.price, priced.full) if priced else whole
    return asdict(replace(used, seconds=parts.seconds))


def _used_by_parts(plan: Plan, name: str) -> Usage:
    """By the records of arms and baselines; of one test split, zero-shot requests are the same
    under every seed."""
    teaching = plan.study.teaching()
    used = [
        _json(plan.arm_part(arm, seed).folder / "arm.json").get("usage")
        for arm, seed in plan.arms
        if arm in teaching and plan.study.teacher_of(teaching[arm]) == name
    ]
    for seed in plan.draw_seeds:
        rows = [row for row in _baselines(plan, seed) if row.get("teacher") == name]
        own = seed in tested_seeds(plan)
        used += [row.get("usage") for row in rows if own or row.get("shots") != 0]
    return sum((Usage(**one) for one in used if one), Usage())


def _arms(plan: Plan) -> dict[str, Any]:
    arms: dict[str, Any] = {
        name: {
            "operation": arm.operation,
            "teacher": getattr(arm, "teacher", None),
            "of": dict(getattr(arm, "of", {})),
            "seeds": [],
        }
        for name, arm in plan.study.arms.items()
    }
    for name, seed in plan.arms:
        part = plan.arm_part(name, seed)
        record = _json(part.folder / "arm.json")
        if record:
            found = label_accuracy(plan, name, seed)
            told = {"seconds": part.seconds, "path": f"arms/{name}/seed-{seed}"}
            arms[name]["seeds"].append({**record, **found, **told})
    return arms


def _baselines(plan: Plan, seed: int) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = _json(plan.baselines_part(seed).folder / "baselines.json") or []
    return rows

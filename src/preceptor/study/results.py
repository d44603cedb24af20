"""From the parts of a run to ``results.json``: what the report reads."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from preceptor.data.example import Example
from preceptor.data.leakage import leakage, summary
from preceptor.data.readers.pubmedqa import PubmedqaSettings
from preceptor.data.sampling import label_counts
from preceptor.data.splits import DataSettings
from preceptor.llm import identity_of
from preceptor.llm.chat import Usage
from preceptor.llm.ledger import total
from preceptor.llm.prices import quote
from preceptor.llm.settings import AnyTeacher, TunedSettings
from preceptor.study.check import check_targets, thin_choice
from preceptor.study.comparing import comparisons, groups, method_comparisons, scores
from preceptor.study.environment import environment
from preceptor.study.plan import Cell, Plan
from preceptor.study.spec import chosen_by
from preceptor.study.teachers.told import label_accuracy, tunings_told

_SHOWN_LEAKS = 20


def collect(plan: Plan, failed: list[dict[str, str]], finished: bool) -> dict[str, Any]:
    """Everything the report shows, as JSON values; parts that are not there yet are left out."""
    study = plan.study
    done = done_cells(plan)
    chosen = choose(plan, done)
    grouped = dict(groups(chosen))
    return {
        "format": 1,
        "study": study.name,
        "description": study.description,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": sum(part.seconds for part in plan.parts().values()),
        "command": plan.command,
        "finished": finished and len(done) == len(plan.cells),
        "limits": list(study.limits),
        "environment": environment(),
        "budget": study.budget.model_dump(mode="json", exclude_none=True),
        "choose_by": study.choose_by,
        "task": study.task.model_dump(mode="json"),
        "data": _data(plan),
        "teachers": _teachers(plan),
        "arms": _arms(plan),
        "baselines": [row for seed in plan.draw_seeds for row in _baselines(plan, seed)],
        "cells": [_cell(plan, cell, cell in chosen.values()) for cell in done],
        "failed": failed,
        "scores": [row for key, cells in grouped.items() for row in scores(plan, key, cells)],
        "comparisons": list(comparisons(plan, grouped)),
        "method_comparisons": list(method_comparisons(plan, grouped)),
        "best": next((cell.id for cell in best_cells(plan, chosen.values()).values()), None),
        "report": study.report.model_dump(mode="json"),
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


def _data(plan: Plan) -> dict[str, Any]:
    splits = plan.drawn(plan.draw_seeds[0])
    data = plan.study.data
    columns = None if isinstance(data, PubmedqaSettings) else data.columns
    record = _json(plan.out / "data" / "data.json")
    shown = {**splits.labelled(), "train": plan.splits.train}
    return {
        "reader": data.reader,
        "files": [path.name for path in plan.splits.files],
        "columns": columns.fields() if columns else {},
        "text_format": _text_format(data),
        "counts": {name: _counts(plan, examples) for name, examples in shown.items()},
        "labelled_per_seed": len(splits.train),
        "draw_seeds": plan.draw_seeds,
        "pool": _pool(plan),
        "notes": [*record.get("notes", []), *check_targets(plan, splits), *thin_choice(plan)],
        "dropped": record.get("dropped", []),
        "leakage": _leakage(plan),
    }


def _counts(plan: Plan, examples: Sequence[Example]) -> dict[str, int]:
    """Examples by label; of free answers, which are no labels, all together."""
    return label_counts(examples) if plan.study.task.labels else {"answers": len(examples)}


def _text_format(data: DataSettings) -> dict[str, Any]:
    """How the study's table is written, so that `predict` reads one like it."""
    names = ("encoding", "delimiter", "quotes")
    return {name: getattr(data, name) for name in names if hasattr(data, name)}


def _pool(plan: Plan) -> list[dict[str, Any]]:
    """Of every draw seed's pool its size, its hidden labels, and what was taken out of it."""
    drawn = {seed: plan.drawn(seed) for seed in plan.draw_seeds if plan.drawn(seed).unlabelled}
    return [
        {
            "seed": seed,
            "rows": len(one.unlabelled),
            "hidden_labels": len(one.hidden),
            "removed": dict(Counter(row.reason for row in one.pool_dropped)),
        }
        for seed, one in drawn.items()
    ]


def _leakage(plan: Plan) -> dict[str, Any]:
    leaks = leakage(plan.splits, plan.study.task.show)
    return {"rows": summary(leaks), "examples": [asdict(leak) for leak in leaks[:_SHOWN_LEAKS]]}


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
    """By the records of arms and baselines; zero-shot requests are the same under every seed."""
    teaching = plan.study.teaching()
    used = [
        _json(plan.arm_part(arm, seed).folder / "arm.json").get("usage")
        for arm, seed in plan.arms
        if arm in teaching and plan.study.teacher_of(teaching[arm]) == name
    ]
    for seed in plan.draw_seeds:
        rows = [row for row in _baselines(plan, seed) if row.get("teacher") == name]
        first = seed == plan.draw_seeds[0]
        used += [row.get("usage") for row in rows if first or row.get("shots") != 0]
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
        record = _json(plan.arm_part(name, seed).folder / "arm.json")
        if record:
            found = label_accuracy(plan, name, seed)
            arms[name]["seeds"].append({**record, **found, "path": f"arms/{name}/seed-{seed}"})
    return arms


def _baselines(plan: Plan, seed: int) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = _json(plan.baselines_part(seed).folder / "baselines.json") or []
    return rows

"""What a study will take, before anything is called or loaded."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from preceptor.augment.operation import rows_of
from preceptor.llm.prices import quote
from preceptor.llm.settings import EndpointSettings
from preceptor.models.weights import resolve
from preceptor.study.call_costs import batches, call_costs
from preceptor.study.plan import Plan
from preceptor.study.spec import AnyStudent, EncoderStudent, MixArm, RepeatArm
from preceptor.study.teacher_calls import teacher_calls, tokens_of

FLOPS_PER_CORE = 50e9
"""fp32 matrix products of one common server core, twice that in bf16; a GPU is far faster"""


def estimate(plan: Plan) -> dict[str, Any]:
    """Cells, teacher calls, tokens, money and time, all as JSON values.

    Tokens are counted as characters / 4; times are rough (a factor of two either way), for
    this machine's processor. Calls already in the answer cache cost nothing and are counted.
    Costs are summed for each currency alone. Batches have no time that could be told: ``seconds``
    leaves them out, and ``batches`` says how many rounds may take all of their window.
    """
    calls = call_costs(plan, teacher_calls(plan))
    training = [_training(plan, name, one) for name, one in plan.study.students.items()]
    prices = _prices(plan)
    return {
        "study": plan.study.name,
        "seeds": list(plan.study.seeds),
        "cells": len(plan.cells),
        "calls": calls,
        "prices": prices,
        "training": training,
        "total": {
            "calls": sum(call["calls"] for call in calls),
            "calls_at_most": sum(call["calls_at_most"] for call in calls),
            "costs": _costs(calls),
            "unpriced": _unpriced(calls, prices),
            "seconds": round(sum(one["seconds"] or 0 for one in (*calls, *training))),
            "batches": batches(plan, calls),
        },
    }


def _costs(calls: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """The sum of each currency."""
    found: defaultdict[str, float] = defaultdict(float)
    for one in calls:
        if one["cost"] is not None:
            found[one["currency"]] += one["cost"]
    return {currency: round(cost, 4) for currency, cost in found.items()}


def _unpriced(calls: Sequence[Mapping[str, Any]], prices: Mapping[str, Any]) -> list[str]:
    """Teachers behind an endpoint that are called, at a price that is not known."""
    called = dict.fromkeys(one["teacher"] for one in calls if one["calls"])
    return [name for name in called if name in prices and prices[name] is None]


def _training(plan: Plan, name: str, student: AnyStudent) -> dict[str, Any]:
    cells = [cell for cell in plan.cells if cell.student == name]
    splits = plan.drawn(plan.draw_seeds[0])
    length = min(student.fit.max_length, fmean(tokens_of(plan, one) for one in splits.train))
    updates = fmean(_updates(plan, student, arm, len(splits.train), length) for arm in _arms(cells))
    tokens = updates * student.fit.accumulation * _rows(student, length) * length
    scored = (len(splits.validation) + len(splits.test)) * length * _passes(student)
    parameters = _parameters(plan, student)
    seconds = None
    if parameters is not None:
        # Of an encoder-decoder model every token goes through one of two halves.
        share = 0.5 if student.kind == "seq2seq" else 1.0
        work = (
            share * parameters * (tokens * (6 if student.method.name == "full" else 4) + 2 * scored)
        )
        speed = FLOPS_PER_CORE * (2 if student.fit.precision == "bf16" else 1)
        seconds = work / (speed * (os.cpu_count() or 1))
    return {
        "student": name,
        "cells": len(cells),
        "updates": round(updates),
        "tokens": round(len(cells) * tokens),
        "parameters": parameters,
        "seconds": None if seconds is None else round(len(cells) * seconds),
    }


def _arms(cells: Sequence[Any]) -> list[str]:
    return list(dict.fromkeys(cell.arm for cell in cells))


def _rows(student: AnyStudent, length: float) -> float:
    return max(1.0, min(student.fit.batch_rows, student.fit.batch_tokens / length))


def _updates(plan: Plan, student: AnyStudent, arm: str, human: int, length: float) -> float:
    budget = plan.budget(student)
    if student.method.name == "base":
        return 0.0
    if budget.epochs is None:
        return float(budget.steps or 0)
    per_update = _rows(student, length) * student.fit.accumulation
    return max(1.0, budget.epochs * (human + _made_rows(plan, arm, human)) / per_update)


def _made_rows(plan: Plan, name: str, human: int) -> int:
    arm = plan.study.arms[name]
    if isinstance(arm, MixArm):
        return sum(
            _made_rows(plan, source, human) if amount is None else rows_of(amount, human)
            for source, amount in arm.of.items()
        )
    if isinstance(arm, RepeatArm) or name in plan.study.operations():
        return rows_of(getattr(arm, "amount", 0), human)
    return 0


def _passes(student: AnyStudent) -> int:
    return 1 if isinstance(student, EncoderStudent) else len(student.readings)


def _parameters(plan: Plan, student: AnyStudent) -> int | None:
    """Parameters by the size of the weights on disk; None for a hub model."""
    weights = resolve(student.weights, plan.base_dir)
    sizes = [_size(part.path) for part in weights.parts or (weights,)]
    return None if None in sizes else sum(filter(None, sizes))


def _size(path: Path | None) -> int | None:
    if path is None:
        return None
    if path.suffix == ".gguf":
        return round(path.stat().st_size * 8 / 4.9)
    return round(sum(file.stat().st_size for file in path.glob("*.safetensors")) / 4)


def _prices(plan: Plan) -> dict[str, Any]:
    """Of every teacher behind an endpoint; None where no price is known."""
    endpoints = {
        name: one for name, one in plan.study.teachers.items() if isinstance(one, EndpointSettings)
    }
    found = {name: quote(one) for name, one in endpoints.items()}
    return {name: one.as_dict() if one else None for name, one in found.items()}

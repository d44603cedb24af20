"""What a study will take, before anything is called or loaded."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from preceptor.augment.annotate import AnnotateSettings
from preceptor.augment.operation import rows_of
from preceptor.llm.prices import quote
from preceptor.llm.settings import EndpointSettings
from preceptor.models.weights import resolve
from preceptor.study.estimates.calls import teacher_calls, tokens_of
from preceptor.study.estimates.costs import batches, call_costs
from preceptor.study.estimates.tuned_work import teacher_size, tunings_ahead, work_ahead
from preceptor.study.estimates.work import (
    parameters_of,
    reading_flops,
    rows_seen,
    seconds_of,
    training_flops,
    updates_of,
)
from preceptor.study.plan import Plan
from preceptor.study.spec import AnyStudent, GoldArm, MixArm, NoneArm


def estimate(plan: Plan) -> dict[str, Any]:
    """Cells, teacher calls, tunings, tokens, money and time, all as JSON values.

    Tokens are counted as characters / 4; times are rough (a factor of two either way), for
    this machine's processor. Calls already in the answer cache cost nothing and are counted.
    Costs are summed for each currency alone. Batches have no time that could be told: ``seconds``
    leaves them out, and ``batches`` says how many rounds may take all of their window.
    """
    calls = call_costs(plan, teacher_calls(plan))
    tuned, work = tunings_ahead(plan), work_ahead(plan)
    training = [_training(plan, name, one) for name, one in plan.study.students.items()]
    prices = _prices(plan)
    return {
        "study": plan.study.name,
        "seeds": list(plan.study.seeds),
        "cells": len(plan.cells),
        "calls": calls,
        "prices": prices,
        "tuned": tuned,
        "work": work,
        "training": training,
        "total": {
            "calls": sum(call["calls"] for call in calls),
            "calls_at_most": sum(call["calls_at_most"] for call in calls),
            "costs": _costs(calls),
            "unpriced": _unpriced(calls, prices),
            "seconds": _seconds(calls, tuned, work, training),
            "batches": batches(plan, calls),
        },
    }


def _seconds(*tables: Sequence[Mapping[str, Any]]) -> int:
    """The sum of all that is known."""
    return round(sum(one["seconds"] or 0 for table in tables for one in table))


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
    updates, tokens = _learnt(plan, student, _arms(cells), length)
    scored = len(splits.validation) + len(splits.test)
    read = scored * length * len(plan.study.readings(name))
    parameters = parameters_of(resolve(student.weights, plan.base_dir))
    seconds = None
    if parameters is not None:
        flops = _flops(student, parameters, tokens, read) + _distilled(plan, student, tokens)
        seconds = round(len(cells) * seconds_of(flops, student.fit))
    return {
        "student": name,
        "cells": len(cells),
        "updates": round(updates),
        "tokens": round(len(cells) * tokens),
        "parameters": parameters,
        "seconds": seconds,
    }


def _learnt(
    plan: Plan, student: AnyStudent, arms: Sequence[str], length: float
) -> tuple[float, float]:
    """Updates, and tokens that are learnt from, of one cell: the mean over its arms."""
    if student.method.name == "base":
        return 0.0, 0.0
    budget, fit = plan.budget(student), student.fit
    rows = [training_rows(plan, arm) for arm in arms]
    updates = fmean(updates_of(budget, fit, one, length) for one in rows)
    return updates, length * fmean(rows_seen(budget, fit, one, length) for one in rows)


def _flops(student: AnyStudent, parameters: int, learnt: float, read: float) -> float:
    # Of an encoder-decoder model every token goes through one of two halves.
    share = 0.5 if student.kind == "seq2seq" else 1.0
    trained = training_flops(parameters, learnt, student.method.name)
    return share * (trained + reading_flops(parameters, read))


def _distilled(plan: Plan, student: AnyStudent, tokens: float) -> float:
    """What a teacher costs that reads along, to say the probabilities of every token."""
    if student.distill is None or student.distill.teacher is None:
        return 0.0
    return reading_flops(teacher_size(plan, student.distill.teacher) or 0, tokens)


def _arms(cells: Sequence[Any]) -> list[str]:
    return list(dict.fromkeys(cell.arm for cell in cells))


def training_rows(plan: Plan, name: str) -> int:
    """Rows of an arm's training set, if nothing falls short: human ones, and made beside them."""
    share = getattr(plan.study.arms[name], "human", None)
    return len(plan.human(plan.draw_seeds[0], share)) + _made_rows(plan, name)


def _made_rows(plan: Plan, name: str) -> int:
    """Amounts are multiples of the whole labelled subset, whatever share of it an arm holds."""
    arm, drawn = plan.study.arms[name], plan.drawn(plan.draw_seeds[0])
    human = len(drawn.train)
    if isinstance(arm, MixArm):
        sources = {source: _made_rows(plan, source) for source in arm.of}
        return sum(
            sources[source] if amount is None else min(sources[source], rows_of(amount, human))
            for source, amount in arm.of.items()
        )
    if isinstance(arm, NoneArm):
        return 0
    there: float = math.inf
    if isinstance(arm, GoldArm):
        there = len(drawn.hidden)
    elif isinstance(arm, AnnotateSettings):
        there = len(drawn.unlabelled)
    return int(min(rows_of(arm.amount, human), there))


def _prices(plan: Plan) -> dict[str, Any]:
    """Of every teacher behind an endpoint; None where no price is known."""
    endpoints = {
        name: one for name, one in plan.study.teachers.items() if isinstance(one, EndpointSettings)
    }
    found = {name: quote(one) for name, one in endpoints.items()}
    return {name: one.as_dict() if one else None for name, one in found.items()}

"""What a study will take, before anything is called or loaded."""

from __future__ import annotations

import itertools
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from preceptor.augment import OPERATIONS, AnyOperation
from preceptor.augment.operation import rows_of
from preceptor.data.example import Example
from preceptor.llm import answer
from preceptor.llm.prices import quote
from preceptor.llm.settings import AnyTeacher, EmbeddedSettings, EndpointSettings
from preceptor.models.weights import resolve
from preceptor.study.filter_calls import filter_calls
from preceptor.study.plan import Plan
from preceptor.study.spec import AnyStudent, EncoderStudent, MixArm, RepeatArm

CHARACTERS_PER_TOKEN = 4.0
FLOPS_PER_CORE = 50e9
"""fp32 matrix products of one common server core, twice that in bf16; a GPU is far faster"""
EMBEDDED_TOKENS = 120.0
"""answer tokens per second of the embedded teacher on two cores, and 5 times that for prompts"""
ENDPOINT_TOKENS = 50.0
"""answer tokens per second of one call to a common API, after half a second of latency"""


def estimate(plan: Plan) -> dict[str, Any]:
    """Cells, teacher calls, tokens, money and time, all as JSON values.

    Tokens are counted as characters / 4; times are rough (a factor of two either way), for
    this machine's processor. Calls already in the answer cache cost nothing and are counted.
    """
    calls = [*_arm_calls(plan), *_filter_calls(plan), *_baseline_calls(plan)]
    training = [_training(plan, name, one) for name, one in plan.study.students.items()]
    costs = [call["cost"] for call in calls if call["cost"] is not None]
    return {
        "study": plan.study.name,
        "seeds": list(plan.study.seeds),
        "cells": len(plan.cells),
        "calls": calls,
        "prices": _prices(plan),
        "training": training,
        "total": {
            "calls": sum(call["calls"] for call in calls),
            "calls_at_most": sum(call["calls_at_most"] for call in calls),
            "cost": round(sum(costs), 4) if costs else None,
            "seconds": round(sum(one["seconds"] or 0 for one in (*calls, *training))),
        },
    }


def _length(plan: Plan, example: Example) -> float:
    """Tokens of an example with its answer; a label is a few."""
    task = plan.study.task
    answer = 8.0 if task.labels else _tokens(str(example.target))
    return _tokens(task.show(example)) + answer


def _tokens(text: str) -> float:
    return len(text) / CHARACTERS_PER_TOKEN


def _arm_calls(plan: Plan) -> list[dict[str, Any]]:
    needed = [name for name, _ in plan.arms]
    return [
        _arm(plan, name, arm, needed.count(name))
        for name, arm in plan.study.operations().items()
        if name in needed
    ]


def _arm(plan: Plan, name: str, arm: AnyOperation, seeds: int) -> dict[str, Any]:
    human = plan.drawn(plan.draw_seeds[0]).train
    wanted = rows_of(arm.amount, len(human))
    operation = OPERATIONS[arm.operation]
    stream = operation.calls(arm, plan.study.choice, human, 0, plan.base_dir)
    prompts = [
        " ".join(message.content for message in call.request.messages)
        for call in itertools.islice(stream, min(wanted, len(human)))
    ]
    prompt_tokens = fmean(_tokens(prompt) for prompt in prompts)
    answer_tokens = fmean(_tokens(text) for text in _written(arm, human))
    return {
        "for": f"arm {name}",
        **_priced(plan, plan.study.teacher_of(arm), seeds * wanted, prompt_tokens, answer_tokens),
        "calls_at_most": seeds * rows_of(arm.max_requests, wanted),
    }


def _filter_calls(plan: Plan) -> list[dict[str, Any]]:
    return [
        _priced(plan, one.teacher, one.calls, one.characters / CHARACTERS_PER_TOKEN, 8)
        | {"for": one.title, "calls_at_most": one.at_most}
        for one in filter_calls(plan)
    ]


def _written(arm: AnyOperation, human: Sequence[Example]) -> list[str]:
    """Human texts of the fields that the teacher will write: the best guess of their length."""
    named = getattr(arm, "fields", ()) or getattr(arm, "write", ())
    kept = getattr(arm, "keep", ())
    return [
        " ".join(
            text
            for field, text in {**example.inputs, **example.extra}.items()
            if (field in named if named else field in example.inputs and field not in kept)
        )
        for example in human
    ]


def _baseline_calls(plan: Plan) -> list[dict[str, Any]]:
    found = []
    for name, shots in itertools.product(plan.study.teachers, plan.study.baselines.teacher):
        splits = plan.drawn(plan.draw_seeds[0])
        # Zero-shot calls are the same under every seed, and the cache answers the repeats.
        calls = len(splits.test) * (len(plan.draw_seeds) if shots else 1)
        requests = answer.requests(
            plan.study.choice, splits.test, splits.train, shots=shots, seed=0, parameters={}
        )
        prompt = fmean(
            sum(_tokens(message.content) for message in request.messages) for request in requests
        )
        priced = _priced(plan, name, calls, prompt, 8)
        title = f"baseline {name}, {shots}-shot"
        found.append({"for": title, **priced, "calls_at_most": calls})
    return found


def _priced(
    plan: Plan, name: str, calls: int, prompt_tokens: float, answer_tokens: float
) -> dict[str, Any]:
    teacher = plan.study.teachers[name]
    priced = quote(teacher)
    price = priced.price if priced else None
    paid = None if price is None else prompt_tokens * price.input + answer_tokens * price.output
    return {
        "teacher": name,
        "calls": calls,
        "prompt_tokens": round(calls * prompt_tokens),
        "answer_tokens": round(calls * answer_tokens),
        "cost": None if paid is None else calls * paid / 1e6,
        "currency": price.currency if price else None,
        "seconds": round(_call_seconds(teacher, calls, prompt_tokens, answer_tokens)),
    }


def _call_seconds(teacher: AnyTeacher, calls: int, prompt: float, answer: float) -> float:
    if isinstance(teacher, EmbeddedSettings):
        return calls * (prompt / (5 * EMBEDDED_TOKENS) + answer / EMBEDDED_TOKENS)
    return calls / teacher.concurrency * (0.5 + answer / ENDPOINT_TOKENS)


def _training(plan: Plan, name: str, student: AnyStudent) -> dict[str, Any]:
    cells = [cell for cell in plan.cells if cell.student == name]
    splits = plan.drawn(plan.draw_seeds[0])
    length = min(student.fit.max_length, fmean(_length(plan, one) for one in splits.train))
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


def _priced_by(prices: Mapping[str, Any]) -> list[str]:
    """What each teacher's tokens cost, and who says so."""
    return [
        f"{name}: no price known (teachers.{name}.price)"
        if price is None
        else f"{name}: {price['input']:g} / {price['output']:g} {price['currency']} per million"
        f" prompt / answer tokens ({price['source']})"
        for name, price in prices.items()
    ]


def shown(found: dict[str, Any]) -> str:
    """The estimate as a table for the terminal."""
    from io import StringIO

    from rich.console import Console
    from rich.table import Table

    calls = Table(
        "for", "teacher", "calls", "at most", "prompt tokens", "answer tokens", "cost", "~ s"
    )
    for one in found["calls"]:
        cost = "–" if one["cost"] is None else f"{one['cost']:.2f} {one['currency']}"
        calls.add_row(
            one["for"],
            one["teacher"],
            *(f"{one[key]:,}" for key in ("calls", "calls_at_most", "prompt_tokens")),
            f"{one['answer_tokens']:,}",
            cost,
            f"{one['seconds']:,}",
        )
    training = Table("student", "cells", "updates each", "tokens", "parameters", "~ s")
    for one in found["training"]:
        size = "not known" if one["parameters"] is None else f"{one['parameters'] / 1e6:,.0f} M"
        training.add_row(
            one["student"],
            f"{one['cells']:,}",
            f"{one['updates']:,}",
            f"{one['tokens']:,}",
            size,
            "not known" if one["seconds"] is None else f"{one['seconds']:,}",
        )
    console = Console(file=StringIO(), width=120)
    console.print(f"study {found['study']}: {found['cells']} cells, seeds {found['seeds']}")
    console.print(calls if found["calls"] else "no teacher is called")
    console.print(training)
    total = found["total"]
    for line in _priced_by(found["prices"]):
        console.print(line, highlight=False, markup=False)
    cost = "no price known" if total["cost"] is None else f"about {total['cost']:.2f}"
    console.print(
        f"in all about {total['calls']:,} calls (at most {total['calls_at_most']:,}), {cost}, and"
        f" {total['seconds'] / 60:,.0f} minutes on this machine. Rough: tokens are characters / 4;"
        " answers in the cache cost nothing."
    )
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]

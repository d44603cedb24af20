"""What teachers that are tuned first will do: their tunings, and what each then does in a run."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from preceptor.augment import OPERATIONS
from preceptor.llm.settings import TunedSettings, VllmSettings
from preceptor.models.save import record_of
from preceptor.models.weights import resolve
from preceptor.study.estimates.calls import texts_of, tokens
from preceptor.study.estimates.costs import ENDPOINT_TOKENS
from preceptor.study.estimates.work import (
    parameters_of,
    reading_flops,
    rows_seen,
    seconds_of,
    training_flops,
    updates_of,
    writing_flops,
)
from preceptor.study.plan import Plan
from preceptor.study.teachers.tuning import validation_rows
from preceptor.study.teachers.tunings import Tuning
from preceptor.tasks import TextTask

_LOOKED_AT = 200
"""human examples that lengths are taken from"""
_LOOKS = 5
"""looks at the rows that are kept out, where the budget counts no passes"""
_END = 1
"""the token that ends an answer"""


@dataclass(frozen=True)
class Form:
    """What a tuned teacher reads and writes in one role, on average.

    Attributes:
        prompt: tokens of a prompt.
        answer: tokens of an answer, its end token among them.
        chooses: whether labels are scored, and nothing is written.
    """

    prompt: float
    answer: float
    chooses: bool


def tunings_ahead(plan: Plan) -> list[dict[str, Any]]:
    """Every tuned teacher that the study needs, as JSON values.

    ``tunings`` are those that the run makes: one for each of the ``roles`` and each draw seed;
    none where they are taken from another run (``tuned_from``). ``tokens`` and ``seconds`` hold
    for all of them together, looks at what is kept out and the calibration on the validation
    split included in the seconds.
    """
    return [_tuned(plan, name) for name in dict.fromkeys(one.teacher for one in plan.tunings.all)]


def _tuned(plan: Plan, name: str) -> dict[str, Any]:
    settings, size = _settings(plan, name), teacher_size(plan, name)
    mine = [one for one in plan.tunings.all if one.teacher == name]
    own = mine if settings.tuned_from is None else []
    roles = {one.role: one for one in reversed(mine)}
    told = {role: _tuning(plan, settings, one, size) for role, one in roles.items() if own}
    return {
        "teacher": name,
        "roles": list(reversed(roles)),
        "tunings": len(own),
        "tuned_from": settings.tuned_from,
        "updates": round(fmean(told[one.role][0] for one in own)) if own else 0,
        "tokens": round(sum(told[one.role][1] for one in own)),
        "parameters": size,
        "seconds": None if size is None else round(sum(told[one.role][2] for one in own)),
    }


def _tuning(
    plan: Plan, settings: TunedSettings, tuning: Tuning, size: int | None
) -> tuple[float, float, float]:
    """Updates, tokens that are learnt from, and seconds of one tuning."""
    form, fit = _form(plan, tuning), settings.fit
    length = min(float(fit.max_length), form.prompt + form.answer)
    human = len(plan.human(plan.draw_seeds[0], settings.human))
    held = validation_rows(settings, human)
    updates = updates_of(settings.budget, fit, human - held, length)
    learnt = rows_seen(settings.budget, fit, human - held, length) * length
    looks = updates / fit.validate_every if fit.validate_every else settings.budget.epochs or _LOOKS
    calibrated = len(plan.drawn(plan.draw_seeds[0]).validation) if form.chooses else 0
    read = (looks * held + calibrated) * length
    flops = training_flops(size or 0, learnt, settings.method.name) + reading_flops(size or 0, read)
    return updates, learnt, seconds_of(flops, fit)


def _form(plan: Plan, tuning: Tuning) -> Form:
    """As it is tuned and asked in one role; human examples stand for all others."""
    study, human = plan.study, plan.drawn(plan.draw_seeds[0]).train[:_LOOKED_AT]
    if tuning.arm is None:
        task, chooses = study.task, not isinstance(study.task, TextTask)
        pairs = [(task.frame(task.show(one)), task.written(str(one.target))) for one in human]
    else:
        from preceptor.llm.tuned import plain

        arm, chooses = study.operations()[tuning.arm], False
        lessons = OPERATIONS[arm.operation].lessons(
            arm, study.task, human, tuning.seed, plan.base_dir
        )
        pairs = [(plain(request), answer) for request, answer in lessons]
    prompt, answer = (fmean(tokens(one[side]) for one in pairs) for side in (0, 1))
    return Form(prompt, answer + _END, chooses)


def work_ahead(plan: Plan) -> list[dict[str, Any]]:
    """What tuned teachers do for arms and baselines, as JSON values; nothing of it is paid.

    ``texts`` are those of all draw seeds where nothing has to be made anew, ``texts_at_most``
    where as much is rejected as may be.
    """
    return [*_arms(plan), *_baselines(plan)]


def _arms(plan: Plan) -> Iterator[dict[str, Any]]:
    needed = [name for name, _ in plan.arms]
    for name, arm in plan.study.teaching().items():
        tuning = plan.tunings.of_arm(name, plan.draw_seeds[0])
        if name in needed and tuning is not None:
            drawn = plan.drawn(plan.draw_seeds[0])
            texts = texts_of(arm, len(drawn.train), len(drawn.unlabelled))
            seeds = needed.count(name)
            yield _work(plan, f"arm {name}", tuning, seeds * texts[0], seeds * texts[1])


def _baselines(plan: Plan) -> Iterator[dict[str, Any]]:
    """Zero-shot alone: a tuned teacher was tuned on what a prompt could show."""
    if isinstance(plan.study.task, TextTask) or 0 not in plan.study.baselines.teacher:
        return
    seeds = plan.draw_seeds
    for name in plan.study.teachers:
        tuning = plan.tunings.answering(name, seeds[0])
        if tuning is not None:
            texts = len(seeds) * len(plan.drawn(seeds[0]).test)
            yield _work(plan, f"baseline {name}, tuned", tuning, texts, texts)


def _work(plan: Plan, title: str, tuning: Tuning, texts: int, most: int) -> dict[str, Any]:
    form = _form(plan, tuning)
    longest = _settings(plan, tuning.teacher).parameters.get("max_tokens", 256)
    answer = 0.0 if form.chooses else min(form.answer, float(str(longest)))
    return {
        "for": title,
        "teacher": tuning.teacher,
        "texts": texts,
        "texts_at_most": most,
        "prompt_tokens": round(texts * form.prompt),
        "answer_tokens": round(texts * answer),
        "seconds": _seconds(plan, tuning, texts, form.prompt, answer),
    }


def _seconds(plan: Plan, tuning: Tuning, texts: int, prompt: float, answer: float) -> int | None:
    """What creates is served as the study says; what annotates does it in this process."""
    settings, size = _settings(plan, tuning.teacher), teacher_size(plan, tuning.teacher)
    if tuning.arm is not None and settings.serve == "vllm":
        at_once = int(VllmSettings.model_fields["concurrency"].default)
        return math.ceil(texts / at_once * answer / ENDPOINT_TOKENS)
    if size is None:
        return None
    flops = reading_flops(size, texts * prompt) + writing_flops(size, texts * answer)
    return math.ceil(seconds_of(flops, settings.fit))


def teacher_size(plan: Plan, name: str) -> int | None:
    """Parameters of a tuned teacher's base; None for a hub model, or one that cannot be found."""
    settings = _settings(plan, name)
    if settings.tuned_from is None:
        return parameters_of(resolve(settings.weights, plan.base_dir))
    tuning = next(one for one in plan.tunings.all if one.teacher == name)
    folder = plan.tunings.folder(tuning) / "model"
    return parameters_of(resolve(record_of(folder)["ref"]))


def _settings(plan: Plan, name: str) -> TunedSettings:
    settings = plan.tunings.settings(name)
    assert settings is not None
    return settings

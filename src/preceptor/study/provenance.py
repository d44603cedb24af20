"""Where models and data come from and under which licence: what cards tell of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from preceptor.data.readers.hub import HubSettings
from preceptor.llm.settings import AnyTeacher, EndpointSettings
from preceptor.models.licence import (
    CARD,
    Licence,
    head_of,
    hub_name,
    in_card,
    licence_of,
    on_the_hub,
)
from preceptor.models.weights import KNOWN, Weights, resolve
from preceptor.study.plan import Plan
from preceptor.study.spec import MixArm

_CARDS = (CARD, "CARD.md")
_STUDY = "the study"


def provenance(plan: Plan) -> dict[str, Any]:
    """Origins and licences, and settings that results tell nowhere else, as JSON values."""
    study = plan.study
    return {
        "language": list(study.card.language),
        "data": _data(plan),
        "students": {
            name: _base(plan, name, plan.weights[name])
            | {
                "fit": student.fit.model_dump(mode="json", exclude_none=True),
                "distilled_from": student.distill.teacher if student.distill else None,
            }
            for name, student in study.students.items()
        },
        "teachers": {name: _teacher(plan, name, one) for name, one in study.teachers.items()},
        "arms": {
            name: {
                "teachers": _teachers(plan, name),
                "settings": arm.model_dump(mode="json", exclude_none=True, exclude_defaults=True),
            }
            for name, arm in study.arms.items()
        },
        "cells": {
            cell.id: {
                "draw_seed": study.draw_seed(cell.seed),
                "method": cell.method(study.students[cell.student]).model_dump(mode="json"),
            }
            for cell in plan.cells
        },
    }


def _base(plan: Plan, name: str, weights: Weights) -> dict[str, Any]:
    told = plan.study.card.licences.get(name)
    licence = Licence(told, _STUDY) if told else licence_of(weights)
    return {"weights": _shown(weights), "hub": hub_name(weights), "licence": licence.as_dict()}


def _shown(weights: Weights) -> str:
    """The reference, without the folders of this machine: a card is made to be published."""
    if weights.parts:
        return "+".join(_shown(part) for part in weights.parts)
    return weights.ref if weights.path is None or weights.ref in KNOWN else weights.path.name


def _teacher(plan: Plan, name: str, teacher: AnyTeacher) -> dict[str, Any]:
    """A model of a server's is known by name and address alone: nobody tells its licence."""
    if not isinstance(teacher, EndpointSettings):
        return _base(plan, name, resolve(teacher.weights, plan.base_dir))
    told = plan.study.card.licences.get(name)
    licence = Licence(told, _STUDY if told else f"the terms of {teacher.base_url} hold")
    return {"weights": teacher.model, "hub": None, "licence": licence.as_dict()}


def _teachers(plan: Plan, arm: str) -> list[str]:
    """The teachers that made an arm's rows; of a mix those of its sources."""
    settings, teaching = plan.study.arms[arm], plan.study.teaching()
    sources = list(settings.of) if isinstance(settings, MixArm) else [arm]
    named = [plan.study.teacher_of(teaching[one]) for one in sources if one in teaching]
    return list(dict.fromkeys(named))


def _data(plan: Plan) -> dict[str, Any]:
    card, data = plan.study.card, plan.study.data
    found = Licence(card.data_licence, _STUDY) if card.data_licence else _data_licence(plan)
    source = card.data_source or (data.id if isinstance(data, HubSettings) else None)
    return {"source": source, "licence": found.as_dict()}


def _data_licence(plan: Plan) -> Licence:
    """What the hub's card says, or the cards beside the data's files that name these very files."""
    data = plan.study.data
    if isinstance(data, HubSettings) and not data.id.startswith("."):
        return on_the_hub(data.id, data.revision, "dataset")
    cards = [
        path.parent / name
        for path in plan.splits.files
        for name in _CARDS
        if path.name in _files_of(path.parent / name)
    ]
    return in_card(cards[0]) if cards else Licence(None, "no data card names the files")


def _files_of(card: Path) -> set[str]:
    """The names of the files that a data card lists in its configurations."""
    head = head_of(card)
    if isinstance(head, str):
        return set()
    found: set[str] = set()
    for config in head.get("configs") or []:
        files = config.get("data_files") if isinstance(config, dict) else None
        for one in files if isinstance(files, list) else [files]:
            path = one.get("path") if isinstance(one, dict) else one
            paths = path if isinstance(path, list) else [path]
            found |= {Path(each).name for each in paths if isinstance(each, str)}
    return found

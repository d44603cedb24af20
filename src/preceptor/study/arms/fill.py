"""Making a training set: human examples, and what was made beside them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from preceptor.augment.annotate import AnnotateSettings
from preceptor.augment.operation import rows_of
from preceptor.data.candidate import Candidate, write_candidates
from preceptor.data.example import Example, Origin, read_examples, write_examples
from preceptor.errors import DataError
from preceptor.store.atomic import write_json
from preceptor.study.arms.annotating import annotate, believing
from preceptor.study.arms.assignment import Assignment
from preceptor.study.arms.diversity import diversity
from preceptor.study.arms.making import make
from preceptor.study.plan import Plan
from preceptor.study.spec import GoldArm, MixArm, NoneArm
from preceptor.study.teachers.staff import Staff

_Made = tuple[list[Example], dict[str, Any]]


def fill_arm(plan: Plan, name: str, draw_seed: int, staff: Staff, folder: Path) -> None:
    """Make one arm: ``train.parquet``, ``made.parquet`` (kept and rejected), ``arm.json``.

    Raises:
        TeacherError: calls failed on the server's side; the answers to all others are kept.
        DataError: the pool gives nothing for it.
    """
    arm = plan.study.arms[name]
    human = plan.human(draw_seed, getattr(arm, "human", None))
    if name in plan.study.teaching():
        candidates, summary = _taught(Assignment(plan, name, human, draw_seed), staff)
        write_candidates(folder / "made.parquet", candidates)
        made = [candidate.example for candidate in candidates if candidate.rejection is None]
        if name in plan.study.operations():
            summary["diversity"] = diversity(plan, name, human, made, draw_seed)
    else:
        made, summary = _given(plan, name, human, draw_seed)
    write_examples(folder / "train.parquet", [*human, *made])
    write_json(folder / "arm.json", {"seed": draw_seed, "human": len(human), **summary})


def _taught(assignment: Assignment, staff: Staff) -> tuple[list[Candidate], dict[str, Any]]:
    if isinstance(assignment.settings, AnnotateSettings):
        return annotate(assignment, staff)
    with (
        staff.writing(assignment.arm, assignment.seed) as teacher,
        believing(assignment, staff) as believe,
    ):
        return make(assignment, teacher, believe)


def _given(plan: Plan, name: str, human: Sequence[Example], draw_seed: int) -> _Made:
    """The rows of an arm that needs no teacher of its own."""
    arm = plan.study.arms[name]
    labelled = len(plan.drawn(draw_seed).train)
    if isinstance(arm, MixArm):
        return _mixed(plan, arm, draw_seed, labelled)
    if isinstance(arm, NoneArm):
        return [], {"wanted": 0, "kept": 0}
    rows = rows_of(arm.amount, labelled)
    if isinstance(arm, GoldArm):
        return _gold(plan, draw_seed, rows)
    made = [_repeated(example, turn) for turn, example in _cycle(human, rows)]
    return made, {"wanted": rows, "kept": rows}


def _cycle(examples: Sequence[Example], rows: int) -> Iterator[tuple[int, Example]]:
    for number in range(rows):
        yield number // len(examples) + 1, examples[number % len(examples)]


def _repeated(example: Example, turn: int) -> Example:
    origin = Origin("human", "repeat", (example.id,))
    return replace(example, id=f"{example.id}#repeat{turn}", origin=origin)


def _gold(plan: Plan, draw_seed: int, rows: int) -> _Made:
    """Texts of the pool in its order, with the labels that are hidden from all else."""
    drawn = plan.drawn(draw_seed)
    known = [one for one in drawn.unlabelled if one.id in drawn.hidden][:rows]
    if not known:
        raise DataError(
            "no text of the pool has a true label",
            where="data.pool",
            fix="set `pool: {of: rest}`, or leave the gold arm out",
        )
    made = [
        replace(one, target=drawn.hidden[one.id], origin=Origin("human", "gold", (one.id,)))
        for one in known
    ]
    return made, {"wanted": rows, "kept": len(made), "shortfall": rows - len(made)}


def _mixed(plan: Plan, arm: MixArm, draw_seed: int, labelled: int) -> _Made:
    made: list[Example] = []
    wanted = 0
    for source, amount in arm.of.items():
        rows = _made_rows(plan.arm_part(source, draw_seed).folder)
        share = len(rows) if amount is None else rows_of(amount, labelled)
        wanted += share
        made += rows[:share]
    return made, {"wanted": wanted, "kept": len(made), "shortfall": wanted - len(made)}


def _made_rows(folder: Path) -> list[Example]:
    """What an arm holds beside its human examples."""
    human = json.loads((folder / "arm.json").read_text("utf-8"))["human"]
    return read_examples(folder / "train.parquet")[human:]

"""What both cards tell of an arm: who made its rows, how many, and what became of the rest."""

from __future__ import annotations

import re
from pathlib import Path

from preceptor.report.cards.markdown import Md, block, code, settings, table
from preceptor.report.read.arms import ArmSeed
from preceptor.report.read.cell import Cell
from preceptor.report.read.numbers import count, plural
from preceptor.report.read.results import Results

_FOLDERS = re.compile(r"(?<![\w:/.~])~?/(?:[^\s/'\",{}\[\]]+/)*")
"""the folders of a path that begins at a root or at home"""
_OPERATIONS = {
    "none": "human examples alone, nothing made",
    "repeat": "the human examples, repeated: the control for more steps",
    "gold": "texts of the pool with their true labels: the ceiling of annotation",
    "rewrite": "a teacher put human examples into other words (rewrite)",
    "create": "a teacher wrote new examples (create)",
    "annotate": "a teacher labelled or answered texts without a label (annotate)",
    "mix": "made rows of other arms together (mix)",
}


def command(run: Path, results: Results) -> Md:
    """What made the run; of this machine's paths their last parts alone."""
    text = results.command or f"preceptor run study.yaml --out {run.resolve().name}"
    return block(_FOLDERS.sub("", text), "sh")


def teachers_of(results: Results, arm: str) -> list[str]:
    """The teachers whose rows an arm holds; where the results do not tell, those of the run."""
    made = results.provenance.arms.get(arm)
    if made is not None:
        return made.teachers
    found = results.arms.get(arm)
    own = found is None or found.operation in ("none", "repeat", "gold")
    return [] if own else [teacher.name for teacher in results.teachers]


def operation_words(results: Results, arm: str) -> str:
    """What an arm is, in words."""
    found = results.arms.get(arm)
    operation = found.operation if found else ""
    words = _OPERATIONS.get(operation, operation or "not recorded")
    return f"{words}: {', '.join(found.of)}" if found and found.of else words


def arm_seed(results: Results, cell: Cell) -> ArmSeed | None:
    """The record of the training set that a cell was trained on."""
    trained = results.provenance.cells.get(cell.id)
    draw = trained.draw_seed if trained else cell.seed
    seeds = results.arms[cell.arm].seeds if cell.arm in results.arms else []
    return next((one for one in seeds if one.seed == draw), None)


def made_words(results: Results, arm: str, made: ArmSeed) -> Md:
    """How many rows there are, and what became of the teacher's answers."""
    told: list[tuple[object, object]] = [("Human rows", count(made.human))]
    if made.wanted or made.kept:
        told.append(("Rows beside them that were wanted", count(made.wanted)))
        told.append(("Rows beside them that were kept", count(made.kept)))
    if made.shortfall:
        told.append(("Short by", count(made.shortfall)))
    if made.requests:
        told.append(("Requests to the teacher", count(made.requests)))
    told += [(f"Rejected: {reason}", count(number)) for reason, number in made.rejected.items()]
    if made.filters:
        told.append(("Filters that were on", ", ".join(made.filters)))
    decided = made.decisions
    if person := [
        plural(number, word, word)
        for number, word in (
            (decided.accept, "accepted"),
            (decided.reject, "rejected"),
            (decided.relabel, "relabelled"),
        )
        if number
    ]:
        told.append(("Decided by a person", ", ".join(person)))
    return table(("", ""), told, numbers=1)


def sampling(results: Results, arm: str) -> Md:
    """How an arm's teachers were asked: their parameters, and what the arm sets otherwise."""
    rows: list[tuple[object, object]] = []
    for teacher in results.teachers:
        if teacher.name in teachers_of(results, arm):
            parameters = teacher.identity.get("parameters") or {}
            rows.append((f"Teacher {teacher.name}, {teacher.engine}", settings(parameters)))
    made = results.provenance.arms.get(arm)
    if made is not None:
        rows.append((Md(f"Arm {code(arm)}"), settings(made.settings)))
    return table(("", "Settings"), rows) if rows else Md("not recorded")

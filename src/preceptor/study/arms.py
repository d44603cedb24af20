"""Making a training set: human examples, a teacher's answers, curation, top-up rounds."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from preceptor.augment import OPERATIONS
from preceptor.augment.operation import Call, rows_of
from preceptor.curate import curate, filters
from preceptor.curate.filter import Material
from preceptor.data.candidate import Candidate, Rejection, write_candidates
from preceptor.data.example import Example, Origin, read_examples, write_examples
from preceptor.errors import TeacherError
from preceptor.llm.chat import Answer, Failure, FailureCause, Teacher
from preceptor.store.atomic import write_json
from preceptor.study.plan import Plan
from preceptor.study.spec import MixArm, RepeatArm

_SERVER_SIDE: frozenset[FailureCause] = frozenset(
    ["rate_limited", "server_error", "timeout", "unreachable", "malformed"]
)
"""causes that lie with the server, not with what was asked"""


def fill_arm(
    plan: Plan, name: str, draw_seed: int, teachers: Mapping[str, Teacher], folder: Path
) -> None:
    """Make one arm: ``train.parquet``, ``made.parquet`` (kept and rejected), ``arm.json``.

    Raises:
        TeacherError: calls failed on the server's side; the answers to all others are kept.
    """
    arm = plan.study.arms[name]
    human = plan.drawn(draw_seed).train
    if isinstance(arm, MixArm):
        made, summary = _mixed(plan, arm, draw_seed, len(human))
    elif isinstance(arm, RepeatArm):
        rows = rows_of(arm.amount, len(human))
        made = [_repeated(example, turn) for turn, example in _cycle(human, rows)]
        summary = {"wanted": rows, "kept": rows}
    elif name in plan.study.operations():
        candidates, summary = _made(plan, name, human, draw_seed, teachers)
        write_candidates(folder / "made.parquet", candidates)
        made = [candidate.example for candidate in candidates if candidate.rejection is None]
    else:
        made, summary = [], {"wanted": 0, "kept": 0}
    write_examples(folder / "train.parquet", [*human, *made])
    write_json(folder / "arm.json", {"seed": draw_seed, "human": len(human), **summary})


def _cycle(examples: Sequence[Example], rows: int) -> Iterator[tuple[int, Example]]:
    for number in range(rows):
        yield number // len(examples) + 1, examples[number % len(examples)]


def _repeated(example: Example, turn: int) -> Example:
    origin = Origin("human", "repeat", (example.id,))
    return replace(example, id=f"{example.id}#repeat{turn}", origin=origin)


def _mixed(
    plan: Plan, arm: MixArm, draw_seed: int, human: int
) -> tuple[list[Example], dict[str, Any]]:
    made: list[Example] = []
    wanted = 0
    for source, amount in arm.of.items():
        rows = read_examples(plan.arm_part(source, draw_seed).folder / "train.parquet")[human:]
        share = len(rows) if amount is None else rows_of(amount, human)
        wanted += share
        made += rows[:share]
    return made, {"wanted": wanted, "kept": len(made), "shortfall": wanted - len(made)}


def _made(
    plan: Plan,
    name: str,
    human: Sequence[Example],
    draw_seed: int,
    teachers: Mapping[str, Teacher],
) -> tuple[list[Candidate], dict[str, Any]]:
    """Ask, read and curate in rounds until the amount is kept or the calls are spent."""
    arm = plan.study.operations()[name]
    teacher = teachers[plan.study.teacher_of(arm)]
    wanted = rows_of(arm.amount, len(human))
    limit = rows_of(arm.max_requests, wanted)
    maker = Maker(plan, name, human, draw_seed, teacher)
    before = teacher.usage
    candidates: list[Candidate] = []
    kept = 0
    while kept < wanted and len(candidates) < limit:
        round_size = min(wanted - kept, limit - len(candidates))
        answered = maker.make(round_size)
        refuse_unanswered([one.answer for one in answered], teacher.name)
        fresh = [one.candidate for one in answered]
        kept += sum(candidate.rejection is None for candidate in fresh)
        candidates += fresh
    reasons = Counter(one.rejection.reason for one in candidates if one.rejection)
    return candidates, {
        "wanted": wanted,
        "kept": kept,
        "requests": len(candidates),
        "rejected": dict(reasons.most_common()),
        "shortfall": wanted - kept,
        "usage": (teacher.usage - before).as_dict(),
    }


def refuse_unanswered(answers: Sequence[Answer | Failure], teacher: str) -> None:
    """Stop where calls failed on the server's side, before a part is made without their answers.

    Such a failure says nothing of the row. Passed over, it would make the part depend on how
    the server fared that day, and leave out long answers sooner than short ones.

    Raises:
        TeacherError: one or more calls failed so, after all retries.
    """
    causes = Counter(
        one.cause for one in answers if isinstance(one, Failure) and one.cause in _SERVER_SIDE
    )
    if causes:
        raise TeacherError(
            f"{causes.total()} of {len(answers)} calls failed",
            where=f"the teacher {teacher}",
            found=", ".join(f"{cause} ({count})" for cause, count in causes.most_common()),
            fix="run again: answers are kept, and only these calls are made again. Where they time"
            " out each time, raise the teacher's timeout or lower max_tokens",
        )


@dataclass(frozen=True, slots=True)
class Made:
    """A call, the teacher's answer to it, and what became of that."""

    call: Call
    answer: Answer | Failure
    candidate: Candidate


class Maker:
    """Ask for the next candidates of an arm; filters remember what was kept before."""

    def __init__(
        self, plan: Plan, name: str, human: Sequence[Example], draw_seed: int, teacher: Teacher
    ) -> None:
        self._task = plan.study.task
        self._arm = plan.study.operations()[name]
        self._operation = OPERATIONS[self._arm.operation]
        self._calls: Iterator[Call] = self._operation.calls(
            self._arm, self._task, human, draw_seed, plan.base_dir
        )
        material = Material(
            plan.study.choice,
            human,
            plan.held_out,
            self._arm.operation,
            rows_of(self._arm.amount, len(human)),
            draw_seed,
            teacher.ask,
        )
        self._filters = filters(plan.study.curation, material)
        self._numbers = itertools.count(1)
        self._teacher = teacher
        self._name = f"{name}-{draw_seed}"
        self._label = f"{name}, seed {draw_seed}"

    def make(self, count: int) -> list[Made]:
        """Make ``count`` candidates, kept and rejected, with what they came from."""
        calls = list(itertools.islice(self._calls, count))
        requests = [replace(call.request, parameters=self._arm.parameters) for call in calls]
        answers = self._teacher.ask(requests, self._label)
        read = [self._read(call, one) for call, one in zip(calls, answers, strict=True)]
        return [
            Made(call, answer, candidate)
            for call, answer, candidate in zip(
                calls, answers, curate(read, self._filters), strict=True
            )
        ]

    def _read(self, call: Call, answer: Answer | Failure) -> Candidate:
        id = f"{self._name}-{next(self._numbers):05d}"
        if isinstance(answer, Failure):
            return self._unread(call, id, answer.detail, Rejection(answer.cause, filter="call"))
        example = self._operation.read(
            self._arm, self._task, call, answer.text, id=id, teacher=self._teacher.name
        )
        if isinstance(example, Rejection):
            return self._unread(call, id, answer.text, example)
        return Candidate(example, answer.text)

    def _unread(self, call: Call, id: str, raw: str, rejection: Rejection) -> Candidate:
        origin = Origin(self._teacher.name, self._arm.operation, call.parents)
        return Candidate(Example(id, {}, call.label, origin=origin), raw, rejection)

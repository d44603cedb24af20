"""Making a training set: human examples, a teacher's answers, curation, top-up rounds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from preceptor.augment import OPERATIONS
from preceptor.augment.operation import Call, rows_of
from preceptor.curate import curate, filters
from preceptor.curate.balance import BalanceFilter
from preceptor.curate.filter import Material
from preceptor.data.candidate import Candidate, Rejection, write_candidates
from preceptor.data.example import Example, Origin, read_examples, write_examples
from preceptor.errors import TeacherError
from preceptor.llm.calls.tally import SERVER_SIDE
from preceptor.llm.chat import Answer, Failure, Request, Teacher
from preceptor.store.atomic import write_json
from preceptor.study import funnel
from preceptor.study.asking import ask_until_read, structured
from preceptor.study.diversity import diversity
from preceptor.study.plan import Plan
from preceptor.study.spec import MixArm, RepeatArm


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
        summary["diversity"] = diversity(plan, name, human, made, draw_seed)
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
    before = teacher.usage
    maker = Maker(plan, name, human, draw_seed, teacher)
    candidates: list[Candidate] = []
    kept = 0
    while kept < wanted and maker.asked < limit:
        left = limit - maker.asked
        answered = maker.make(min(wanted - kept, left), left)
        if not answered:
            break  # no call is left that could write for a label that is still short
        refuse_unanswered([one.answer for one in answered], teacher.name)
        fresh = [one.candidate for one in answered]
        kept += sum(candidate.rejection is None for candidate in fresh)
        candidates += fresh
    return candidates, {
        "wanted": wanted,
        "kept": kept,
        "requests": maker.asked,
        "structured": maker.structured,
        "rejected": funnel.reasons(candidates),
        "shortfall": wanted - kept,
        **maker.told(candidates),
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
        one.cause for one in answers if isinstance(one, Failure) and one.cause in SERVER_SIDE
    )
    if causes:
        raise TeacherError(
            f"{causes.total()} of {len(answers)} calls failed",
            where=f"the teacher {teacher}",
            found=", ".join(f"{cause} ({count})" for cause, count in causes.most_common()),
            fix="run again: answers are kept, and only these calls are made again. Where they time"
            " out each time, raise the teacher's timeout or lower max_tokens",
        )


def _ask_whole(teacher: Teacher, requests: list[Request], label: str) -> list[Answer | Failure]:
    """Calls of a filter: those that fail on the server's side stop it as they stop the arm."""
    answers = teacher.ask(requests, label)
    refuse_unanswered(answers, teacher.name)
    return answers


@dataclass(frozen=True, slots=True)
class Made:
    """A call, the teacher's answer to it, and what became of that."""

    call: Call
    answer: Answer | Failure
    candidate: Candidate


class Maker:
    """Ask for the next candidates of an arm; filters remember what was kept before.

    Attributes:
        structured: whether the teacher is held to a JSON object by a schema.
        asked: how many calls were made so far, every try of one counted.

    Raises:
        TeacherError: the arm wants a schema and the teacher's server cannot write by one.
    """

    def __init__(
        self, plan: Plan, name: str, human: Sequence[Example], draw_seed: int, teacher: Teacher
    ) -> None:
        self._task = plan.study.task
        self._arm = plan.study.operations()[name]
        self._operation = OPERATIONS[self._arm.operation]
        self.structured = structured(self._arm, plan.study.choice, teacher, plan.base_dir)
        self.asked = 0
        self._calls: Iterator[Call] = self._operation.calls(
            self._arm, self._task, human, draw_seed, plan.base_dir, structured=self.structured
        )
        material = Material(
            plan.study.choice,
            human,
            plan.held_out,
            self._arm.operation,
            rows_of(self._arm.amount, len(human)),
            draw_seed,
            partial(_ask_whole, teacher),
            plan.base_dir,
        )
        self._filters = filters(plan.study.curation, material)
        self._decisions = plan.decisions_of(name, draw_seed)
        judge = plan.study.curation.judge
        self._judge_from = None if judge is False else judge.at_least
        self._numbered = enumerate(self._calls, 1)
        self._turn = 2 * max(len(human), len(plan.study.choice.labels))
        self._teacher = teacher
        self._name = f"{name}-{draw_seed}"
        self._label = f"{name}, seed {draw_seed}"

    @property
    def _balance(self) -> BalanceFilter | None:
        found = self._filters.get("balance")
        return found if isinstance(found, BalanceFilter) else None

    def make(self, count: int, allowed: int | None = None) -> list[Made]:
        """Make ``count`` candidates, kept and rejected, with what they came from.

        They are fewer where the calls that follow are all for labels of which no more is wanted.
        An answer that cannot be read is asked for again, up to the arm's ``tries``, as long as
        ``allowed`` calls in all suffice.
        """
        numbered = self._next(count)
        calls = [call for _, call in numbered]
        tries = self._arm.tries
        most = count * tries if allowed is None else allowed
        attempts = ask_until_read(
            calls, self._ask, lambda place, one: self._read(*numbered[place], one), tries, most
        )
        self.asked += sum(one.tries for one in attempts)
        read = [one.told() for one in attempts]
        answers = [one.answer for one in attempts]
        judged = curate(read, self._filters, self._decisions)
        return [Made(*one) for one in zip(calls, answers, judged, strict=True)]

    def _ask(self, requests: list[Request]) -> list[Answer | Failure]:
        own = self._arm.parameters
        whole = [replace(one, parameters={**one.parameters, **own}) for one in requests]
        return self._teacher.ask(whole, self._label)

    def _next(self, count: int) -> list[tuple[int, Call]]:
        """The next calls and their numbers, as many of each label as it still lacks.

        A call keeps its number whatever was passed over, so that an id names the same call under
        other decisions and settings of filters.
        """
        lacking = self._balance.lacking() if self._balance else None
        taken: list[tuple[int, Call]] = []
        passed = 0
        while len(taken) < count and passed < self._turn:
            number, call = next(self._numbered)
            if lacking is not None and call.label is not None:
                lacking[call.label] = lacking.get(call.label, 0) - 1
                if lacking[call.label] < 0:
                    passed += 1
                    continue
            taken.append((number, call))
            passed = 0
        return taken

    def told(self, candidates: Sequence[Candidate]) -> dict[str, Any]:
        """What the arm's record says of its curation: the funnel, decisions, notes of filters."""
        quotas = self._balance.quotas if self._balance else None
        notes = {name: list(getattr(one, "notes", ())) for name, one in self._filters.items()}
        notes["teacher"] = list(getattr(self._teacher, "notes", ()))
        if self._judge_from is not None:
            notes["judge"] += funnel.judged_beside(candidates, self._judge_from)
        return {
            "filters": list(self._filters),
            "funnel": funnel.funnel(candidates, quotas, self._task.labels),
            "decisions": funnel.decisions_told(candidates, self._decisions),
            "notes": {name: told for name, told in notes.items() if told},
        }

    def _read(self, number: int, call: Call, answer: Answer | Failure) -> Candidate:
        id = f"{self._name}-{number:05d}"
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

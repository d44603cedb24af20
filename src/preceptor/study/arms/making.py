"""Examples that a teacher writes: asked, read and curated, with top-up rounds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from preceptor.augment import OPERATIONS, AnyOperation
from preceptor.augment.annotate import AnnotateSettings
from preceptor.augment.operation import Call, rows_of
from preceptor.curate.filter import Believe
from preceptor.data.candidate import Candidate, Rejection
from preceptor.data.example import Example, Origin
from preceptor.llm.chat import Answer, Failure, Request, Teacher
from preceptor.study.arms.asking import ask_until_read, structured
from preceptor.study.arms.assignment import Assignment
from preceptor.study.arms.curating import Curator, refuse_unanswered


def make(
    assignment: Assignment, teacher: Teacher, believe: Believe | None = None
) -> tuple[list[Candidate], dict[str, Any]]:
    """Ask, read and curate in rounds until the amount is kept or the calls are spent.

    Raises:
        TeacherError: calls failed on the server's side; the answers to all others are kept.
    """
    wanted = assignment.wanted
    limit = rows_of(written(assignment).max_requests, wanted)
    before = teacher.usage
    maker = Maker(assignment, teacher, believe)
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
        "shortfall": wanted - kept,
        **maker.told(candidates),
        "usage": (teacher.usage - before).as_dict(),
    }


def written(assignment: Assignment) -> AnyOperation:
    """The operation of an arm whose examples its teacher writes."""
    settings = assignment.settings
    if isinstance(settings, AnnotateSettings):
        raise TypeError(f"the teacher of {assignment.arm} writes no examples")
    return settings


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
        self, assignment: Assignment, teacher: Teacher, believe: Believe | None = None
    ) -> None:
        plan, human, seed = assignment.plan, assignment.human, assignment.seed
        self._task, self._arm = assignment.task, written(assignment)
        self._operation = OPERATIONS[self._arm.operation]
        tuned = plan.tunings.of_arm(assignment.arm, seed) is not None
        self.structured = not tuned and structured(self._arm, self._task, teacher, plan.base_dir)
        self.asked = 0
        form = {"tuned": True} if tuned else {"structured": self.structured}
        self._calls: Iterator[Call] = self._operation.calls(
            self._arm, self._task, human, seed, plan.base_dir, **form
        )
        self._curator = Curator(assignment, teacher, believe)
        self._numbered = enumerate(self._calls, 1)
        self._turn = 2 * max(len(human), len(self._task.labels))
        self._teacher = teacher
        self._name, self._label = assignment.name, assignment.title

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
        judged = self._curator.judge(read)
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
        balance = self._curator.balance
        lacking = balance.lacking() if balance else None
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
        """What the arm's record says of its curation."""
        return self._curator.told(candidates)

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

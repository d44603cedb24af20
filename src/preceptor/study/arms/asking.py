"""How an arm's calls are put: by a schema where the server can, again where nothing came of one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from preceptor.augment import AnyOperation
from preceptor.augment.operation import Call
from preceptor.data.candidate import Candidate
from preceptor.errors import TeacherError
from preceptor.llm.cache import KEPT_FAILURES
from preceptor.llm.chat import Answer, Failure, Request, Teacher
from preceptor.llm.schema import takes_schema
from preceptor.tasks import AnyTask

Outcome = Answer | Failure


def tries_schema(arm: AnyOperation, task: AnyTask, base_dir: Path) -> bool:
    """Whether the arm would ask by a JSON schema, and so tries whether the server can.

    Raises:
        SpecError: the arm's prompt cannot be read.
    """
    if arm.structured != "auto":
        return arm.structured == "on"
    # A lone text needs no frame.
    return len(arm.keys(task)) > 1 and arm.may_ask_by_schema(base_dir)


def structured(arm: AnyOperation, task: AnyTask, teacher: Teacher, base_dir: Path) -> bool:
    """Whether the arm's calls carry a JSON schema; asks the teacher's server where that matters.

    Raises:
        TeacherError: the arm wants it and the server cannot, or did not answer.
        SpecError: the arm's prompt cannot be read.
    """
    if not tries_schema(arm, task, base_dir):
        return False
    if takes_schema(teacher):
        return True
    if arm.structured == "auto":
        return False
    raise TeacherError(
        "the teacher's server does not write by a JSON schema",
        where=f"the teacher {teacher.name}; the arm's `structured: on`",
        fix="set `structured: auto` or `off`, or use a server that obeys response_format",
    )


@dataclass(frozen=True, slots=True)
class Attempt:
    """What became of a call.

    Attributes:
        answer: to the last try.
        candidate: what was read from it.
        tries: how often it was asked.
    """

    answer: Outcome
    candidate: Candidate
    tries: int

    @property
    def is_void(self) -> bool:
        """Whether a fresh sample may do better: nothing could be read, and the model is why."""
        rejection = self.candidate.rejection
        if isinstance(self.answer, Failure):
            return self.answer.cause in KEPT_FAILURES
        return rejection is not None and rejection.filter == "parse"

    def told(self) -> Candidate:
        """The candidate; where it is void, the number of tries stands in the reason."""
        rejection = self.candidate.rejection
        if rejection is None or not self.is_void:
            return self.candidate
        tries = f"{self.tries} {'try' if self.tries == 1 else 'tries'}"
        detail = f"{rejection.detail} ({tries})" if rejection.detail else tries
        return self.candidate.reject(replace(rejection, detail=detail))


def ask_until_read(
    calls: Sequence[Call],
    ask: Callable[[list[Request]], list[Outcome]],
    read: Callable[[int, Outcome], Candidate],
    tries: int,
    allowed: int,
) -> list[Attempt]:
    """Ask every call, and those again of which nothing could be read.

    Args:
        calls: what is to be asked.
        ask: the teacher.
        read: makes a candidate of the answer to the call at a place.
        tries: of one call at most, each another sample.
        allowed: tries of all calls together at most; not fewer than there are calls. Where they
            do not suffice, the first calls have them.

    Returns:
        What became of each call, in order.
    """
    attempts: dict[int, Attempt] = {}
    places = list(range(len(calls)))
    for turn in range(tries):
        places = places[:allowed]
        if not places:
            break
        allowed -= len(places)
        answers = ask([calls[place].again(turn).request for place in places])
        for place, answer in zip(places, answers, strict=True):
            attempts[place] = Attempt(answer, read(place, answer), turn + 1)
        places = [place for place in places if attempts[place].is_void]
    return [attempts[place] for place in range(len(calls))]

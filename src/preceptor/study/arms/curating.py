"""What judges the made examples of one arm and seed, and what that leaves to tell."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import Any

from preceptor.curate import curate, filters, left_out
from preceptor.curate.balance import BalanceFilter
from preceptor.curate.filter import Believe, Material
from preceptor.data.candidate import Candidate
from preceptor.errors import TeacherError
from preceptor.llm.calls.tally import SERVER_SIDE
from preceptor.llm.chat import Answer, Failure, Request, Teacher
from preceptor.study.arms import funnel
from preceptor.study.arms.assignment import Assignment


class Curator:
    """The filters of an arm and a person's decisions; filters remember what was kept before.

    Args:
        assignment: the arm and its seed.
        teacher: asked by the filters that ask one; None where there is none to ask.
        believe: the tuned teacher's labels; None where it is not tuned, or they are judged.
    """

    def __init__(
        self, assignment: Assignment, teacher: Teacher | None, believe: Believe | None = None
    ) -> None:
        plan = assignment.plan
        self._task, self._curation = assignment.task, plan.study.curation
        self._teacher = teacher
        material = Material(
            assignment.task,
            assignment.human,
            plan.held_out(assignment.seed),
            assignment.settings.operation,
            assignment.wanted,
            assignment.seed,
            partial(_ask_whole, teacher),
            plan.base_dir,
            believe,
        )
        self._filters = filters(self._curation, material)
        self._left_out = left_out(self._curation, material.task, material.operation)
        self._decisions = plan.decisions_of(assignment.arm, assignment.seed)

    @property
    def balance(self) -> BalanceFilter | None:
        """The filter that knows of which labels more is wanted."""
        found = self._filters.get("balance")
        return found if isinstance(found, BalanceFilter) else None

    def judge(self, candidates: Sequence[Candidate]) -> list[Candidate]:
        """The candidates of one round, each with its verdict."""
        return curate(candidates, self._filters, self._decisions)

    def told(self, candidates: Sequence[Candidate]) -> dict[str, Any]:
        """What the arm's record says of its curation: the funnel, decisions, notes of filters."""
        quotas = self.balance.quotas if self.balance else None
        notes = {name: list(getattr(one, "notes", ())) for name, one in self._filters.items()}
        notes |= {name: [f"left out: {why}"] for name, why in self._left_out.items()}
        notes["teacher"] = list(getattr(self._teacher, "notes", ()))
        if self._curation.judge is not False and "judge" in notes:
            notes["judge"] += funnel.judged_beside(candidates, self._curation.judge.at_least)
        return {
            "rejected": funnel.reasons(candidates),
            "filters": list(self._filters),
            "funnel": funnel.funnel(candidates, quotas, self._task.labels),
            "decisions": funnel.decisions_told(candidates, self._decisions),
            "notes": {name: told for name, told in notes.items() if told},
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


def _ask_whole(
    teacher: Teacher | None, requests: list[Request], label: str
) -> list[Answer | Failure]:
    """Calls of a filter: those that fail on the server's side stop it as they stop the arm."""
    if teacher is None:
        raise TeacherError(
            f"{label}: there is no teacher that a filter could ask",
            fix="a tuned teacher that annotates answers no other questions: switch this filter"
            " off, or annotate by a teacher behind a server",
        )
    answers = teacher.ask(requests, label)
    refuse_unanswered(answers, teacher.name)
    return answers

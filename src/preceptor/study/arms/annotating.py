"""Texts of the pool that a teacher labels or answers: annotated, chosen, curated, in rounds."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

from preceptor.augment import annotate as operation
from preceptor.augment.annotate import AnnotateSettings, Annotation
from preceptor.curate.filter import Believe
from preceptor.data.candidate import Candidate, Rejection
from preceptor.data.example import Example, Origin
from preceptor.data.sampling import label_counts
from preceptor.errors import DataError
from preceptor.llm.chat import Teacher
from preceptor.study.arms.assignment import Assignment
from preceptor.study.arms.curating import Curator, refuse_unanswered
from preceptor.study.predictor import Predictor
from preceptor.study.spec import WritingStudent
from preceptor.study.teachers.staff import Staff
from preceptor.tasks import TextTask

Annotate = Callable[[Sequence[Example], str], list[Annotation]]
"""Texts and the progress bar's label in, what the teacher says of each out."""
NOT_SURE = "less sure than others of its label"
ENOUGH = "more than wanted"


def annotate(assignment: Assignment, staff: Staff) -> tuple[list[Candidate], dict[str, Any]]:
    """Annotate texts of the pool in its order until the amount is kept or its limit is reached.

    Raises:
        TeacherError: calls failed on the server's side; the answers to all others are kept.
        DataError: no text of the pool was kept.
    """
    wanted, arm = assignment.wanted, _settings(assignment)
    with annotator(assignment, staff) as (ask, teacher):
        work = _Annotator(assignment, ask, teacher)
        before = None if teacher is None else teacher.usage
        _, most = arm.texts(wanted, len(work.pool))
        while work.kept < wanted and len(work.candidates) < most:
            needed = math.ceil((wanted - work.kept) / arm.keep)
            work.round(min(needed, most - len(work.candidates)))
        usage = None if teacher is None or before is None else (teacher.usage - before).as_dict()
        told = work.told()
    if work.kept == 0:
        raise DataError(
            "no text of the pool was kept",
            where=f"arm {assignment.title}",
            found=f"{len(work.candidates)} texts, rejected: {told['rejected']}",
            fix="look at what rejected them; a teacher may need more examples or another prompt",
        )
    return work.candidates, {
        "wanted": wanted,
        "kept": work.kept,
        "shortfall": max(0, wanted - work.kept),
        "annotated": len(work.candidates),
        "pool": len(work.pool),
        **told,
        **({} if usage is None else {"requests": work.asked, "usage": usage}),
    }


class _Annotator:
    """Goes through the pool; what was said of earlier texts counts for the base rates of later."""

    def __init__(self, assignment: Assignment, ask: Annotate, teacher: Teacher | None) -> None:
        self._arm, self._task = _settings(assignment), assignment.task
        self._name, self._title = assignment.name, assignment.title
        self._ask, self._wanted = ask, assignment.wanted
        self._curator = Curator(assignment, teacher)
        self._rates = label_counts(assignment.human)
        self._origin = assignment.plan.study.teacher_of(self._arm)
        self.pool = assignment.plan.drawn(assignment.seed).unlabelled
        self.candidates: list[Candidate] = []
        self._said: list[Annotation] = []

    @property
    def kept(self) -> int:
        """Rows so far."""
        return sum(one.rejection is None for one in self.candidates)

    @property
    def asked(self) -> int:
        """Answers that were asked for."""
        return len(self.candidates) * self._arm.votes

    def round(self, count: int) -> None:
        """Annotate the next ``count`` texts, choose the surest, and curate them."""
        start = len(self.candidates)
        texts = self.pool[start : start + count]
        self._said += self._ask(texts, self._title)
        said = self._adjusted()[start:]
        sure = operation.surest(said, self._arm.keep)
        fresh = [
            self._candidate(start + number, *one)
            for number, one in enumerate(zip(texts, said, sure, strict=True), 1)
        ]
        self.candidates += self._within_amount(self._judged(fresh, said))

    def _judged(self, fresh: list[Candidate], said: list[Annotation]) -> list[Candidate]:
        """The surest meet the filters first: what is too much of a label is the least sure."""
        order = operation.surest_first(said)
        judged = self._curator.judge([fresh[place] for place in order])
        by_place = dict(zip(order, judged, strict=True))
        return [by_place[place] for place in range(len(fresh))]

    def _within_amount(self, judged: list[Candidate]) -> list[Candidate]:
        """Every label's share is rounded up, so that more may be left than are wanted."""
        room = self._wanted - self.kept
        found: list[Candidate] = []
        for one in judged:
            if one.rejection is None:
                room -= 1
            over = one.rejection is None and room < 0 and not one.decision
            found.append(one.reject(Rejection(ENOUGH, filter="keep")) if over else one)
        return found

    def _adjusted(self) -> list[Annotation]:
        """All that was said so far, its probabilities scaled to the human base rates if asked."""
        rows = [place for place, one in enumerate(self._said) if one.probabilities]
        if self._arm.base_rates == "teacher" or not rows:
            return self._said
        labels = self._task.labels
        given = [[self._said[place].probabilities[label] for label in labels] for place in rows]
        rates = [self._rates.get(label, 0) / sum(self._rates.values()) for label in labels]
        found = list(self._said)
        for place, row in zip(rows, operation.to_base_rates(given, rates), strict=True):
            scaled = dict(zip(labels, map(float, row), strict=True))
            best = max(labels, key=lambda label: scaled[label])
            found[place] = replace(found[place], target=best, probabilities=scaled)
        return found

    def _candidate(self, number: int, text: Example, said: Annotation, sure: bool) -> Candidate:
        example = replace(
            text,
            id=f"{self._name}-{number:05d}",
            target=said.target,
            origin=Origin(self._origin, "annotate", (text.id,)),
            soft=said.probabilities,
        )
        figures = {} if said.log_prob is None else {"log_prob": said.log_prob}
        if said.target is not None and said.probabilities:
            figures["confidence"] = said.probabilities[said.target]
        rejection = said.rejection
        if rejection is None and not sure:
            rejection = Rejection(NOT_SURE, figures=figures, filter="keep")
        return Candidate(example, said.raw, rejection, figures=figures)

    def told(self) -> dict[str, Any]:
        """What the arm's record says of curation, and how often each label was given."""
        told, labels = self._curator.told(self.candidates), self._labels()
        missing = [label for label in self._task.labels if label not in labels]
        if missing:
            given = label_counts(one.example for one in self.candidates)
            each = ", ".join(f"{label} ({given.get(label, 0)} given)" for label in missing)
            told["notes"]["annotate"] = [f"kept no row of {each}: a student learns it from none"]
        return {**told, "labels": labels}

    def _labels(self) -> dict[str, int]:
        if isinstance(self._task, TextTask):
            return {}
        return label_counts(one.example for one in self.candidates if one.rejection is None)


def _settings(assignment: Assignment) -> AnnotateSettings:
    settings = assignment.settings
    if not isinstance(settings, AnnotateSettings):
        raise TypeError(f"the teacher of {assignment.arm} does not annotate")
    return settings


@contextmanager
def annotator(assignment: Assignment, staff: Staff) -> Iterator[tuple[Annotate, Teacher | None]]:
    """How the arm's texts are annotated, and the teacher that its filters may ask."""
    plan, arm = assignment.plan, _settings(assignment)
    name = plan.study.teacher_of(arm)
    if plan.tunings.teaching(arm) is not None:
        with staff.answering(name, assignment.seed) as predictor:
            yield partial(_predicted, predictor), None
        return
    teacher = staff.asked(name)
    yield partial(_answered, assignment, teacher), teacher


@contextmanager
def believing(assignment: Assignment, staff: Staff) -> Iterator[Believe | None]:
    """What reads labels back, loaded once for all rounds of an arm; None where nothing does."""
    tuning = assignment.plan.tunings.reading_back(assignment.arm, assignment.seed)
    if tuning is None:
        yield None
        return
    with staff.answering(tuning.teacher, tuning.seed) as predictor:
        yield partial(_believed, assignment, predictor)


def _believed(
    assignment: Assignment, predictor: Predictor, examples: Sequence[Example], title: str
) -> list[Mapping[str, float]]:
    said = _predicted(predictor, examples, f"{assignment.title}, {title}")
    labels = assignment.task.labels
    return [one.probabilities or dict.fromkeys(labels, 0.0) for one in said]


def _answered(
    assignment: Assignment, teacher: Teacher, texts: Sequence[Example], title: str
) -> list[Annotation]:
    """What a teacher answers that is asked through a server."""
    arm, task = _settings(assignment), assignment.task
    requests = operation.requests(
        arm,
        task,
        texts,
        assignment.human,
        seed=assignment.seed,
        base_dir=assignment.plan.base_dir,
    )
    outcomes = teacher.ask([one for several in requests for one in several], title)
    refuse_unanswered(outcomes, teacher.name)
    in_turn = iter(outcomes)
    return [operation.read(arm, task, [next(in_turn) for _ in several]) for several in requests]


def _predicted(predictor: Predictor, texts: Sequence[Example], title: str) -> list[Annotation]:
    """What a tuned teacher says; a text that is too long for it is rejected."""
    found: list[Annotation | None] = []
    shown: list[str] = []
    for text in texts:
        try:
            shown.append(predictor.inputs.shown(text))
            found.append(None)
        except DataError as error:
            found.append(Annotation(None, rejection=Rejection("too long", str(error.found or ""))))
    said = iter(_said(predictor, shown, title) if shown else [])
    return [one or next(said) for one in found]


def _said(predictor: Predictor, shown: list[str], title: str) -> Iterator[Annotation]:
    if isinstance(predictor.task, TextTask):
        yield from _written(predictor, shown, title)
        return
    found = predictor.predict(shown, title)["likelihood"]
    assert found.probabilities is not None
    labels = predictor.task.labels
    for label, row in zip(found.labels, found.probabilities, strict=True):
        yield Annotation(label, probabilities=dict(zip(labels, map(float, row), strict=True)))


def _written(predictor: Predictor, shown: list[str], title: str) -> Iterator[Annotation]:
    student = predictor.student
    assert isinstance(student, WritingStudent)
    with predictor.precision():
        answers = predictor.written(shown, title, student.max_new_tokens)
    for one in answers:
        read = predictor.task.read(one.text) if one.ended else None
        reason = "empty" if one.ended else "truncated"
        rejection = None if read else Rejection(reason, filter="call")
        yield Annotation(read, one.text, log_prob=one.mean_log_prob, rejection=rejection)

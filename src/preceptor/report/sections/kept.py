"""How much of a teacher's score a student keeps, in words."""

from __future__ import annotations

from collections.abc import Iterator

from preceptor.report.read.groups import untuned
from preceptor.report.read.measures import headline
from preceptor.report.read.numbers import Metric, count, listed, metric
from preceptor.report.read.results import Results
from preceptor.report.read.served import TeacherComparison
from preceptor.report.sections.contenders import Contender, group_of

_OUTCOMES = {"better": "better", "worse": "worse", "unclear": "no evidence either way"}
_MANIFOLD = 2
"""a share from which on it is told as so many times"""
_LIKE = 1.25
"""times that differ by less than this factor are told as alike"""


def heading(results: Results, students: list[Contender]) -> Metric:
    """The metric that the first of some students is scored by."""
    group = group_of(results, students[0].name)
    return metric(headline(results, group[1] if group else None))


def fact_of(
    results: Results, student: Contender, teacher: Contender | None
) -> TeacherComparison | None:
    """The difference of a student and a teacher in the headline metric, if they were compared."""
    group = group_of(results, student.name)
    if teacher is None or group is None:
        return None
    key = (*group, student.arm, teacher.name, headline(results, group[1]))
    return next(
        (
            fact
            for fact in results.teacher_comparisons
            if (fact.student, fact.reading, fact.arm, fact.against, fact.metric) == key
        ),
        None,
    )


def in_words(results: Results, student: Contender, teacher: Contender) -> str:
    """How much of the teacher's score a student keeps, and what an answer takes beside it."""
    kept, name = kept_share(student, teacher), _trained(results, student)
    if kept is None:
        return f"The score of {name} cannot be set beside that of {teacher.name}."
    show, fact = heading(results, [student]), fact_of(results, student, teacher)
    share = f"keeps {100 * kept:.1f} % of" if kept < 1 else f"reaches {_above(kept)}"
    lead = f"{name} {share} the {show.title} of {teacher.name}"
    beside = [*_faster(student, teacher), *_cheaper(results, student, teacher)]
    told = [*_difference(fact, show), *([f"at {listed(beside)}"] if beside else [])]
    return ", ".join([lead, *told]) + "."


def _above(kept: float) -> str:
    return f"{100 * kept:.1f} % of" if kept < _MANIFOLD else f"{kept:.1f} times"


def _trained(results: Results, student: Contender) -> str:
    if student.name in untuned(results):
        return f"{student.name}, not tuned,"
    return f"{student.name}, trained on {student.arm},"


def kept_share(student: Contender, teacher: Contender | None) -> float | None:
    """The student's score as a share of the teacher's."""
    if teacher is None or student.mean is None or not teacher.mean:
        return None
    return student.mean / teacher.mean


def _difference(fact: TeacherComparison | None, show: Metric) -> Iterator[str]:
    """The difference with its interval and what it says, as ``-1.2 points (-4.0 to 1.6, ...)``."""
    if fact is None or fact.difference is None:
        return
    outcome = _OUTCOMES.get(fact.outcome, fact.verdict)
    known = fact.low is not None and fact.high is not None
    ends = f"{show.span(fact.low or 0.0, fact.high or 0.0)}: " if known else ""
    unit = f" {show.unit}" if show.unit else ""
    yield f"{show.change(fact.difference)}{unit} ({ends}{outcome})"


def _faster(student: Contender, teacher: Contender) -> Iterator[str]:
    if student.p50 and teacher.p50:
        yield f"{_times(student.p50, teacher.p50)} its latency"


def _cheaper(results: Results, student: Contender, teacher: Contender) -> Iterator[str]:
    ours, theirs = student.cost(results), teacher.cost(results)
    if ours and theirs and ours[0] and theirs[0] and ours[1] == theirs[1]:
        yield f"{_times(ours[0], theirs[0])} its cost"


def _times(ours: float, theirs: float) -> str:
    """A ratio in words: ``1/40 of``, ``about``, ``3 times``."""
    if theirs > _LIKE * ours:
        ratio = theirs / ours
        return f"1/{_round(ratio)} of"
    return f"{_round(ours / theirs)} times" if ours > _LIKE * theirs else "about"


def _round(ratio: float) -> str:
    return count(round(ratio)) if ratio >= 3 else f"{ratio:.1f}"

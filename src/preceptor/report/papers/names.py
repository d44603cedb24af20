"""Which names of a run stand for which names of a paper's study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from preceptor.data.problems import did_you_mean
from preceptor.errors import PreceptorError
from preceptor.report.papers.exhibit import Asked, Exhibit
from preceptor.report.read.groups import arms_of, groups, students
from preceptor.report.read.results import Results


@dataclass(frozen=True, slots=True)
class Names:
    """A run's own names by those of the exhibit's study.

    Attributes:
        students: the run's student for the study's.
        arms: the run's arm for the study's.
        teachers: the run's teacher for the study's.
        told: what was renamed, in words.
    """

    students: Mapping[str, str]
    arms: Mapping[str, str]
    teachers: Mapping[str, str]
    told: tuple[str, ...] = ()


def names_of(results: Results, exhibit: Exhibit, given: Sequence[str] = ()) -> Names:
    """The run's names for the exhibit's: the same ones, those of a known study, those given.

    Args:
        results: the run.
        exhibit: what it is laid out as.
        given: ``OURS=PAPERS`` each, as ``--as`` takes them.

    Raises:
        PreceptorError: a name that the run or the exhibit does not have, or one given twice.
    """
    pairs = dict(_pair(one, given) for one in given)
    form = exhibit.also.get(results.study)
    known = {theirs: ours for ours, theirs in form.names.items()} if form else {}
    needed, there = _needed(exhibit), _there(results)
    for theirs, ours in pairs.items():
        _check(theirs, ours, needed, there)
    found = {kind: _map(needed[kind], there[kind], known | pairs) for kind in _KINDS}
    aliases = {
        theirs: ours
        for theirs, ours in known.items()
        if theirs not in pairs and any(ours in there[kind] for kind in _KINDS)
    }
    told = [_said(pairs, "as --as says"), _said(aliases, f"in the form of {results.study}")]
    return Names(found["student"], found["arm"], found["teacher"], tuple(filter(None, told)))


def _said(renamed: Mapping[str, str], why: str) -> str:
    if not renamed:
        return ""
    pairs = (f"{ours} stands for {theirs}" for theirs, ours in renamed.items())
    return f"Names, {why}: {', '.join(pairs)}."


_KINDS = ("student", "arm", "teacher")


def _pair(text: str, given: Sequence[str]) -> tuple[str, str]:
    ours, sign, theirs = (part.strip() for part in text.partition("="))
    if not (sign and ours and theirs):
        raise PreceptorError(
            "--as takes a name of the run and the paper's study's name for it",
            found=text,
            expected="--as smollm2=biogpt-large",
        )
    if sum(other.partition("=")[2].strip() == theirs for other in given) > 1:
        raise PreceptorError(f"--as names {theirs} twice", found=" ".join(given))
    return theirs, ours


def _needed(exhibit: Exhibit) -> dict[str, list[str]]:
    asked = [row.source.teacher for row in exhibit.rows if isinstance(row.source, Asked)]
    teachers = list(dict.fromkeys([*exhibit.teachers, *asked]))
    return dict(zip(_KINDS, (exhibit.students, exhibit.arms, teachers), strict=True))


def _there(results: Results) -> dict[str, list[str]]:
    scored = dict.fromkeys(arm for group in groups(results) for arm in arms_of(results, group))
    arms = list(dict.fromkeys([*results.arms, *scored]))
    teachers = [teacher.name for teacher in results.teachers]
    return dict(zip(_KINDS, (students(results), arms, teachers), strict=True))


def _check(
    theirs: str, ours: str, needed: Mapping[str, list[str]], there: Mapping[str, list[str]]
) -> None:
    """Refuse a pair unless both sides have such a name, and of the same kind."""
    kinds = [kind for kind in _KINDS if theirs in needed[kind]]
    if not kinds:
        known = [name for kind in _KINDS for name in needed[kind]]
        raise _unknown("this table or figure has no such name", theirs, known)
    if not any(ours in there[kind] for kind in kinds):
        known = [name for kind in kinds for name in there[kind]]
        raise _unknown(f"this run has no such {kinds[0]}", ours, known)


def _unknown(what: str, name: str, known: Sequence[str]) -> PreceptorError:
    expected = ", ".join(known) or "nothing: the run has none"
    return PreceptorError(what, found=name, expected=expected, fix=did_you_mean(name, known))


def _map(needed: Sequence[str], there: Sequence[str], renamed: Mapping[str, str]) -> dict[str, str]:
    """A name that stands for another one does not stand for itself too."""
    used = {ours for theirs, ours in renamed.items() if theirs in needed}
    found = {name: name for name in needed if name in there and name not in used}
    return found | {a: b for a, b in renamed.items() if a in needed and b in there}

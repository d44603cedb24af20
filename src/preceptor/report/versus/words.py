"""What changed between runs and whether it helped, in sentences that follow from the numbers."""

from __future__ import annotations

from collections.abc import Sequence

from preceptor.report.read.numbers import count, listed, metric, plural
from preceptor.report.versus.found import Apart, Change, DataLine, RunDifference, Versus
from preceptor.report.words.chance import reach
from preceptor.report.words.verdict import Sign, Verdict, told

QUESTION = "What changed, and did it help?"
ARROW = " → "
ABSENT = "not there"
_ALIKE = "made from the same settings and data"
_NAMED = 4
"""changes that a sentence spells out; more are named by their keys"""
_SHORT: dict[Sign, str] = {
    "better": "Helped",
    "worse": "Hurt",
    "unclear": "No evidence either way",
    "nothing": "The same predictions",
}


def title(found: Versus) -> str:
    """The runs by their names, the first one last: it is what the others are held against."""
    return f"{listed(found.names[1:])} against {found.names[0]}"


def changed(found: Versus) -> list[str]:
    """What the runs do not have alike, in sentences: settings, data, environment."""
    return [_settings(found), _data(found), _environment(found)]


def _settings(found: Versus) -> str:
    bearing = [change for change in found.changes if change.bears]
    if not bearing:
        if any("study.yaml" in problem for problem in found.problems):
            return "What changed between the studies is not known."
        return "No setting that bears on a score differs."
    parts = _together(bearing)
    more = f"; and {len(parts) - _NAMED} more (see What changed)" if len(parts) > _NAMED else ""
    return f"Changed: {'; '.join(parts[:_NAMED])}{more}."


def _together(changes: Sequence[Change]) -> list[str]:
    """Changes in words; those below one key that change alike are told together."""
    alike: dict[tuple[str, str], list[str]] = {}
    for one in changes:
        parent, _, last = one.key.rpartition(".")
        alike.setdefault((parent, shown(one)), []).append(last)
    return [
        f"{parent}{'.' if parent and len(names) == 1 else ': ' if parent else ''}"
        f"{listed(names)}: {values}"
        for (parent, values), names in alike.items()
    ]


def shown(change: Change) -> str:
    """The values of a change, from the first run's on."""
    return ARROW.join(value or ABSENT for value in change.values)


def _data(found: Versus) -> str:
    if not found.data:
        return "Whether the data are the same is not known."
    other = [line for line in found.data if not line.alike]
    if other:
        return f"The data differ: {'; '.join(map(_rows, other))}."
    rows = [f"{count(line.rows[0])} {line.split}" for line in found.data]
    return f"The data are the same ({', '.join(rows)})."


def _rows(line: DataLine) -> str:
    rows, same = (listed([count(n) for n in each]) for each in (line.rows, line.same[1:]))
    return f"{line.split} has {rows} rows, of which {same} the same"


def _environment(found: Versus) -> str:
    if not found.environment:
        return "Versions, machine, threads and precision are the same."
    told_of = "; ".join(f"{one.key}: {shown(one)}" for one in found.environment[:_NAMED])
    more = len(found.environment) - _NAMED
    rest = f"; and {more} more" if more > 0 else ""
    return f"Made in another environment, which alone may move predictions: {told_of}{rest}."


def verdicts(found: Versus) -> list[Verdict]:
    """For every run but the first, and every student and reading, what became of its arms."""
    keys = dict.fromkeys((one.run, one.student, one.reading) for one in found.differences)
    keys |= dict.fromkeys((one.run, one.student, one.reading) for one in found.apart)
    return [_verdict(found, *key) for key in keys]


def _verdict(found: Versus, run: str, student: str, reading: str) -> Verdict:
    def of(one: RunDifference | Apart) -> bool:
        return (one.run, one.student, one.reading) == (run, student, reading)

    own = [fact for fact in found.differences if of(fact)]
    leading = found.readings[reading].headline if reading in found.readings else ""
    facts = [fact for fact in own if fact.metric == leading]
    apart = [one for one in found.apart if of(one)]
    arms = [
        *((fact.arm, _told(fact)) for fact in facts if not fact.same),
        *_same([fact for fact in facts if fact.same]),
    ]
    arms += [(one.arm, f"not compared: {one.why}") for one in apart if one.arm and not one.metric]
    more = [
        *(f"{one.why[:1].upper()}{one.why[1:]}." for one in apart if not one.arm),
        *_some_metrics(apart),
        *_otherwise(facts, own),
        *_fewer_seeds(facts),
    ]
    name = _title(found, run, student, reading)
    return Verdict(student, name, _short(facts, found), tuple(arms), tuple(dict.fromkeys(more)))


def _title(found: Versus, run: str, student: str, reading: str) -> str:
    several = len({one.reading for one in found.scores if one.student == student}) > 1
    how = found.readings[reading].title if several and reading in found.readings else ""
    where = f"in {run}" if len(found.runs) > 2 else ""
    return ", ".join(part for part in (student or "All", how, where) if part)


def _short(facts: Sequence[RunDifference], found: Versus) -> tuple[tuple[Sign, str], ...]:
    if not facts:
        return (("nothing", "Not compared"),)
    arms: dict[Sign, list[str]] = {sign: [] for sign in _SHORT}
    for fact in facts:
        arms[_sign(fact)].append(fact.arm)
    said = [(sign, f"{_SHORT[sign]}: {', '.join(names)}") for sign, names in arms.items() if names]
    return tuple(said)


def _sign(fact: RunDifference) -> Sign:
    if fact.same:
        return "nothing"
    outcome = fact.outcome
    return "unclear" if outcome == "other" else outcome


def _told(fact: RunDifference) -> str:
    if not fact.alike:
        return told(fact) + reach(fact, metric(fact.metric))
    return f"{told(fact)}; {_ALIKE}, so it is the environment that differs"


def _same(facts: Sequence[RunDifference]) -> list[tuple[str, str]]:
    """Arms that were predicted alike, together where the same is to be said of them."""
    arms: dict[str, list[str]] = {}
    for fact in facts:
        basis = [*([_ALIKE] if fact.alike else []), plural(fact.seeds, "seed")]
        words = f"the same predictions as in {fact.against} ({', '.join(basis)})"
        arms.setdefault(words, []).append(fact.arm)
    return [(", ".join(names), words) for words, names in arms.items()]


def _some_metrics(apart: Sequence[Apart]) -> list[str]:
    return [
        f"{one.arm}: {metric(one.metric).title} is not compared: {one.why}."
        for one in apart
        if one.arm and one.metric
    ]


def _otherwise(facts: Sequence[RunDifference], own: Sequence[RunDifference]) -> list[str]:
    """Where another metric tells another story than the headline's."""
    leading = {fact.arm: fact for fact in facts}
    return [
        f"In {metric(one.metric).title} it reads otherwise for {one.arm}: {told(one)}."
        for one in own
        if one.arm in leading and one.outcome != leading[one.arm].outcome
    ]


def _fewer_seeds(facts: Sequence[RunDifference]) -> list[str]:
    """Which arms are compared on fewer seeds than one of their runs has."""
    lines = []
    for seeds in dict.fromkeys(fact.seeds_apart for fact in facts if fact.seeds_apart):
        arms = [fact.arm for fact in facts if fact.seeds_apart == seeds]
        number = "seed" if len(seeds) == 1 else "seeds"
        lines.append(
            f"{listed(arms)}: compared on the seeds that both runs have; {number} "
            f"{listed([str(seed) for seed in seeds])} only one of them has."
        )
    return lines


def limits(found: Versus) -> list[str]:
    """What must be known before the differences are believed."""
    lines = [*_single_seeds(found), *_shared(found), *_unfinished(found)]
    if found.environment:
        lines.append(
            "The runs were made in different environments: a part of any difference may come "
            "from that. Run both in one to leave it out."
        )
    bearing = sum(change.bears for change in found.changes)
    if bearing > 1:
        lines.append(
            f"{count(bearing)} settings differ, so no difference can be put down to one of them."
        )
    return lines


def _single_seeds(found: Versus) -> list[str]:
    single = {fact.arm for fact in found.differences if fact.of_items_only and not fact.same}
    if not single:
        return []
    return [
        f"One seed only for {listed(sorted(single))}: an interval there covers the test items "
        "alone. How far another seed would move the result is not known."
    ]


def _shared(found: Versus) -> list[str]:
    sharing = [run for run in found.runs if 0 < len(run.draw_seeds) < len(run.seeds)]
    if not sharing:
        return []
    return [
        f"In {listed([run.name for run in sharing])} the seeds share labelled subsets and what was "
        "made from them: the intervals hold for those sets alone."
    ]


def _unfinished(found: Versus) -> list[str]:
    return [
        f"{run.name} is not finished: {plural(run.cells, 'cell')} scored"
        + (f", {run.failed} failed." if run.failed else ".")
        for run in found.runs
        if not run.finished
    ]

"""The verdict: sentences that follow from the comparisons, and from nothing else."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from preceptor.report.read.groups import Group, arms_of, groups
from preceptor.report.read.measures import headline, is_written
from preceptor.report.read.numbers import LEVEL, Metric, listed, metric, plural
from preceptor.report.read.results import Results
from preceptor.report.read.scores import Comparison, Difference, MethodComparison
from preceptor.report.read.sources import CONTROLS
from preceptor.report.words.chance import by_chance, caution, p_words, reach
from preceptor.report.words.control import beside

READINGS = {
    "generation": "answers generated and read",
    "likelihood": "likeliest label",
    "classifier": "classifier",
    "next_token": "texts foreseen token by token",
}
WRITTEN = "texts written, held against references"
"""what the reading of generated answers is called in a text task"""
Sign = Literal["better", "partly", "worse", "unclear", "nothing"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What can be said of one student and reading.

    Attributes:
        student: the student.
        title: the student and, where it has several, the reading.
        short: the answer in a few words; each part with its sign.
        arms: for every made arm, its name and what is known of it against none.
        more: what else must be said: the control, other metrics, why nothing is known.
    """

    student: str
    title: str
    short: tuple[tuple[Sign, str], ...]
    arms: tuple[tuple[str, str], ...]
    more: tuple[str, ...]


def group_title(results: Results, group: Group) -> str:
    """The student's name, with the reading where the student has more than one."""
    student, reading = group
    several = sum(1 for other, _ in groups(results) if other == student) > 1
    return f"{student}, {reading_title(results, reading)}" if several else student


def reading_title(results: Results, reading: str) -> str:
    """How a prediction came about, in words."""
    return WRITTEN if is_written(results, reading) else READINGS.get(reading, reading)


def operation_of(results: Results, arm: str) -> str:
    """What made an arm; its name where the results do not tell."""
    return (results.arms[arm].operation if arm in results.arms else "") or arm


def made_arms(results: Results, group: Group) -> list[str]:
    """The scored arms that hold made data."""
    return [a for a in arms_of(results, group) if operation_of(results, a) not in CONTROLS]


def named(results: Results, operation: str) -> str:
    """The arm of an operation (``none``, ``repeat``), whatever the study calls it."""
    found = (name for name, arm in results.arms.items() if arm.operation == operation)
    return next(found, operation)


def compared(
    results: Results, group: Group, operation: str, metric_name: str
) -> dict[str, Comparison]:
    """The comparisons of a student's arms with their controls of an operation, by arm.

    An arm's control is the one of as many human rows; of several the study's first is taken.
    """
    found: dict[str, Comparison] = {}
    for item in results.comparisons:
        same = (item.student, item.reading) == group and item.metric == metric_name
        if same and operation_of(results, item.against) == operation:
            found.setdefault(item.arm, item)
    return found


def control_name(results: Results, group: Group, operation: str) -> str:
    """The control of an operation: its arm's name, or the operation where there are several."""
    name = headline(results, group[1])
    against = {fact.against for fact in compared(results, group, operation, name).values()}
    return against.pop() if len(against) == 1 else operation


def verdicts(results: Results) -> list[Verdict]:
    """One verdict for every student and reading; one for both where nothing can be said."""
    found: dict[tuple[str, object], Verdict] = {}
    for group in groups(results):
        verdict = _verdict(results, group)
        key = (verdict.student, verdict.title if verdict.arms else verdict.more)
        same = key in found
        found[key] = replace(verdict, title=verdict.student) if same else verdict
    return list(found.values())


def _verdict(results: Results, group: Group) -> Verdict:
    none, name = named(results, "none"), headline(results, group[1])
    made, title = made_arms(results, group), group_title(results, group)
    versus = compared(results, group, "none", name)
    facts = [versus[arm] for arm in made if arm in versus]
    if not facts:
        nothing: tuple[tuple[Sign, str], ...] = (("nothing", "Nothing to compare"),)
        return Verdict(group[0], title, nothing, (), (_nothing(results, group, made, none),))
    control = compared(results, group, "repeat", name)
    repeated = [control[arm] for arm in made if arm in control]
    each = dict.fromkeys(fact.against for fact in repeated)
    more = (
        *(_against_control(results, group, [f for f in repeated if f.against == a]) for a in each),
        _other_metrics(results, group, facts),
    )
    arms = tuple((fact.arm, told(fact) + reach(fact, metric(fact.metric))) for fact in facts)
    return Verdict(group[0], title, _short(facts, control), arms, tuple(filter(None, more)))


def _nothing(results: Results, group: Group, made: list[str], none: str) -> str:
    arms = arms_of(results, group)
    if not made:
        return "No arm with made data was scored, so there is nothing to compare."
    if none not in arms:
        return (
            f"Trained on {listed(arms)} alone. Without the arm {none} there is nothing to "
            "compare: its scores say what it does, not whether made data helped."
        )
    return "The results hold no comparison of its arms."


_UNCLEAR = "No evidence either way"
_ORDER: tuple[tuple[Sign, str], ...] = (
    ("better", "Helped"),
    ("partly", "Better than no made data, not shown to beat repetition"),
    ("worse", "Hurt"),
    ("unclear", _UNCLEAR),
)


def _short(facts: list[Comparison], control: dict[str, Comparison]) -> tuple[tuple[Sign, str], ...]:
    """Every made arm under the words that hold for it, the clear ones first."""
    found: dict[tuple[Sign, str], list[str]] = {part: [] for part in _ORDER}
    for fact in facts:
        found.setdefault(_part(fact, control.get(fact.arm)), []).append(fact.arm)
    said = {part: arms for part, arms in found.items() if arms}
    if list(said) == [_ORDER[-1]]:
        return (_ORDER[-1],)
    return tuple((sign, f"{words}: {', '.join(arms)}") for (sign, words), arms in said.items())


def _part(fact: Comparison, control: Comparison | None) -> tuple[Sign, str]:
    helped, partly, hurt, unclear = _ORDER
    if fact.outcome == "better":
        return helped if control is None or control.outcome == "better" else partly
    if fact.outcome == "other":
        return ("unclear", fact.verdict or "Not compared")
    return hurt if fact.outcome == "worse" else unclear


def _against_control(results: Results, group: Group, facts: list[Comparison]) -> str:
    show, against = metric(facts[0].metric), facts[0].against
    sizes = {fact.arm: beside(results, group, fact.arm, against) for fact in facts}
    same = all(size and size.same_rows for size in sizes.values())
    lead = f"Against {against}, the human data repeated{' to the same size' if same else ''}"
    unclear = {fact.outcome for fact in facts} == {"unclear"}
    words = {"better": "better", "worse": "worse", "unclear": "no evidence either way"}
    told = []
    for fact in facts:
        size = sizes[fact.arm]
        outcome = "" if unclear else f"{words.get(fact.outcome, fact.verdict)}, "
        more = size.difference if size else ""
        chance = f", {p_words(fact)}" if by_chance(fact) else ""
        told.append(f"{fact.arm} {outcome}{change(fact, show)}{chance}{more}")
    return f"{lead}{', no evidence either way' if unclear else ''}: {', '.join(told)}."


def _other_metrics(results: Results, group: Group, facts: list[Comparison]) -> str:
    """Where another metric tells another story than the headline's, it is told."""
    names = dict.fromkeys(item.metric for item in results.comparisons)
    outcomes = {fact.arm: fact.outcome for fact in facts}
    differing = [
        item
        for name in names
        if name != facts[0].metric
        for arm, item in compared(results, group, "none", name).items()
        if arm in outcomes and item.outcome != outcomes[arm]
    ]
    return " ".join(
        f"In {metric(item.metric).title} it reads otherwise for {item.arm}: {told(item)}."
        for item in differing
    )


def change(fact: Difference, show: Metric) -> str:
    """A difference with its interval, as ``+2.3 (0.4 to 4.2)``."""
    if fact.difference is None:
        return "no difference known"
    text = show.change(fact.difference)
    if fact.low is None or fact.high is None:
        return text
    return f"{text} ({show.span(fact.low, fact.high)})"


def told(fact: Comparison | MethodComparison) -> str:
    """One comparison in words: ``better than none by 2.3 points macro-F1 (95 % interval 0.4 to
    4.2, p 0.012, 3 seeds)``; amounts are without sign, whichever way is better."""
    show = metric(fact.metric)
    if fact.outcome in ("better", "worse") and fact.difference is not None:
        by = f"by {show.amount(abs(fact.difference))}"
        return f"{fact.outcome} than {fact.against} {by} ({_interval(fact, show)})"
    words = "no evidence either way" if fact.outcome == "unclear" else fact.verdict
    lead = f"{words or 'not compared'} against {fact.against}"
    if fact.difference is None:
        return f"{lead} (no difference known)"
    if fact.nowhere:
        return f"{lead} (no test item is scored otherwise, {_basis(fact)})"
    unit = " ".join(part for part in (show.unit, show.title) if part)
    return f"{lead} ({show.change(fact.difference)} {unit}, {_interval(fact, show)}){caution(fact)}"


def _interval(fact: Difference, show: Metric) -> str:
    if fact.low is None or fact.high is None:
        return f"no interval, {_basis(fact)}"
    signless = fact.outcome in ("better", "worse") and (fact.difference or 0) < 0
    ends = (-fact.high, -fact.low) if signless else (fact.low, fact.high)
    parts = [f"{LEVEL} interval {show.span(*ends)}", p_words(fact), _basis(fact)]
    return ", ".join(part for part in parts if part)


def _basis(fact: Difference) -> str:
    """What an interval covers."""
    if fact.of_folds:
        return f"{plural(fact.seeds, 'fold')} of a cross-validation"
    seeds = plural(fact.seeds, "seed")
    return f"{seeds}, over test items only" if fact.of_items_only else seeds

"""The verdict of a run that sets students, not training sets, beside each other."""

from __future__ import annotations

from preceptor.report.read.groups import Group, groups, untuned
from preceptor.report.read.measures import headline
from preceptor.report.read.numbers import metric
from preceptor.report.read.results import Results
from preceptor.report.read.scores import MethodComparison
from preceptor.report.sections.methods import facts_of, side_by_side
from preceptor.report.sections.tables import score_of
from preceptor.report.words.chance import reach
from preceptor.report.words.verdict import Sign, Verdict, made_arms, told, verdicts

MADE, STUDENTS = "Did the made data help?", "Which student did best?"


def asked(results: Results) -> str:
    """The question that the run can answer: about its made data, else about its students."""
    made = any(made_arms(results, group) for group in groups(results))
    return STUDENTS if not made and side_by_side(results) else MADE


def answers(results: Results) -> list[Verdict]:
    """The verdicts on the question that the run can answer."""
    if asked(results) == MADE:
        return verdicts(results)
    return [_ranked(results, arm, found) for arm, found in side_by_side(results).items()]


def _ranked(results: Results, arm: str, found: list[Group]) -> Verdict:
    facts = [fact for fact in facts_of(results, arm) if fact.metric == headline(results)]
    bare = [student for student, _ in found if student in untuned(results)]
    against = [fact for fact in facts if fact.against in bare]
    short = _short(against) or (("nothing", "In order, without an untuned student"),)
    arms = tuple((f.student, told(f) + reach(f, metric(f.metric))) for f in against)
    more = [_order(results, arm, found), _apart([f for f in facts if f not in against])]
    return Verdict(arm, f"Trained on {arm}", short, arms, tuple(filter(None, more)))


def _short(against: list[MethodComparison]) -> tuple[tuple[Sign, str], ...]:
    """Every tuned student under what is known of it against the untuned one."""
    words: dict[Sign, str] = {
        "better": "Better than untuned",
        "worse": "Worse than untuned",
        "unclear": "No evidence against untuned",
    }
    sorted_out: dict[Sign, list[str]] = {sign: [] for sign in words}
    for fact in against:
        sign = fact.outcome if fact.outcome != "other" else "unclear"
        sorted_out[sign].append(fact.student)
    return tuple((s, f"{words[s]}: {', '.join(who)}") for s, who in sorted_out.items() if who)


def _order(results: Results, arm: str, found: list[Group]) -> str:
    """The students in the order of their scores, the best first."""
    show, name = metric(headline(results)), headline(results)
    scored = [(group[0], score_of(results, group, arm, name)) for group in found]
    known = [(v.raw, student, v.text) for student, v in scored if isinstance(v.raw, int | float)]
    known.sort(key=lambda one: one[0] if show.lower_is_better else -one[0])
    if not known:
        return "None of its students has a score."
    unit = f"{show.title} ({'%, ' if show.unit else ''}{show.better})"
    return f"By {unit}, the best first: {', '.join(f'{s} {text}' for _, s, text in known)}."


def _apart(facts: list[MethodComparison]) -> str:
    """Which tuned students the test set does not tell apart."""
    if not facts:
        return ""
    unclear = [f"{f.student} or {f.against}" for f in facts if f.outcome not in ("better", "worse")]
    if not unclear:
        return "Every two of the tuned students differ by more than chance."
    return f"No evidence which is better: {'; '.join(unclear)}."

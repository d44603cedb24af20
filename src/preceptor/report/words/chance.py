"""What chance has to do with a difference, in words: p-values, and what the study could show."""

from __future__ import annotations

import math

from preceptor.report.read.numbers import GAP, Metric, plural
from preceptor.report.read.scores import Difference

SIGNIFICANT = 0.05
_POWER = f"80{GAP}% power"


def p_text(p: float) -> str:
    """A p-value as ``0.034``; rounding never takes it over 0.05."""
    if p < 0.001:
        return "< 0.001"
    decimals = 2 if p >= 0.1 else 3
    while (float(f"{p:.{decimals}f}") < SIGNIFICANT) != (p < SIGNIFICANT) and decimals < 9:
        decimals += 1
    return f"{p:.{decimals}f}"


def p_words(fact: Difference) -> str:
    """The p-value that the verdict follows; empty in results of earlier versions."""
    if fact.p is None or fact.p_holm is None:
        return "" if fact.p is None else f"p{GAP}{p_text(fact.p)}"
    if fact.family < 2:
        return f"p{GAP}{p_text(fact.p)}"
    alone = f"{p_text(fact.p)} alone and " if by_chance(fact) else ""
    return f"p{GAP}{alone}{p_text(fact.p_holm)} corrected for {fact.family} comparisons"


def by_chance(fact: Difference) -> bool:
    """Whether a difference passes alone, but not as one of so many."""
    if fact.p is None or fact.p_holm is None:
        return False
    return fact.p < SIGNIFICANT <= fact.p_holm


def caution(fact: Difference) -> str:
    """What must be said where an interval leaves out 0 and the verdict does not follow it."""
    if not by_chance(fact):
        return ""
    return (
        f": the interval alone leaves out 0, but among {fact.family} comparisons one such may be "
        "chance"
    )


def reach(fact: Difference, show: Metric) -> str:
    """Behind a verdict of no evidence: what could have been found, and what it would take."""
    if fact.outcome != "unclear" or fact.detectable is None or fact.nowhere:
        return ""
    return f". {_could(fact, show)}{_needed(fact)}"


def _could(fact: Difference, show: Metric) -> str:
    if detectable(fact, show) is None:
        return (
            f"So few {'folds' if fact.of_folds else 'seeds and items'} cannot show any difference"
        )
    return f"This study could have shown {show.amount(fact.detectable or 0.0)} ({_POWER})"


def detectable(fact: Difference, show: Metric) -> float | None:
    """The difference that the study could have shown; None where no two scores are as far apart."""
    if fact.detectable is None:
        return None
    most = math.inf if show.lower_is_better else 100 / show.scale
    return fact.detectable if fact.detectable <= most else None


def _needed(fact: Difference) -> str:
    """What would tell the difference that was found, as far as it is known."""
    if fact.of_folds or not fact.difference:
        return ""
    numbers = ((fact.seeds_needed, "seed"), (fact.items_needed, "test item"))
    enough = [plural(number, name) for number, name in numbers if number is not None]
    if enough:
        alone = " alone" if len(enough) == 1 else ""
        return f"; to tell the one found, {' or '.join(enough)}{alone}"
    if fact.of_items_only:
        return "; more test items under one seed would not tell the one found"
    return "; neither more seeds alone nor more test items alone would tell the one found"

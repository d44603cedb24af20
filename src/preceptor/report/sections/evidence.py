"""The table of comparisons: how sure each difference is, and what it would take to be surer."""

from __future__ import annotations

from collections.abc import Iterator

from preceptor.report.frame.blocks import Block, Column, Fold, Row, Table, Value, missing, words
from preceptor.report.read.groups import Group
from preceptor.report.read.measures import headline
from preceptor.report.read.numbers import Metric, count, metric
from preceptor.report.read.results import Results
from preceptor.report.read.scores import Comparison
from preceptor.report.sections.tables import difference
from preceptor.report.words.chance import detectable, p_text
from preceptor.report.words.verdict import group_title, operation_of

_EFFECT = (
    "Effect: the difference in standard deviations of one test item's difference under one seed "
    "(d of Westfall, Kenny and Judd, 2014)."
)
_NEEDED = (
    "Could be shown: the difference that this study tells from none with 80 % power. Needed: as "
    "many seeds on these items, or items under these seeds, as would tell the difference found; a "
    "dash where they alone would not. Both by the variances found, so rough with few seeds."
)
_EXACT = "McNemar's test is of one seed: it knows nothing of other seeds."
_COLUMNS = (
    Column("arm", "Arm", numeric=False),
    Column("against", "against", numeric=False),
    Column("difference", "Difference"),
    Column("effect", "Effect"),
    Column("p", "alone", group="p-value"),
    Column("p_holm", "corrected", group="p-value"),
    Column("mcnemar_p", "McNemar", group="p-value"),
    Column("detectable", "Could be shown"),
    Column("seeds_needed", "seeds", group="Needed"),
    Column("items_needed", "test items", group="Needed"),
)


def blocks(results: Results, group: Group) -> Iterator[Block]:
    """A student's comparisons in the metric of the verdict, folded in those of other metrics."""
    of: dict[str, list[Comparison]] = {headline(results, group[1]): []}
    for fact in results.comparisons:
        if (fact.student, fact.reading) == group and fact.p is not None:
            of.setdefault(fact.metric, []).append(fact)
    made = [_table(results, group, facts) for facts in of.values() if facts]
    yield from made[:1]
    if len(made) > 1:
        names = ", ".join(metric(name).title for name, facts in list(of.items())[1:] if facts)
        yield Fold(f"The comparisons in other metrics: {names}", tuple(made[1:]))


def _table(results: Results, group: Group, facts: list[Comparison]) -> Table:
    show = metric(facts[0].metric)
    exact = any(fact.mcnemar_p is not None for fact in facts)
    table = Table(
        name="comparisons",
        caption=f"{group_title(results, group)}: how sure the differences in {show.title}"
        f"{f' ({show.unit})' if show.unit else ''} are.",
        columns=_COLUMNS,
        rows=tuple(_row(fact) for fact in facts),
        context=(("student", group[0]), ("reading", group[1]), ("metric", facts[0].metric)),
        notes=(_corrected(results, facts), _EFFECT, _NEEDED, *([_EXACT] if exact else [])),
    )
    return table if exact else table.without("mcnemar_p")


def _corrected(results: Results, facts: list[Comparison]) -> str:
    sizes = {operation_of(results, fact.against): fact.family for fact in facts}
    each = ", ".join(f"{size} against {control}" for control, size in sizes.items())
    return (
        "Corrected by Holm's method (1979) for all comparisons of the run in this metric against "
        f"the same kind of control ({each})."
    )


def _row(fact: Comparison) -> Row:
    show = metric(fact.metric)
    return Row(
        (
            words(fact.arm),
            words(fact.against),
            difference(fact),
            _effect(fact.effect),
            _p(fact.p),
            _p(fact.p_holm),
            _p(fact.mcnemar_p),
            _shown(fact, detectable(fact, show)),
            _needed(fact.seeds_needed, _few(fact)),
            _needed(fact.items_needed, "more items alone would not do"),
        )
    )


def _few(fact: Comparison) -> str:
    if fact.of_items_only:
        return "one seed does not tell how seeds vary"
    return "more seeds alone would not do"


def _effect(value: float | None) -> Value:
    if value is None:
        return missing("no item's difference differs from another's")
    return Value(Metric("effect", decimals=2).change(value), value)


def _p(value: float | None) -> Value:
    return missing("not told") if value is None else Value(p_text(value), value)


def _shown(fact: Comparison, value: float | None) -> Value:
    if value is None:
        return missing("no two scores are as far apart")
    return Value(metric(fact.metric).show(value), value)


def _needed(number: int | None, why: str) -> Value:
    return missing(why) if number is None else Value(count(number), number)

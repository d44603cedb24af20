"""Students that are the same but for how long they are trained, side by side."""

from __future__ import annotations

from collections.abc import Iterator

from preceptor.report.frame.blocks import (
    Block,
    Column,
    Heading,
    Prose,
    Row,
    Table,
    Value,
    missing,
    words,
)
from preceptor.report.read.groups import Group, arms_of, chosen, first_reading
from preceptor.report.read.measures import headline
from preceptor.report.read.numbers import LEVEL, listed, metric
from preceptor.report.read.results import Results
from preceptor.report.sections.tables import (
    budget_length,
    budget_of,
    difference,
    mean_count,
    score_of,
)
from preceptor.report.words.verdict import compared, control_name, operation_of

_STEPS = (
    "{student} makes {length} on every arm, however large: what an arm gains there is not due to"
    " longer training."
)
_EPOCHS = (
    "{student} is trained for {length} of every arm, as papers do it: a larger arm then gets more"
    " updates, and what it gains may come from them alone."
)


def blocks(results: Results) -> Iterator[Block]:
    """What must be known of such students, and their scores; nothing where there are none."""
    for names in results.same_but_budget:
        firsts = [(name, first_reading(results, name)) for name in names]
        groups: list[Group] = [(name, reading) for name, reading in firsts if reading]
        if len(groups) > 1:
            kinds = {kind for group in groups for kind in budget_of(results, group)}
            yield Heading(_title(kinds))
            yield Prose((_said(results, groups),))
            yield _table(results, groups, _title(kinds))


def _title(kinds: set[str]) -> str:
    if kinds == {"steps", "epochs"}:
        return "At equal updates, and at equal epochs"
    return "The same student, trained for longer and for shorter"


def _said(results: Results, groups: list[Group]) -> str:
    told = [f"{listed([name for name, _ in groups])} are the same student but for the budget."]
    for group in groups:
        form = _STEPS if "steps" in budget_of(results, group) else _EPOCHS
        told.append(form.format(student=group[0], length=budget_length(results, group)))
    return " ".join(told)


def _table(results: Results, groups: list[Group], title: str) -> Table:
    name = headline(results, groups[0][1])
    none = control_name(results, groups[0], "none")
    arms = [arm for arm in results.arms if any(arm in arms_of(results, group) for group in groups)]
    heads = {group: f"{group[0]}, {budget_length(results, group)}" for group in groups}
    columns = [
        Column(f"{key}_{group[0]}", title, group=heads[group])
        for group in groups
        for key, title in (
            (name, metric(name).heading),
            ("minus_none", f"to {none}"),
            ("updates", "Updates"),
        )
    ]
    return Table(
        name="budgets",
        caption=f"{title}: {metric(name).title} on the test set.",
        columns=(Column("arm", "Arm", numeric=False), *columns),
        rows=tuple(
            Row((words(arm), *(v for group in groups for v in _fields(results, group, arm, name))))
            for arm in arms
        ),
        notes=(
            f"Means over seeds, below them the {LEVEL} interval. To {none}: the difference to the"
            f" arm {none} of the same student, ▲ better, ▼ worse.",
        ),
    )


def _fields(results: Results, group: Group, arm: str, name: str) -> tuple[Value, Value, Value]:
    if arm not in arms_of(results, group):
        return (missing("not trained on this arm"),) * 3
    fact = compared(results, group, "none", name).get(arm)
    why = "the control itself" if operation_of(results, arm) == "none" else "not compared"
    updates = mean_count(cell.updates for cell, _ in chosen(results, group, arm))
    score = score_of(results, group, arm, name)
    return score, difference(fact) if fact else missing(why), updates

"""Students set beside each other on the same arm: scores, cost, and differences in pairs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from statistics import fmean

from preceptor.report.frame.blocks import Column, Row, Table, Value, missing, words
from preceptor.report.read.cell import Cell, Trunk
from preceptor.report.read.groups import Group, arms_of, chosen, first_reading, students, untuned
from preceptor.report.read.measures import by_words, counted, main_metrics, metrics_of, other_tokens
from preceptor.report.read.numbers import (
    LEVEL,
    count,
    duration,
    listed,
    setting,
    share,
    short,
    size,
)
from preceptor.report.read.results import Results
from preceptor.report.read.scores import MethodComparison
from preceptor.report.sections.accounts import number
from preceptor.report.sections.tables import (
    budget_length,
    corrected,
    difference,
    direction,
    score_columns,
    score_of,
)
from preceptor.report.sections.written import length_note

_MEMORY = (
    "Memory is the most that the process held while it trained, libraries included; on a GPU what "
    "was allocated there."
)
_COST = {
    "trainable": "Parameters",
    "trainable_share": "of all",
    "peak_memory_bytes": "Memory",
    "seconds": "Time",
    "tokens": "Tokens",
    "updates": "Updates",
    "trunk": "Cached blocks",
}
_UNTRAINED = "not trained"


def side_by_side(results: Results) -> dict[str, list[Group]]:
    """The arms on which more than one student was scored, with these students.

    Students are compared by the first reading of each, and stand in the study's order.
    """
    firsts = [(student, first_reading(results, student)) for student in students(results)]
    scored: list[Group] = [(student, reading) for student, reading in firsts if reading]
    of_arm = {
        arm: [group for group in scored if arm in arms_of(results, group)]
        for arm in dict.fromkeys(arm for group in scored for arm in arms_of(results, group))
    }
    ordered = [arm for arm in results.arms if arm in of_arm]
    ordered += [arm for arm in of_arm if arm not in results.arms]
    return {arm: of_arm[arm] for arm in ordered if len(of_arm[arm]) > 1}


def says_all(results: Results, group: Group) -> bool:
    """Whether the tables of students say all that there is to say of a student's arms."""
    shown = any(group in found for found in side_by_side(results).values())
    single = len(arms_of(results, group)) == 1
    return shown and not results.baselines and (single or group[0] in untuned(results))


def methods_table(results: Results, arm: str, groups: list[Group]) -> Table:
    """The students of one arm: a row each, with what its training took."""
    main = main_metrics(results)
    more = [name for name in metrics_of(results) if name not in main]
    scores = {column.key: column for column in score_columns([*main, *more])}
    table = Table(
        name="methods",
        caption=f"Students trained on {arm}: scores on the test set and what training took.",
        columns=(
            Column("student", "Student", numeric=False),
            Column("method", "Method", numeric=False),
            Column("setting", "Setting", numeric=False),
            Column("seeds", "Seeds"),
            *(scores[name] for name in main),
            *(Column(key, title, group="Training") for key, title in _COST.items()),
            *(scores[name] for name in more),
        ),
        rows=tuple(_student_row(results, arm, group, main, more) for group in groups),
        context=(("arm", arm),),
        notes=tuple(_notes(results, arm, groups)),
    )
    # A classifier has no trunk to cache, and a grid is what a setting is of.
    idle = {
        "setting": not any(cell.setting for cell in _cells(results, arm, groups)),
        "trunk": not any(_blocks(cell.trunk) for cell in _cells(results, arm, groups)),
    }
    return table.without(*(key for key, is_idle in idle.items() if is_idle))


def _cells(results: Results, arm: str, groups: Iterable[Group]) -> list[Cell]:
    return [cell for group in groups for cell, _ in chosen(results, group, arm)]


def _student_row(results: Results, arm: str, group: Group, main: list[str], more: list[str]) -> Row:
    cells = _cells(results, arm, [group])
    tuned = group[0] not in untuned(results)
    best = any(cell.id == results.best for cell in cells)
    took = _took(cells) if tuned else [missing(_UNTRAINED)] * len(_COST)
    return Row(
        (
            words(group[0], tag="best on validation" if best else ""),
            words(", ".join(sorted({cell.method for cell in cells}))),
            words(_settings(cells)) if any(c.setting for c in cells) else missing("no grid"),
            Value(str(len(cells)), len(cells)),
            *(score_of(results, group, arm, name) for name in main),
            *took,
            *(score_of(results, group, arm, name) for name in more),
        ),
        "" if tuned else "baseline",
    )


def _settings(cells: list[Cell]) -> str:
    """The settings that validation chose, with how often where seeds chose differently."""
    times = Counter(setting(cell.setting) for cell in cells)
    if len(times) == 1:
        return next(iter(times))
    return "; ".join(f"{text} ({n} of {len(cells)})" for text, n in times.most_common())


def _took(cells: list[Cell]) -> list[Value]:
    trained, whole = (
        _most(c.trainable_parameters for c in cells),
        _most(c.total_parameters for c in cells),
    )
    part = Value(share(trained, whole), trained / whole) if trained and whole else missing("")
    return [
        number(trained, short),
        part,
        number(_most(c.peak_memory_bytes for c in cells), size),
        number(_mean(c.seconds for c in cells), duration),
        number(_mean(c.tokens for c in cells), lambda value: count(round(value))),
        number(_mean(c.updates for c in cells), lambda value: count(round(value, 1))),
        _cached([cell.trunk for cell in cells]),
    ]


def _most(values: Iterable[int | None]) -> int | None:
    return max((value for value in values if value is not None), default=None)


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known else None


def _blocks(trunk: Trunk | None) -> int:
    return trunk.blocks if trunk else 0


def _cached(trunks: list[Trunk | None]) -> Value:
    """How many blocks were computed once; why none were stands below the table."""
    blocks = sorted({_blocks(trunk) for trunk in trunks})
    if blocks == [0]:
        why = next((trunk.off for trunk in trunks if trunk and trunk.off), None)
        return missing(why or "not recorded")
    return Value(" or ".join(str(n) for n in blocks), blocks[-1])


def _notes(results: Results, arm: str, groups: list[Group]) -> list[str]:
    cells, named = _cells(results, arm, groups), [student for student, _ in groups]
    of = [c for c in results.cells if c.student in named]
    notes = [f"Means over seeds, below them the {LEVEL} interval."]
    notes += direction(metrics_of(results))
    if not all(cell.chosen for cell in of):
        by = {by_words(results, cell.student) for cell in of if not cell.chosen}
        notes.append(
            f"Each at the setting that validation chose{by.pop() if len(by) == 1 else ''}."
        )
    notes += [*counted(results, groups), *length_note(results, groups)]
    notes += _budgets(results, groups)
    if any(student in untuned(results) for student in named):
        notes.append("In italics: not tuned at all.")
    notes += [*_trunk_notes(results, cells), _MEMORY]
    return [*notes, *other_tokens(results, groups)]


def _budgets(results: Results, groups: list[Group]) -> list[str]:
    tuned = [group for group in groups if group[0] not in untuned(results)]
    told: dict[str, list[str]] = {}
    for group in tuned:
        told.setdefault(budget_length(results, group), []).append(group[0])
    told.pop("", None)
    if len(told) < 2:
        return [f"All were trained for {next(iter(told))}."] if told else []
    each = [f"{listed(names)} for {length}" for length, names in told.items()]
    return [f"Not trained alike: {'; '.join(each)}."]


def _trunk_notes(results: Results, cells: list[Cell]) -> list[str]:
    """What the cache took, and why it was not used."""
    if not any(_blocks(cell.trunk) for cell in cells):
        return []
    notes, off = [], dict[str, dict[str, None]]()
    for cell in cells:
        if cell.trunk and cell.trunk.off:
            off.setdefault(cell.trunk.off, {})[cell.student] = None
    for name in dict.fromkeys(cell.student for cell in cells if _blocks(cell.trunk)):
        took = sum(c.trunk.seconds or 0.0 for c in results.cells if c.trunk and c.student == name)
        notes.append(
            f"{name}: what enters the trained blocks was computed once and kept, which took "
            f"{duration(took)} in all of the run and counts into the time."
        )
    return notes + [f"Nothing cached for {listed(list(n))}: {why}." for why, n in off.items()]


def facts_of(results: Results, arm: str) -> list[MethodComparison]:
    """The comparisons of an arm's students; an untuned one is what others stand against."""
    return [fact for fact in results.method_comparisons if fact.arm == arm]


def differences_table(results: Results, arm: str) -> Table | None:
    """Every two students of an arm, the first less the second; None if none were compared."""
    facts = facts_of(results, arm)
    if not facts:
        return None
    names = list(dict.fromkeys(fact.metric for fact in facts))
    pairs = list(dict.fromkeys((fact.student, fact.against) for fact in facts))
    by = {(fact.student, fact.against, fact.metric): fact for fact in facts}
    return Table(
        name="method-differences",
        caption=f"Students trained on {arm}, in pairs: the score of the first less that of the "
        "second.",
        columns=(
            Column("student", "Student", numeric=False),
            Column("against", "against", numeric=False),
            *score_columns(names),
            Column("seeds", "Seeds"),
        ),
        rows=tuple(_pair_row(pair, [by.get((*pair, name)) for name in names]) for pair in pairs),
        context=(("arm", arm),),
        notes=(
            f"Below each the {LEVEL} interval, paired by seed and test item: ▲ better, ▼ worse; "
            f"without a mark there is no evidence either way{corrected(results)}.",
            *direction(names),
        ),
    )


def _pair_row(pair: tuple[str, str], facts: list[MethodComparison | None]) -> Row:
    seeds = max(fact.seeds for fact in facts if fact)
    fields = [difference(fact) if fact else missing("not compared") for fact in facts]
    return Row((words(pair[0]), words(pair[1]), *fields, Value(str(seeds), seeds)))

"""The tables of scores: arms beside baselines, and the settings that were tried."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from statistics import fmean

from preceptor.report.frame.blocks import Column, Row, Table, Value, missing, words
from preceptor.report.read.cell import Cell
from preceptor.report.read.groups import Group, arms_of, chosen
from preceptor.report.read.measures import (
    by_words,
    counted,
    headline,
    is_text,
    is_written,
    metrics_of,
)
from preceptor.report.read.numbers import LEVEL, count, listed, metric, plural, setting, share
from preceptor.report.read.results import Results
from preceptor.report.read.scores import Baseline, Comparison, Difference, Metrics, Score
from preceptor.report.read.sources import CONTROLS
from preceptor.report.sections.written import length_note
from preceptor.report.words.verdict import compared, control_name, group_title, operation_of


def budget_words(results: Results, group: Group | None = None) -> str:
    """How long the arms were trained, in words; a student may have a budget of its own."""
    budget = budget_of(results, group)
    if steps := budget.get("steps"):
        return f"all arms at equal updates ({count(steps)})"
    if epochs := budget.get("epochs"):
        return f"all arms at equal epochs ({epochs:g}), so larger arms get more updates"
    return "training budget not recorded"


def budget_of(results: Results, group: Group | None) -> dict[str, float]:
    """A student's own budget or the study's: ``steps`` or ``epochs``."""
    own = [cell.budget for cell, _ in chosen(results, group)] if group else []
    return next((budget for budget in own if budget), results.budget)


def budget_length(results: Results, group: Group) -> str:
    """How long a student was trained, as ``100 updates`` or ``3 epochs``; empty if not known."""
    budget = budget_of(results, group)
    if steps := budget.get("steps"):
        return plural(steps, "update")
    epochs = budget.get("epochs")
    return f"{epochs:g} epoch{'' if epochs == 1 else 's'}" if epochs else ""


def score_of(results: Results, group: Group, arm: str, name: str) -> Value:
    """An arm's mean over seeds at the settings that validation chose, with its interval.

    The interval is that of ``scores`` for the chosen setting. Where seeds chose different
    settings and the results hold no score of the choice as such, the mean of the chosen cells
    stands without an interval, and the field says why.
    """
    cells = [(cell, getattr(metrics, name, None)) for cell, metrics in chosen(results, group, arm)]
    score = _score(results, group, arm, name, [cell for cell, _ in cells])
    show = metric(name)
    if score is None or score.mean is None:
        known = [value for _, value in cells if value is not None]
        if not known:
            return missing("not scored")
        mean = fmean(known)
        return Value(show.show(mean), mean, title="no interval in the results")
    if score.low is None or score.high is None:
        return Value(show.show(score.mean), score.mean, title="no interval in the results")
    under = show.span(score.low, score.high)
    return Value(show.show(score.mean), score.mean, score.low, score.high, under)


def _score(results: Results, group: Group, arm: str, name: str, cells: list[Cell]) -> Score | None:
    found = [
        score
        for score in results.scores
        if (score.student, score.reading, score.arm, score.metric) == (*group, arm, name)
    ]
    as_chosen = [score for score in found if score.setting in (None, "", "chosen")]
    if as_chosen:
        return as_chosen[0]
    settings = {setting(cell.setting) for cell in cells}
    same = [score for score in found if {setting(score.setting)} == settings]
    return same[0] if same else found[0] if len(found) == 1 else None


def arms_table(results: Results, group: Group) -> Table:
    """One student and reading: every arm, then the baselines."""
    names, arms = metrics_of(results, group[1]), arms_of(results, group)
    against = _against(results, group)
    rows = [_arm_row(results, group, arm, names, against) for arm in arms]
    counts = _counts(results, group)
    rows += [_baseline_row(*item, names, against, list(counts)) for item in _baselines(results)]
    student, reading = group
    title = group_title(results, group)
    table = Table(
        name="arms",
        caption=f"{title}: scores on the test set, {budget_words(results, group)}.",
        columns=(
            Column("arm", "Arm", numeric=False),
            Column("seeds", "Seeds"),
            Column("rows", "Rows"),
            *score_columns(names),
            *(
                Column(f"minus_{name}", f"to {name}", group=_differences(results, group))
                for name in against.values()
            ),
            *(Column(key, title) for key, title in counts.items()),
            Column("updates", "Updates"),
        ),
        rows=tuple(rows),
        context=(("student", student), ("reading", reading)),
        notes=(*_arms_notes(results, group, against), *_weights_notes(results, student)),
    )
    even = len({cell.updates for cell, _ in chosen(results, group)}) < 2
    return table.without("updates") if even else table


def _counts(results: Results, group: Group) -> dict[str, str]:
    """What is told of answers that are none, by its name in the scores."""
    if is_written(results, group[1]):
        return {"empty": "Empty", "unended": "Cut off"}
    return {} if is_text(results) else {"unparsed": "Unparsed"}


def score_columns(names: Sequence[str]) -> list[Column]:
    """A column a metric; those of a text task under what they are counted over."""
    over = {name: metric(name).over for name in names}
    shared = len(set(over.values())) > 1
    return [
        Column(name, metric(name).column, group=f"Over {over[name]}")
        if shared and over[name]
        else Column(name, metric(name).heading)
        for name in names
    ]


def direction(names: Sequence[str]) -> list[str]:
    """Of which metrics less is better, in words; nothing where it is so of none."""
    lower = [metric(name).title for name in names if metric(name).lower_is_better]
    return [f"Of {listed(lower)} lower is better."] if lower else []


def _against(results: Results, group: Group) -> dict[str, str]:
    """What arms are held against: operations of controls, and what each is called."""
    own = [c.against for c in results.comparisons if (c.student, c.reading) == group]
    found = {operation_of(results, name) for name in own}
    known = [kind for kind in CONTROLS if kind in found]
    kinds = known + sorted(found - set(known))
    return {kind: control_name(results, group, kind) for kind in kinds}


def _differences(results: Results, group: Group) -> str:
    show = metric(headline(results, group[1]))
    return f"Difference in {show.title}" + (f", {show.unit}" if show.unit else "")


def _arms_notes(results: Results, group: Group, against: Iterable[str]) -> list[str]:
    notes = [f"Means over seeds, below them the {LEVEL} interval."]
    if not all(cell.chosen for cell in results.cells if cell.student == group[0]):
        by = by_words(results, group[0])
        notes.append(f"Each arm at the setting that validation chose{by}.")
    notes += [*direction(metrics_of(results, group[1])), *counted(results, [group])]
    notes += length_note(results, [group])
    if against:
        notes += _paired_with(results, group, against)
        notes.append("Differences are paired by seed and test item: ▲ better, ▼ worse;")
        notes.append(f"without a mark there is no evidence either way{corrected(results)}.")
    if results.baselines:
        notes.append("In italics: baselines, which are not trained students.")
    return notes


def _paired_with(results: Results, group: Group, against: Iterable[str]) -> list[str]:
    """Which arm is held against which, where an operation has several controls."""
    name, pairs = headline(results, group[1]), defaultdict[str, list[str]](list)
    for kind in against:
        facts = compared(results, group, kind, name)
        if len({fact.against for fact in facts.values()}) > 1:
            for arm, fact in facts.items():
                pairs[fact.against].append(arm)
    told = [f"{listed(arms)} against {other}" for other, arms in pairs.items()]
    lead = "Each is held against the control of as many human rows"
    return [f"{lead}: {'; '.join(told)}."] if told else []


def corrected(results: Results) -> str:
    """Behind what a mark means: that marks follow corrected p-values; empty in earlier runs."""
    pairs = [*results.comparisons, *results.method_comparisons]
    return (
        " once corrected for the number of comparisons" if any(p.family > 1 for p in pairs) else ""
    )


def _weights_notes(results: Results, student: str) -> list[str]:
    """What must be known of the weights that a student started from."""
    known = [c.weights for c in results.cells if c.student == student and c.weights]
    notes = [f"{student} started from {w.ref}: {w.note.rstrip('.')}." for w in known if w.note]
    notes += [f"{student} stands for {w.stands_for}." for w in known if w.stands_for]
    return list(dict.fromkeys(notes))


def _arm_row(
    results: Results, group: Group, arm: str, names: list[str], against: Iterable[str]
) -> Row:
    found = list(chosen(results, group, arm))
    best = any(cell.id == results.best for cell, _ in found)
    name = headline(results, group[1])
    differences = [
        _difference(
            operation_of(results, arm) == kind, compared(results, group, kind, name).get(arm)
        )
        for kind in against
    ]
    return Row(
        (
            words(arm, tag="best on validation" if best else ""),
            Value(str(len(found)), len(found)),
            mean_count([cell.rows for cell, _ in found]),
            *(score_of(results, group, arm, name) for name in names),
            *differences,
            *(_share(key, [m for _, m in found]) for key in _counts(results, group)),
            mean_count([cell.updates for cell, _ in found]),
        )
    )


def mean_count(numbers: Iterable[int | None]) -> Value:
    """The mean of some counts."""
    known = [number for number in numbers if number is not None]
    mean = fmean(known) if known else 0.0
    return Value(count(round(mean, 1)), mean) if known else missing("not recorded")


def _difference(is_control: bool, fact: Comparison | None) -> Value:
    if fact is None:
        return missing("the control itself" if is_control else "not compared")
    return difference(fact)


def difference(fact: Difference) -> Value:
    """A difference with its interval and its mark."""
    if fact.difference is None:
        return missing("not compared")
    show, mark = metric(fact.metric), fact.outcome
    text = show.change(fact.difference)
    if fact.low is None or fact.high is None:
        return Value(text, fact.difference, title="no interval in the results", mark=mark)
    under = show.span(fact.low, fact.high)
    return Value(text, fact.difference, fact.low, fact.high, under, mark=mark)


def _share(key: str, found: Sequence[Metrics]) -> Value:
    """How many answers are counted under a name, of all."""
    total = sum(metrics.n for metrics in found)
    if not total:
        return missing("no answers")
    counted = sum(getattr(metrics, key) for metrics in found)
    return Value(share(counted, total), counted / total)


def _baselines(results: Results) -> list[tuple[str, list[Baseline]]]:
    """Baselines on the test split, the seeds of one name together."""
    names = dict.fromkeys(item.name for item in results.baselines if item.split == "test")
    return [
        (name, [b for b in results.baselines if (b.name, b.split) == (name, "test")])
        for name in names
    ]


def _baseline_row(
    name: str, items: list[Baseline], names: list[str], against: Iterable[str], counts: list[str]
) -> Row:
    seeds = len({item.seed for item in items if item.seed is not None})
    seeded = Value(str(seeds), seeds) if seeds else missing("does not depend on a seed")
    return Row(
        (
            words(name, tag="baseline"),
            seeded,
            missing("not trained"),
            *(mean_of(metric_name, [item.metrics for item in items]) for metric_name in names),
            *(missing("baselines are not compared") for _ in against),
            *(_share(key, [item.metrics for item in items]) for key in counts),
            missing("not trained"),
        ),
        kind="baseline",
    )


def mean_of(name: str, found: Iterable[Metrics]) -> Value:
    """The mean of a metric over some scores."""
    known = [value for item in found if (value := getattr(item, name, None)) is not None]
    return Value(metric(name).show(fmean(known)), fmean(known)) if known else missing("not scored")

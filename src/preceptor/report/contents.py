"""The sections of the page, in their order. A new section is one function and one line here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from preceptor.report.frame.blocks import Block, Bullets, Fold, Heading, Prose, Section, Side
from preceptor.report.read.groups import groups, students
from preceptor.report.read.measures import main_metrics
from preceptor.report.read.results import Results
from preceptor.report.sections import (
    accounts,
    amounts,
    annotated,
    bars,
    best_on_test,
    budgets,
    ceiling,
    confusion,
    cost,
    curation,
    curves,
    diversity,
    evidence,
    figures,
    findings,
    forest,
    history,
    methods,
    pool,
    reliability,
    repeat,
    sampled,
    serving,
    settings,
    stages,
    sweeps,
    tables,
    teaching,
    training,
    written,
)
from preceptor.report.words.verdict import group_title


@dataclass(frozen=True, slots=True)
class Source:
    """What a section is made from: the run's folder and its results."""

    run: Path
    results: Results


def sections(source: Source) -> list[Section]:
    """Every section of the page that has something to say."""
    made = [
        Section(name, title, tuple(block for block in build(source) if block))
        for name, title, build in _SECTIONS
    ]
    return [section for section in made if section.blocks]


def _reading(source: Source) -> Iterator[Block | None]:
    yield Heading("What the numbers show")
    yield Bullets(tuple(findings.shown(source.results)))
    yield Heading("What they cannot show")
    yield Bullets(tuple(findings.limits(source.results)))
    results = source.results
    held = [block for group in groups(results) for block in evidence.blocks(results, group)]
    if held:
        yield Heading("Every comparison")
        yield from held


def _arms(source: Source) -> Iterator[Block | None]:
    results = source.results
    if not groups(results):
        yield Prose(("No cell of this run has been scored on the test set yet.",))
    told = [group for group in groups(results) if not methods.says_all(results, group)]
    for group in told:
        yield Heading(group_title(results, group))
        yield tables.arms_table(results, group)
    scored = [
        figures.scores_figure(results, group, f"scores-{index}")
        for index, group in enumerate(told, 1)
    ]
    drawn = (*forest.forest_figures(results), *scored)
    if shown := tuple(figure for figure in drawn if figure):
        yield Heading("Every arm against its controls")
        yield Side(shown)
    yield from budgets.blocks(results)
    for group in groups(results):
        yield best_on_test.best_fold(results, group)


def _amounts(source: Source) -> Iterator[Block | None]:
    results = source.results
    drawn = [
        figure
        for index, group in enumerate(groups(results), 1)
        for figure in (
            amounts.made_figure(results, group, f"amount-made-{index}"),
            amounts.human_figure(results, group, f"amount-human-{index}"),
        )
    ]
    if shown := tuple(figure for figure in drawn if figure):
        yield Side(shown)
    ways = [ceiling.way_table(results, group) for group in groups(results)]
    if any(ways):
        yield Heading("How much of the way to true labels")
        yield from ways


def _teaching(source: Source) -> Iterator[Block | None]:
    yield teaching.tunings_table(source.results)
    if drawn := tuple(teaching.reliability_figures(source.results)):
        yield Side(drawn)


def _serving(source: Source) -> Iterator[Block | None]:
    yield from serving.blocks(source.results)


def _methods(source: Source) -> Iterator[Block | None]:
    results = source.results
    beside = methods.side_by_side(results)
    for number, (arm, compared) in enumerate(beside.items(), 1):
        if len(beside) > 1:
            yield Heading(f"Trained on {arm}")
        yield methods.methods_table(results, arm, compared)
        drawn = [
            bars.bars_figure(results, arm, compared, name, f"methods-{number}-{name}")
            for name in main_metrics(results)
        ]
        if shown := tuple(figure for figure in drawn if figure):
            yield Side(shown)
        yield methods.differences_table(results, arm)


def _made(source: Source) -> Iterator[Block | None]:
    results = source.results
    table = accounts.funnel_table(results)
    if table is None:
        yield Prose(("No arm of this study asked a teacher for rows.",))
    else:
        yield Bullets(tuple(accounts.shortfalls(results) or ["Every arm has the rows wanted."]))
        yield table
        yield figures.funnel_figure(results)
        yield from _curated(results)
    yield from annotated.blocks(results)
    yield accounts.left_out_table(results)


def _curated(results: Results) -> Iterator[Block | None]:
    if told := curation.remarks(results):
        yield Bullets(tuple(told))
    for funnel in curation.funnels(results):
        yield Fold(f"{dict(funnel.context)['arm']}: by label and filter", (funnel,))
    if varied := diversity.diversity_table(results):
        yield Heading("How varied the made texts are")
        yield varied


def _samples(source: Source) -> Iterator[Block | None]:
    yield from sampled.blocks(source.run, source.results)


def _labels(source: Source) -> Iterator[Block | None]:
    results = source.results
    for index, group in enumerate(groups(results), 1):
        table = confusion.labels_table(results, group)
        if table is None:
            continue
        yield Heading(group_title(results, group))
        yield table
        yield from confusion.confusion_folds(results, group)
        yield from reliability.blocks(source.run, results, group, f"sure-{index}")


def _settings(source: Source) -> Iterator[Block | None]:
    for group in groups(source.results):
        yield settings.settings_table(source.results, group)
    # Students by the same reading stand beside each other.
    readings = list(dict.fromkeys(reading for _, reading in groups(source.results)))
    ordered = sorted(groups(source.results), key=lambda group: readings.index(group[1]))
    drawn = [
        sweeps.sweep_figure(source.results, group, f"sweep-{index}")
        for index, group in enumerate(ordered, 1)
    ]
    if shown := tuple(figure for figure in drawn if figure):
        yield Side(shown)
    yield written.how_table(source.results)


def _training(source: Source) -> Iterator[Block | None]:
    drawn, problems = [], list[str]()
    for index, student in enumerate(students(source.results), 1):
        cells = [cell for cell in source.results.cells if cell.student == student]
        read = [history.read_curve(source.run, cell, problems) for cell in cells]
        shown_of = [curve for curve in read if curve]
        drawn.append(curves.history_figure(source.results, student, shown_of, f"loss-{index}"))
    if shown := tuple(figure for figure in drawn if figure):
        yield Side(shown)
    if problems:
        yield Bullets(tuple(problems))


def _data(source: Source) -> Iterator[Block | None]:
    results = source.results
    if notes := findings.data_notes(results):
        yield Bullets(tuple(notes))
    table = accounts.data_table(results)
    if table and len(table.rows) > confusion.MANY_LABELS:
        yield Fold("Examples by label and split", (table,))
    else:
        yield table
    yield accounts.dropped_table(results)
    yield from pool.blocks(results)
    yield Heading("The same text in two splits")
    leaks = accounts.leakage_tables(results)
    if leaks:
        yield from leaks
    elif results.data.leakage is None:
        yield Prose(("The results hold no check for leakage.",))
    else:
        yield Prose(("The check found no example of one split in another.",))


def _cost(source: Source) -> Iterator[Block | None]:
    results = source.results
    yield stages.stages_table(results)
    if not results.teachers:
        yield Prose(("This study has no teacher, so nothing was asked of one.",))
    else:
        yield cost.usage_table(results)
    yield cost.training_table(results)
    if table := training.how_table(results):
        yield Fold("How it was trained", (table,))


def _repeat(source: Source) -> Iterator[Block | None]:
    yield from repeat.blocks(source.run, source.results)


_SECTIONS: tuple[tuple[str, str, Callable[[Source], Iterator[Block | None]]], ...] = (
    ("arms", "Arms and baselines", _arms),
    ("reading", "How sure this is", _reading),
    ("amounts", "More data, and the way to true labels", _amounts),
    ("methods", "Students side by side", _methods),
    ("serving", "Student against teacher", _serving),
    ("teaching", "The teacher that was tuned", _teaching),
    ("made", "Made and kept", _made),
    ("examples", "Made examples beside their originals", _samples),
    ("data", "Data and leakage", _data),
    ("labels", "Labels and confusions", _labels),
    ("settings", "Settings", _settings),
    ("training", "Training", _training),
    ("cost", "Cost and time", _cost),
    ("repeat", "To repeat this run", _repeat),
)

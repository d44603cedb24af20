"""The sections of the page, in their order. A new section is one function and one line here."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from preceptor.report import (
    accounts,
    amounts,
    annotated,
    bars,
    ceiling,
    confusion,
    cost,
    curation,
    curves,
    diversity,
    figures,
    findings,
    history,
    methods,
    pool,
    samples,
    settings,
    sweeps,
    tables,
    teaching,
    training,
    written,
)
from preceptor.report.blocks import Block, Bullets, Code, Fold, Heading, Prose, Section, Side
from preceptor.report.groups import groups, students
from preceptor.report.measures import main_metrics
from preceptor.report.numbers import plural
from preceptor.report.results import Results
from preceptor.report.verdict import group_title

STUDY = "study.yaml"
WITHHELD = "The texts of this data are not shown (publish_texts: false in the study)."


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
    yield Heading("What they show")
    yield Bullets(tuple(findings.shown(source.results)))
    yield Heading("What they cannot show")
    yield Bullets(tuple(findings.limits(source.results)))


def _arms(source: Source) -> Iterator[Block | None]:
    results = source.results
    if not groups(results):
        yield Prose(("No cell of this run has been scored on the test set yet.",))
    for index, group in enumerate(groups(results), 1):
        if methods.says_all(results, group):
            continue
        yield Heading(group_title(results, group))
        yield tables.arms_table(results, group)
        drawn = (
            figures.scores_figure(results, group, f"scores-{index}"),
            figures.differences_figure(results, group, f"differences-{index}"),
        )
        if shown := tuple(figure for figure in drawn if figure):
            yield Side(shown)


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
    results = source.results
    if not accounts.asked(results):
        return
    if not results.report.publish_texts:
        yield Prose((WITHHELD,))
        return
    texts = samples.read_texts(source.run, results)
    yield Prose((_SAMPLED, *([_ANNOTATED] if annotated.annotated(results) else [])))
    if texts.problems:
        yield Bullets(tuple(texts.problems))
    for arm in accounts.asked(results):
        yield from _sampled_arm(texts, arm)


_SAMPLED = (
    "Five kept rows of every arm that a teacher wrote, drawn with a fixed seed over all seeds "
    "of the study; the rest is in made.parquet of each arm. In rewritten rows the words that "
    "differ are marked. An arm that mixes others has their rows."
)


_ANNOTATED = (
    "An annotated text stands under the label that it has in the data, where it has one, and under "
    "the one that it was given."
)


def _sampled_arm(texts: samples.Texts, arm: str) -> Iterator[Block]:
    drawn, rejected = samples.pairs(texts, arm), samples.rejections(texts, arm)
    if not drawn and not rejected:
        return
    yield Heading(arm)
    if not drawn:
        yield Prose(("Nothing that the teacher wrote for this arm was kept.",))
    yield from drawn
    if rejected:
        shown = tuple(item for items in rejected.values() for item in items)
        yield Fold(f"Rejected for {arm}: up to five answers for each reason", shown)


def _labels(source: Source) -> Iterator[Block | None]:
    results = source.results
    for group in groups(results):
        table = confusion.labels_table(results, group)
        if table is None:
            continue
        yield Heading(group_title(results, group))
        yield table
        yield from confusion.confusion_folds(results, group)


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
    if not results.teachers:
        yield Prose(("This study has no teacher, so nothing was asked of one.",))
    else:
        yield cost.usage_table(results)
    yield cost.training_table(results)
    if table := training.how_table(results):
        yield Fold("How it was trained", (table,))


def _repeat(source: Source) -> Iterator[Block | None]:
    results = source.results
    command = results.command or f"preceptor run {STUDY} --out {source.run.name}"
    yield Prose(
        ("With the study file below and the versions of the table, this command repeats the run.",)
    )
    yield Code(command, "Command")
    path = source.run / STUDY
    if path.is_file():
        text = path.read_text("utf-8", errors="replace")
        yield Fold(
            f"The study file, {plural(len(text.splitlines()), 'line')}", (Code(text, STUDY),)
        )
    else:
        yield Prose((f"The run folder holds no {STUDY}.",))
    yield cost.environment_table(results)
    for teacher in results.teachers:
        identity = json.dumps(teacher.identity, indent=2, ensure_ascii=False)
        yield Fold(f"The teacher {teacher.name}", (Code(identity, f"Identity of {teacher.name}"),))


_SECTIONS: tuple[tuple[str, str, Callable[[Source], Iterator[Block | None]]], ...] = (
    ("reading", "How to read these numbers", _reading),
    ("arms", "Arms and baselines", _arms),
    ("amounts", "More data, and the way to true labels", _amounts),
    ("methods", "Students side by side", _methods),
    ("teaching", "The teacher that was tuned", _teaching),
    ("made", "Made and kept", _made),
    ("examples", "Made examples beside their originals", _samples),
    ("labels", "Labels and confusions", _labels),
    ("settings", "Settings", _settings),
    ("training", "Training", _training),
    ("data", "Data and leakage", _data),
    ("cost", "Cost and time", _cost),
    ("repeat", "To repeat this run", _repeat),
)

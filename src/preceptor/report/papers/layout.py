"""A run laid out as a paper's table or figure: what it consists of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from preceptor.errors import PreceptorError
from preceptor.report.frame.blocks import Figure, Table
from preceptor.report.papers.departures import departures, departures_table
from preceptor.report.papers.drawing import figures
from preceptor.report.papers.exhibit import Exhibit
from preceptor.report.papers.found import Finder
from preceptor.report.papers.names import Names, names_of
from preceptor.report.papers.steps import steps_table
from preceptor.report.papers.table import paper_table
from preceptor.report.read.groups import students
from preceptor.report.read.numbers import plural
from preceptor.report.read.results import Results, load


@dataclass(frozen=True, slots=True)
class Layout:
    """A paper's table or figure with a run's numbers.

    Attributes:
        exhibit: what it is.
        study: the run's study.
        tables: its rows; then, where there is something to tell, where the run departs from the
            paper.
        figures: it drawn; empty for a table.
    """

    exhibit: Exhibit
    study: str
    tables: tuple[Table, ...]
    figures: tuple[Figure, ...]


def lay_out(run: Path, exhibit: Exhibit, given: Sequence[str] = ()) -> Layout:
    """Set a run's numbers into a paper's table or figure.

    Args:
        run: a run's folder with its ``results.json``.
        exhibit: the table or figure.
        given: ``OURS=PAPERS`` each: names of the run that stand for names of the paper's study.

    Raises:
        PreceptorError: the run has nothing for any of its rows, or ``given`` has unknown names.
        DataError: there are no results, or they are damaged.
        StaleRunError: the results are of a format that this version does not know.
    """
    results = load(run)
    names = names_of(results, exhibit, given)
    form = exhibit.also.get(results.study)
    measures = form.measures if form and form.measures else exhibit.measures
    found = Finder(results, exhibit, measures, names).all()
    if exhibit.rows and not any(one.numbers for one in found):
        raise _nothing(run, results, exhibit)
    if exhibit.rows:
        table = paper_table(results, exhibit, measures, found)
    else:
        table = steps_table(results, exhibit)
    apart = departures_table(departures(run, results, exhibit, names, found), table.name)
    notes = (*_warning(apart), *table.notes, *_notes(results, exhibit, names))
    table = replace(table, notes=notes)
    drawn = figures(results, exhibit, measures, found)
    return Layout(exhibit, results.study, (table, apart) if apart else (table,), tuple(drawn))


def _warning(apart: Table | None) -> list[str]:
    if apart is None:
        return []
    points = plural(len(apart.rows), "point")
    return [f"This run is not as the paper has it, in {points}: the table below this one."]


def _notes(results: Results, exhibit: Exhibit, names: Names) -> tuple[str, ...]:
    unfinished = "The run is not finished: what there is so far is shown."
    limits = [f"Limit of the study: {limit}" for limit in results.limits]
    return (*([] if results.finished else [unfinished]), *exhibit.notes, *names.told, *limits)


def _nothing(run: Path, results: Results, exhibit: Exhibit) -> PreceptorError:
    ours = f"students {', '.join(students(results)) or 'none'}"
    return PreceptorError(
        f"this run has nothing for any row of {exhibit.name}",
        where=str(run),
        found=f"{ours}; arms {', '.join(results.arms) or 'none'}",
        expected=f"students {', '.join(exhibit.students)}; arms {', '.join(exhibit.arms)}",
        fix=f"run {exhibit.study}, or say which name stands for which: --as OURS=PAPERS",
    )

"""``preceptor compare``: two runs or more side by side, from their folders alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from preceptor.report.read.measures import headline
from preceptor.report.versus import Apart, Reading, RunDifference, RunFacts, RunScore, Versus
from preceptor.report.words.verdict import reading_title
from preceptor.study.versus.changes import changes, data, environment
from preceptor.study.versus.folder import Run, open_runs
from preceptor.study.versus.pairing import differences


def compare(folders: Sequence[Path]) -> Versus:
    """Set runs side by side; the others are held against the first.

    What of a folder is missing or damaged is told in :attr:`Versus.problems`, and what rests on
    it is not compared.

    Args:
        folders: run folders, finished or not.

    Raises:
        SpecError: fewer than two folders, or one of them twice.
        DataError: a folder holds no results, or they are damaged.
        StaleRunError: results are of a format that this version does not know.
    """
    runs = open_runs(folders)
    found: list[RunDifference] = []
    apart: list[Apart] = []
    for run in runs[1:]:
        compared, reasons = differences(runs[0], run)
        found += compared
        apart += reasons
    parts = {"changes": changes(runs), "environment": environment(runs), "data": data(runs)}
    return Versus(
        runs=[_facts(run) for run in runs],
        **parts,
        readings=_readings(runs),
        scores=[score for run in runs for score in _scores(run)],
        differences=found,
        apart=apart,
        problems=list(dict.fromkeys(problem for run in runs for problem in run.problems)),
    )


def _facts(run: Run) -> RunFacts:
    results = run.results
    return RunFacts(
        name=run.name,
        folder=str(run.folder),
        study=results.study,
        created=results.created,
        finished=results.finished,
        cells=len(results.cells),
        failed=len(results.failed),
        seeds=sorted({cell.seed for cell in results.cells}),
        draw_seeds=results.data.draw_seeds,
    )


def _scores(run: Run) -> Iterator[RunScore]:
    """Those at the settings that validation chose."""
    for score in run.results.scores:
        if score.setting in (None, "", "chosen"):
            yield RunScore(run=run.name, **score.model_dump())


def _readings(runs: Sequence[Run]) -> dict[str, Reading]:
    """How predictions came about, as the first run that has a reading tells it."""
    found: dict[str, Reading] = {}
    for run in runs:
        for score in run.results.scores:
            if score.reading not in found:
                found[score.reading] = Reading(
                    title=reading_title(run.results, score.reading),
                    headline=headline(run.results, score.reading),
                )
    return found

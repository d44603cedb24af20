"""Cards into a run's folder, beside what they are about."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from preceptor.errors import DataError, PreceptorError
from preceptor.models.save import BASE
from preceptor.report.cards.data import data_card
from preceptor.report.cards.facts import teachers_of
from preceptor.report.cards.model import model_card
from preceptor.report.read.results import Results, load
from preceptor.report.read.salvage import load_what_can_be
from preceptor.store.atomic import write_text

CARD = "README.md"


def write_cards(run: Path) -> list[str]:
    """Write the card of every saved student and of every made set of a run.

    They are no part of what a run's parts are made from: they are written anew from its results
    whenever these are, and again by ``preceptor report``.

    Args:
        run: a run's folder with its ``results.json``; the run need not be finished.

    Returns:
        In words, the cards that were not written since what they are about is damaged.

    Raises:
        DataError: there are no results, or they are damaged as a whole.
        StaleRunError: the results are of a format that this version does not know.
        OSError: a card cannot be written.
    """
    results, _ = load_what_can_be(run)
    problems = []
    for folder, make in _cards(run, results):
        try:
            text = make()
        except (PreceptorError, ValueError, KeyError, OSError) as error:
            problems.append(f"no card for {folder.relative_to(run)}, which is damaged: {error}")
            continue
        write_text(folder / CARD, text)
    return problems


def _cards(run: Path, results: Results) -> Iterator[tuple[Path, Callable[[], str]]]:
    """The folders that get a card, and what makes it."""
    for cell in results.cells:
        folder = run / (cell.path or f"cells/{cell.id}") / "model"
        if (folder / BASE).is_file():
            yield folder, partial(model_card, run, results, cell, folder)
    for name, arm in results.arms.items():
        for made in arm.seeds if teachers_of(results, name) else []:
            if made.path and (run / made.path).is_dir():
                yield run / made.path, partial(data_card, run, results, name, made)


def write_model_card(run: Path, cell_id: str, folder: Path) -> None:
    """Write a student's card into another folder that holds its model, as ``export`` leaves it.

    Args:
        run: the run's folder.
        cell_id: the student's cell.
        folder: where the model lies.

    Raises:
        DataError: the run has no such cell, or its results cannot be read.
    """
    results = load(run)
    cell = next((one for one in results.cells if one.id == cell_id), None)
    if cell is None:
        raise DataError("no such cell in this run", where=str(run), found=cell_id)
    write_text(folder / CARD, model_card(run, results, cell, folder))

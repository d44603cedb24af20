"""The order of a run: data, teachers, arms, baselines, cells, report; and how it continues."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import yaml

from preceptor.data.example import COLUMNS, to_row
from preceptor.errors import PreceptorError, StaleRunError
from preceptor.store.atomic import remove, sweep, write_json, write_text
from preceptor.store.parts import Part
from preceptor.store.tables import write_rows
from preceptor.study import processes
from preceptor.study.arms.fill import fill_arm
from preceptor.study.baselines import fill_baselines
from preceptor.study.cells import CHECKPOINTS, TRUNK
from preceptor.study.check import check, check_ready
from preceptor.study.failures import FAILED
from preceptor.study.grid import Cell
from preceptor.study.inputs import check_lengths
from preceptor.study.jobs import make_cells
from preceptor.study.plan import Plan
from preceptor.study.results import best_cells, choose, collect, done_cells
from preceptor.study.teachers.staff import Staff
from preceptor.study.teachers.tuning import fill_teacher
from preceptor.study.tracking import log_cell

Say = Callable[[str], None]


def run(plan: Plan, redo: bool, say: Say) -> Path:
    """Make what is missing of a run, then its results and its report.

    Args:
        plan: the study with its data.
        redo: throw away parts that were made from something else than the study says.
        say: where progress is told, a line at a time.

    Returns:
        The report's path.

    Raises:
        SpecError: the study cannot work.
        DataError: a human example does not fit a student and the study refuses to cut.
        TeacherError: a teacher cannot be reached, or some of its calls failed.
        StaleRunError: the folder holds parts of another study and ``redo`` is not set.
    """
    with processes.leading():
        return _run(plan, redo, say)


def _run(plan: Plan, redo: bool, say: Say) -> Path:
    begun = (plan.out / "data").is_dir()
    check(plan, calls=not begun)
    if begun and _calls_left(plan):
        check_ready(plan)
    with _locked(plan.out):
        sweep(plan.out)
        _refuse_stale(plan, redo)
        check_lengths(plan)
        remove(plan.out / FAILED)
        write_text(plan.out / "study.yaml", study_text(plan))
        failed: list[dict[str, str]] = []
        try:
            _make_parts(plan, failed, say)
            _keep_models(plan, failed, say)
            for folder in (TRUNK, CHECKPOINTS):
                remove(plan.out / folder)
        except BaseException:
            with suppress(Exception):  # the error that stopped the run is the one to tell
                _conclude(plan, failed, say, finished=False)
            raise
        return _conclude(plan, failed, say, finished=True)


def study_text(plan: Plan) -> str:
    """The study as it is run, overrides included."""
    value = plan.study.model_dump(mode="json", exclude_unset=True)
    return yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=100)


@contextmanager
def _locked(out: Path) -> Iterator[None]:
    """One process a run folder."""
    from filelock import FileLock, Timeout

    if out.exists() and not out.is_dir():
        raise PreceptorError("the run folder is a file", where=str(out), fix="another --out")
    out.mkdir(parents=True, exist_ok=True)
    lock = FileLock(out / ".lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise PreceptorError(
            "another process works in this run folder",
            where=str(out),
            fix="wait for it to end, or give another folder with --out",
        ) from None
    try:
        yield
    finally:
        lock.release()


def _refuse_stale(plan: Plan, redo: bool) -> None:
    parts = plan.parts()
    stale = {name: found for name, part in parts.items() if (found := part.differences())}
    if stale and not redo:
        raise StaleRunError(
            "this run folder was made from something else",
            where=str(plan.out),
            found=told_changes(stale),
            fix="give a new folder with --out, or --redo to make these parts and all below anew"
            f" ({len(stale)} of {len(parts)} parts)",
        )
    for name in stale:
        shutil.rmtree(parts[name].folder)


def told_changes(stale: dict[str, list[str]], limit: int = 6) -> str:
    """The differences that name a setting or a file, before those that only follow from them."""
    changes = [f"{name}: {change}" for name, found in stale.items() for change in found]
    roots = [change for change in changes if not _follows(change)] or changes
    more = f"\n    and {len(roots) - limit} more" if len(roots) > limit else ""
    return "\n    " + "\n    ".join(roots[:limit]) + more


def _follows(change: str) -> bool:
    """Whether a change says only that something above changed, by its fingerprint."""
    return re.match(r"[^:]+: (data|arm|of|rows): ", change) is not None


def _make_parts(plan: Plan, failed: list[dict[str, str]], say: Say) -> None:
    plan.data_part.make(partial(_fill_data, plan))
    for tuning in plan.tunings.own:
        _stage(plan.tunings.part(tuning), f"teacher {tuning.place}", say)(
            partial(fill_teacher, plan, tuning)
        )
    with Staff(plan) as staff:
        for name, seed in plan.arms:
            _stage(plan.arm_part(name, seed), f"arm {name}, seed {seed}", say)(
                partial(fill_arm, plan, name, seed, staff)
            )
        for seed in plan.draw_seeds:
            _stage(plan.baselines_part(seed), f"baselines, seed {seed}", say)(
                partial(fill_baselines, plan, seed, staff)
            )
    _run_cells(plan, plan.cells, failed, say)


def _run_cells(
    plan: Plan,
    cells: Sequence[Cell],
    failed: list[dict[str, str]],
    say: Say,
    *,
    again: bool = False,
) -> None:
    """One failed cell is reported and does not stop the rest."""
    titles = {
        cell.id: f"cell {number} of {len(plan.cells)}: {cell.id}"
        for number, cell in enumerate(plan.cells, 1)
    }
    there = [cell for cell in cells if not again and plan.cell_part(cell).exists()]

    def track(cell: Cell) -> None:
        for problem in log_cell(plan, cell):
            say(f"{titles[cell.id]}: {problem}")

    for cell in there:
        say(f"{titles[cell.id]}: there already")
        track(cell)

    def told(cell: Cell, error: str | None) -> None:
        if error is None:
            why = ", whose model was not kept" if again else ""
            say(f"{titles[cell.id]}{why}: {plan.cell_part(cell).seconds:.1f} s")
            track(cell)
        else:
            failed.append({"id": cell.id, "error": error})
            say(f"{titles[cell.id]}: failed: {error}")
        _prune(plan)

    make_cells(plan, [cell for cell in cells if cell not in there], told, again)


def _stage(part: Part, title: str, say: Say) -> Callable[[Callable[[Path], None]], None]:
    def make(fill: Callable[[Path], None]) -> None:
        if part.exists():
            say(f"{title}: there already")
            return
        part.make(fill)
        say(f"{title}: {part.seconds:.1f} s")

    return make


def _calls_left(plan: Plan) -> bool:
    """Whether a part is missing that a teacher is called for."""
    calling = plan.study.teaching()
    parts = [plan.arm_part(name, seed) for name, seed in plan.arms if name in calling]
    if plan.study.baselines.teacher:
        parts += [plan.baselines_part(seed) for seed in plan.draw_seeds]
    return any(not part.exists() for part in parts)


def _fill_data(plan: Plan, folder: Path) -> None:
    splits = plan.splits
    dealt = {one.id for one in splits.folds.examples} if splits.folds else set()
    rows = [
        {**to_row(example), "split": "every one in turn" if example.id in dealt else name}
        for name in ("train", "validation", "test", "unlabelled")
        for example in getattr(splits, name)
    ]
    write_rows(folder / "examples.parquet", rows, (*COLUMNS, "split"))
    dropped = [{"where": one.where, "reason": one.reason} for one in splits.dropped]
    write_json(folder / "data.json", {"notes": splits.notes, "dropped": dropped})


def _conclude(plan: Plan, failed: list[dict[str, str]], say: Say, finished: bool) -> Path:
    from preceptor.report.cards import write_cards
    from preceptor.report.page import write_report

    order = [cell.id for cell in plan.cells]
    failed.sort(key=lambda one: order.index(one["id"]))  # several jobs fail in any order
    results = collect(plan, failed, finished and not failed)
    write_json(plan.out / "results.json", results)
    page = write_report(plan.out)
    for problem in write_cards(plan.out):
        say(problem)
    return page


def _keep_models(plan: Plan, failed: list[dict[str, str]], say: Say) -> None:
    """Leave on disk the trained tensors that the study keeps; scores and predictions all stay.

    What is kept is no part of a cell's fingerprint, so a model may be wanted that an earlier
    run of this folder was not asked to keep: its cell is made anew.
    """
    without = [cell for cell in _wanted(plan) if not _model(plan, cell).is_dir()]
    _run_cells(plan, without, failed, say, again=True)
    _prune(plan)


def _wanted(plan: Plan) -> list[Cell]:
    """The cells whose models stay; all where nothing is best, for want of a validation split."""
    if plan.study.keep == "none":
        return []
    done = done_cells(plan)
    best = best_cells(plan, choose(plan, done).values())
    return list(best.values()) if plan.study.keep == "best" and best else done


def _prune(plan: Plan) -> None:
    """Remove the models that are not their student's best; further cells cannot make them that.

    Nothing of a student is removed as long as its best cell has no model.
    """
    if plan.study.keep != "best":
        return
    done = done_cells(plan)
    best = best_cells(plan, choose(plan, done).values())
    for cell in done:
        kept = best.get(cell.student, cell)
        if cell != kept and _model(plan, kept).is_dir():
            remove(_model(plan, cell))


def _model(plan: Plan, cell: Cell) -> Path:
    return plan.out / "cells" / cell.id / "model"

"""What of one cell's errors stays with the cell, and what stops the run.

A cell that cannot be trained or scored is reported, and the rest of the study is made: errors
that this program foresees, memory that is short, and whatever a library or a mistake of ours
raises on this student, this arm and this seed. Of an error that nobody foresaw the whole
traceback is kept in ``RUN/failed/ID.txt``. What is not of one cell stops the run, which the same
command continues: a disk that is full or a folder that cannot be written (OSError), a GPU that
answers nothing any more, and any such error under ``accelerate launch``, where other processes
wait in the middle of an update.
"""

from __future__ import annotations

import re
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from preceptor.errors import PreceptorError
from preceptor.store.atomic import write_text
from preceptor.study import processes
from preceptor.study.grid import Cell
from preceptor.study.plan import Plan

FAILED = "failed"
"""the folder of a run that holds what failed cells said"""
_SHORT_OF_MEMORY = re.compile("out of memory|not enough memory|can't allocate memory", re.I)


@contextmanager
def told(plan: Plan, cell: Cell) -> Iterator[None]:
    """Turn an error of one cell into a PreceptorError that says so; let others pass.

    Raises:
        PreceptorError: the cell failed.
    """
    try:
        yield
    except (PreceptorError, OSError):
        raise
    except Exception as error:
        if processes.several() or _lost_device(error):
            raise
        raise _of_memory(plan, cell, error) or _unforeseen(plan, cell, error) from error


def keep(plan: Plan, cell: Cell, text: str) -> Path:
    """Write what a failed cell said; returns where."""
    path = plan.out / FAILED / f"{cell.id}.txt"
    write_text(path, text)
    return path


def _of_memory(plan: Plan, cell: Cell, error: Exception) -> PreceptorError | None:
    """Told of an allocation that failed; torch has a RuntimeError for it."""
    if not isinstance(error, MemoryError) and not _SHORT_OF_MEMORY.search(str(error)):
        return None
    return PreceptorError(
        "there is not enough memory to train or score this student",
        where=cell.id,
        found=_first_line(error),
        fix=lower_batches(plan, cell),
    )


def lower_batches(plan: Plan, cell: Cell) -> str:
    """What helps a cell that memory does not hold."""
    batch_tokens = plan.study.students[cell.student].fit.batch_tokens
    fewer = f", or fewer --jobs (now {plan.jobs})" if plan.jobs > 1 else ""
    return f"lower students.{cell.student}.fit.batch_tokens (now {batch_tokens}){fewer}"


def _unforeseen(plan: Plan, cell: Cell, error: Exception) -> PreceptorError:
    path = keep(plan, cell, "".join(traceback.format_exception(error)))
    return PreceptorError(
        "training or scoring this student ended in an error that Preceptor does not foresee",
        where=cell.id,
        found=f"{type(error).__name__}: {_first_line(error)}",
        fix=f"the traceback is in {path}; please report it, if the student's settings are right",
    )


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0] or type(error).__name__


def _lost_device(error: Exception) -> bool:
    """Whether a GPU failed under the process: it can do nothing more there, for any cell."""
    import torch

    return isinstance(error, torch.AcceleratorError) and not isinstance(
        error, torch.OutOfMemoryError
    )

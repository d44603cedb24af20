"""Several processes of ``accelerate launch``: the first runs the study, the others train with it.

All but training happens once, in the first process. Before each cell it names the cell to the
others, which load the same student and take their share of every update.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from preceptor.errors import PreceptorError

_SIZES = ("WORLD_SIZE", "PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "MV2_COMM_WORLD_SIZE")
"""where torchrun and the kinds of mpirun write how many processes there are"""
_PATIENCE = timedelta(days=30)
"""how long the others may wait for a cell, while teachers are called"""


def several() -> bool:
    """Whether ``accelerate launch`` started more than this process."""
    return any(int(os.environ.get(name, "1")) > 1 for name in _SIZES)


def refuse_jobs(jobs: int) -> None:
    """Cells are trained by all processes of a launcher, or by a process each; not both.

    Raises:
        PreceptorError: both were asked for.
    """
    if jobs > 1 and several():
        raise PreceptorError(
            "--jobs trains cells side by side, and accelerate launch trains each with all its"
            " processes",
            found=f"--jobs {jobs} under a launcher of several processes",
            expected="one of the two",
            fix="give --jobs to `preceptor run` without accelerate launch, or leave it out",
        )


def is_first() -> bool:
    """Whether this process runs the study."""
    return not several() or bool(_accelerator().is_main_process)


@contextmanager
def leading() -> Iterator[None]:
    """Let the others end when the block does.

    An error that is not this program's own may have struck in the middle of an update that the
    others wait for: the launcher ends them then.
    """
    try:
        yield
    except PreceptorError:
        announce(None)
        raise
    announce(None)


def announce(cell: str | None) -> None:
    """Name a cell to the other processes, if there are any; None for the end."""
    if several():
        _share(cell)
        if cell is None:
            _end()


def follow(train: Callable[[str], object]) -> None:
    """Train every cell that the first process names, until the end.

    Args:
        train: trains the cell of this name. What it raises of this program's own errors strikes
            the first process too, which tells it.
    """
    while (cell := _share(None)) is not None:
        try:
            train(cell)
        except PreceptorError:
            continue
    _end()


def _accelerator() -> Any:
    from accelerate import Accelerator, InitProcessGroupKwargs

    return Accelerator(kwargs_handlers=[InitProcessGroupKwargs(timeout=_PATIENCE)])


def _share(cell: str | None) -> str | None:
    """What the first process says."""
    from accelerate.utils import broadcast_object_list

    _accelerator()
    said: str | None = broadcast_object_list([cell])[0]
    return said


def _end() -> None:
    accelerator = _accelerator()
    accelerator.wait_for_everyone()
    accelerator.end_training()


@contextmanager
def variables(settings: Mapping[str, str]) -> Iterator[None]:
    """Have other environment variables in the block, as do processes that are started there."""
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value

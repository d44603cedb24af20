"""One look for every progress bar."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol

_QUIET: ContextVar[bool] = ContextVar("quiet", default=False)


class Advance(Protocol):
    """Tell the bar that work is done."""

    def __call__(self, amount: float = 1, note: str = "") -> None:
        """Add ``amount`` to what is done; ``note`` stands behind the bar from then on."""
        ...


@contextmanager
def no_bars() -> Iterator[None]:
    """While the block runs no bar is shown, nor made: one takes longer than a small model does."""
    token = _QUIET.set(True)
    try:
        yield
    finally:
        _QUIET.reset(token)


@contextmanager
def bar(label: str, total: float) -> Iterator[Advance]:
    """Show a bar with time left while the block runs, if stderr is a terminal; nothing stays.

    Args:
        label: what is being done.
        total: how much there is to do, in the unit that ``advance`` is called with.
    """
    if _QUIET.get():
        yield _ignore
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    progress = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}", markup=False),
        console=Console(stderr=True),
        transient=True,
        disable=not sys.stderr.isatty(),
    )
    with progress:
        task = progress.add_task(label, total=total, note="")

        def advance(amount: float = 1, note: str = "") -> None:
            if note:
                progress.update(task, note=note)
            progress.advance(task, amount)

        yield advance


def _ignore(amount: float = 1, note: str = "") -> None:
    """What there is to tell where no bar is."""

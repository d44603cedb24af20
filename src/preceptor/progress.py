"""One look for every progress bar."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol


class Advance(Protocol):
    """Tell the bar that work is done."""

    def __call__(self, amount: float = 1) -> None:
        """Add ``amount`` to what is done."""
        ...


@contextmanager
def bar(label: str, total: float) -> Iterator[Advance]:
    """Show a bar with time left on stderr while the block runs; nothing stays when it ends.

    Args:
        label: what is being done.
        total: how much there is to do, in the unit that ``advance`` is called with.
    """
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
        console=Console(stderr=True),
        transient=True,
    )
    with progress:
        task = progress.add_task(label, total=total)
        yield lambda amount=1: progress.advance(task, amount)

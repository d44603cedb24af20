"""Cells one after the other, or several at a time, each in a process of its own.

Workers are Python processes of their own, with their share of the cores, and on a machine with
several GPUs each with one of them. The run hands out a cell at a time, in the order of the plan,
and alone tells progress, prunes models and concludes; a worker makes the cell's part as the run
itself would, so a cell's predictions are the same for the same number of threads, whoever made
them. A worker that dies has failed its cell, and another takes its place. Workers end when the
run does, however it ends.
"""

from __future__ import annotations

import faulthandler
import multiprocessing
import os
import signal
import sys
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from multiprocessing.connection import Connection, wait
from pathlib import Path
from threading import Thread

from preceptor.errors import PreceptorError
from preceptor.store.atomic import UNFINISHED, sweep
from preceptor.study import failures, interrupts
from preceptor.study.cells import checkpoint_of, fill_cell
from preceptor.study.environment import job_threads
from preceptor.study.grid import Cell
from preceptor.study.plan import Plan
from preceptor.study.processes import variables

Told = Callable[[Cell, str | None], None]
"""called in the run's process when a cell has ended, with its error or None"""
_SPAWN = multiprocessing.get_context("spawn")


def make_cells(plan: Plan, cells: Sequence[Cell], told: Told, again: bool = False) -> None:
    """Train and score cells, ``plan.jobs`` at a time.

    Args:
        plan: the study with its data.
        cells: which; begun in this order.
        told: called as each has ended, with the error of one that failed.
        again: make them even if they are there.

    Raises:
        OSError: the disk is full, or the folder cannot be written.
        PreceptorError: a worker process cannot start.
    """
    if plan.jobs > 1 and cells:
        settings = [_settings_of(plan.jobs, number) for number in range(min(plan.jobs, len(cells)))]
        make_apart(plan, cells, told, settings, again)
        return
    with interrupts.kept():
        for cell in cells:
            told(cell, _make(plan, cell, again))


def make_apart(
    plan: Plan,
    cells: Sequence[Cell],
    told: Told,
    settings: Sequence[Mapping[str, str]],
    again: bool = False,
) -> None:
    """Train and score cells in processes of their own: one for each of ``settings``, which are
    the environment variables that it gets beside those of this process.

    Raises:
        OSError: as :func:`make_cells`.
        PreceptorError: as :func:`make_cells`.
    """
    waiting = deque(cells)
    workers = [_Worker(plan, number, own, again) for number, own in enumerate(settings)]
    try:
        while workers:
            lines = wait([worker.line for worker in workers])
            for worker in [one for one in workers if one.line in lines]:
                cell, error = worker.hear()
                if waiting and worker.lives:
                    worker.give(waiting.popleft())
                elif waiting:
                    worker.start()
                else:
                    worker.stop()
                    workers.remove(worker)
                if cell is not None:
                    told(cell, error)
    finally:
        for worker in workers:
            worker.stop()
        sweep(plan.out)


def _make(plan: Plan, cell: Cell, again: bool) -> str | None:
    """Train and score one cell in this process; its error, if it failed."""
    try:
        with failures.told(plan, cell):
            plan.cell_part(cell).make(partial(fill_cell, plan, cell), again)
        checkpoint_of(plan, cell).remove()
    except PreceptorError as error:
        return str(error)
    return None


class _Worker:
    """A process that makes one cell after another, as the run sees it.

    Attributes:
        line: says when the worker is ready for a cell, and how the last one went.
        lives: whether it can be given one.
    """

    def __init__(self, plan: Plan, number: int, settings: Mapping[str, str], again: bool) -> None:
        self._plan, self._settings, self._again = plan, settings, again
        self._log = plan.out / f"{UNFINISHED}worker-{number}.txt"
        self._cell: Cell | None = None
        self.start()

    def start(self) -> None:
        """Begin a process, which says when it is ready."""
        self.line, theirs = _SPAWN.Pipe()
        arguments = (self._plan, theirs, self._log, self._again)
        self._process = _SPAWN.Process(target=_work, args=arguments)
        with variables(self._settings), _interrupts_wait():
            self._process.start()
        theirs.close()  # else its end would not be told
        self.lives = True

    def give(self, cell: Cell) -> None:
        """Let it make a cell."""
        self._cell = cell
        with suppress(BrokenPipeError, ConnectionResetError):  # told when it is next heard
            self.line.send(cell)

    def hear(self) -> tuple[Cell | None, str | None]:
        """The cell that it has ended, None where it is ready for its first, and its error.

        Raises:
            OSError: the disk is full, or the folder cannot be written.
            PreceptorError: it died before it was ready.
        """
        cell, self._cell = self._cell, None
        try:
            said = self.line.recv()
        except (EOFError, OSError):
            self.stop()
            return cell, str(self._died(cell))
        if isinstance(said, OSError):
            raise said
        return cell, said

    def stop(self) -> None:
        """End the process at once; a cell that it was making is left unmade."""
        self.lives = False
        self._process.kill()
        self._process.join()
        self.line.close()

    def _died(self, cell: Cell | None) -> PreceptorError:
        code, log = self._process.exitcode or 0, self._log.read_text("utf-8", "replace")
        how = f"it was killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        if cell is None:
            what = "a process that should train cells cannot start"
            raise PreceptorError(what, found=f"{how}\n{log.strip()}", fix="run without --jobs")
        path = failures.keep(self._plan, cell, f"{how}\n\n{log}")
        return PreceptorError(
            "the process that trained and scored this student died",
            where=cell.id,
            found=how,
            fix=f"what it said last is in {path}; where memory was short (the system then kills"
            f" with SIGKILL), {failures.lower_batches(self._plan, cell)}",
        )


def _work(plan: Plan, line: Connection, log: Path, again: bool) -> None:
    """What a worker does: say that it is ready, make a cell, say how it went, and so on."""
    _write_to(log)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the run is told, and ends its workers
    Thread(target=_end_with_the_run, daemon=True).start()
    said: str | OSError | None = None
    while True:
        line.send(said)
        try:
            said = _make(plan, line.recv(), again)
        except OSError as error:
            said = error


def _write_to(log: Path) -> None:
    """Send all that a worker prints to a file: bars of several would overwrite each other."""
    with log.open("wb") as file:
        for stream in (sys.stdout, sys.stderr):
            os.dup2(file.fileno(), stream.fileno())
    faulthandler.enable()


def _end_with_the_run() -> None:
    run = multiprocessing.parent_process()
    assert run is not None
    run.join()
    os._exit(1)


def _settings_of(jobs: int, number: int) -> dict[str, str]:
    """A worker's share of the machine; what the user has set stays."""
    found: dict[str, str] = {}
    if "OMP_NUM_THREADS" not in os.environ:
        found["OMP_NUM_THREADS"] = str(job_threads(jobs))
    if len(devices := _devices()) > 1:
        found["CUDA_VISIBLE_DEVICES"] = devices[number % len(devices)]
    return found


def _devices() -> list[str]:
    """The GPUs that there are, as CUDA_VISIBLE_DEVICES names them."""
    import torch

    count = torch.cuda.device_count()
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    return (named.split(",") if named else [str(number) for number in range(count)])[:count]


@contextmanager
def _interrupts_wait() -> Iterator[None]:
    """Keep Ctrl-C, which goes to all processes of a terminal, from one that is being started."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)

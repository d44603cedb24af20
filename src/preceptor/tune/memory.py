"""The most memory that a stretch of work took, and what is done with memory that was freed."""

from __future__ import annotations

import ctypes
import gc
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Literal

_GLIBC = "libc.so.6"
_KEPT = 2**27
"""bytes, the largest block that is kept; the head of 49,152 words and width 576 has 113 MB"""
_MALLOPT = ((-3, _KEPT), (-1, 2**31 - 1))
"""M_MMAP_THRESHOLD and M_TRIM_THRESHOLD of mallopt(3), and what they are set to"""


class PeakMemory:
    """Measures while its block runs; ``bytes`` holds the result.

    On a GPU the most that torch had allocated there. Otherwise the most resident memory of
    this process, model and libraries included: Linux counts it exactly; elsewhere, and where
    the kernel's counter cannot be reset, it is the largest of the calls of :meth:`look`.
    """

    def __init__(self) -> None:
        self.bytes = 0
        self._exact = False

    def __enter__(self) -> PeakMemory:
        import torch

        if torch.cuda.is_available():
            torch.cuda.reset_peak_memory_stats()
        try:
            Path("/proc/self/clear_refs").write_text("5", "ascii")
            self._exact = True
        except OSError:  # no Linux, or a sandbox that keeps the counter to itself
            self._exact = False
        return self

    @property
    def of(self) -> Literal["gpu", "process"]:
        """Whose memory it is: what torch allocated on the GPU, or this process."""
        import torch

        return "gpu" if torch.cuda.is_available() else "process"

    def look(self) -> None:
        """Take the present amount into account; cheap enough for every update."""
        import psutil

        self.bytes = max(self.bytes, psutil.Process().memory_info().rss)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        import torch

        self.look()
        if torch.cuda.is_available():
            self.bytes = torch.cuda.max_memory_allocated()
        elif self._exact:
            self.bytes = max(self.bytes, high_water() or 0)


def release() -> None:
    """Give back what earlier work left behind.

    A model whose parts refer to each other goes only when Python collects its garbage, and the
    C library keeps what was freed: without this the peak of one cell grew with every cell before.
    """
    gc.collect()
    trim()


def trim() -> None:
    """Give back what was freed; quicker than :func:`release`, which looks for garbage first."""
    import torch

    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    with suppress(OSError, AttributeError):  # another C library
        ctypes.CDLL(_GLIBC).malloc_trim(0)


def reuse_freed() -> None:
    """Keep what is freed for the next update; once asked for it holds for the whole process.

    By itself glibc hands every block over 32 MB back to the kernel when it is freed, such as the
    gradient of a head, and the next update pays for each of its pages again: half the time of
    an update above a cached trunk. Larger blocks than :data:`_KEPT`, such as the logits of long
    answers, differ in size from update to update and would leave holes; they go back as before.
    """
    with suppress(OSError, AttributeError):  # another C library
        for number, value in _MALLOPT:
            ctypes.CDLL(_GLIBC).mallopt(number, value)


def high_water(process: int | None = None) -> int | None:
    """The most resident memory that a process had since its start, or since it was reset.

    Args:
        process: its id; this process if not given.

    Returns:
        Bytes; None where the kernel does not tell (it is no Linux, or the process has ended).
    """
    try:
        status = Path(f"/proc/{process or 'self'}/status").read_text("ascii")
    except OSError:
        return None
    found = next((line for line in status.splitlines() if line.startswith("VmHWM:")), None)
    return None if found is None else int(found.split()[1]) * 1024

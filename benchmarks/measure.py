"""Wall time and peak memory of a stretch of work in this process, the same for every contender."""

from __future__ import annotations

import gc
import threading
import time
from pathlib import Path
from types import TracebackType


class Meter:
    """Measures while its block runs.

    Attributes:
        seconds: wall time.
        before_bytes: resident memory at the start: interpreter, libraries, model and rows.
        peak_bytes: the most resident memory meanwhile, what was there before included: Linux's
            VmHWM, reset at the start through /proc/self/clear_refs, or the largest of samples
            taken 20 times a second where that is more (Preceptor resets the counter itself).
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self.before_bytes = 0
        self.peak_bytes = 0

    def __enter__(self) -> Meter:
        gc.collect()
        Path("/proc/self/clear_refs").write_text("5", "ascii")
        self.before_bytes = _status("VmRSS:")
        self._done = threading.Event()
        self._sampler = threading.Thread(target=self._sample, daemon=True)
        self._sampler.start()
        self._started = time.perf_counter()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.seconds += time.perf_counter() - self._started
        self._done.set()
        self._sampler.join()
        self.peak_bytes = max(self.peak_bytes, _status("VmHWM:"))

    def _sample(self) -> None:
        while not self._done.wait(0.05):
            self.peak_bytes = max(self.peak_bytes, _status("VmRSS:"))


def _status(key: str) -> int:
    lines = Path("/proc/self/status").read_text("ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(key))

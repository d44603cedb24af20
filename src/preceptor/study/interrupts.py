"""Ctrl-C that is not lost."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Timer

_AGAIN = 0.1
"""seconds until one that was dropped strikes again"""


@contextmanager
def kept() -> Iterator[None]:
    """Let a Ctrl-C that Python drops strike again.

    One that strikes in a destructor is printed and dropped, and regular expressions that
    libraries compile as they are imported end in thousands of destructors.
    """
    before = sys.unraisablehook

    def dropped(lost: sys.UnraisableHookArgs) -> None:
        if lost.exc_type is KeyboardInterrupt:
            Timer(_AGAIN, os.kill, [os.getpid(), signal.SIGINT]).start()
        else:
            before(lost)

    sys.unraisablehook = dropped
    try:
        yield
    finally:
        sys.unraisablehook = before

"""Run a command that ends with its parent: ``python guard.py COMMAND ...``.

For a server that starts processes of its own: vLLM's hold the GPU's memory, and go on where
their parent was killed. The guard's stdin ends when the parent does, whatever ended it; the
guard then ends the command with its whole process group.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress

GRACE = 10.0
"""seconds that the command has to end by itself before it is killed"""


def main() -> None:
    """Run until the command or stdin ends; exit with the command's own code."""
    # A process group of its own: all that it starts can be told to end at once.
    command = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL, start_new_session=True)
    over = threading.Event()
    for wait in (command.wait, sys.stdin.buffer.read):
        threading.Thread(target=_then_set, args=(wait, over), daemon=True).start()
    over.wait()
    _signal(command, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        command.wait(GRACE)
    _signal(command, signal.SIGKILL)
    code = command.wait()
    os._exit(code if code >= 0 else 128 - code)


def _then_set(wait: Callable[[], object], over: threading.Event) -> None:
    wait()
    over.set()


def _signal(command: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(command.pid, number)


if __name__ == "__main__":
    main()

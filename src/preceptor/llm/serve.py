"""llama.cpp's own server in a process of its own: ``python -m preceptor.llm.serve``.

A process of its own, because llama.cpp writes its log to the process's stderr, ends the
process where it fails hard, and must not share OpenMP's threads with torch. The first line of
stdin holds its settings as JSON; it ends when stdin ends, which the operating system sees to
even where the parent is killed.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any


def main() -> None:
    """Serve until stdin ends; the address is the one line on stdout."""
    settings = json.loads(sys.stdin.readline())
    try:
        server = _start(settings)
    except RuntimeError as error:
        # The reason stands in the log above.
        sys.exit(str(error))
    print(server.listening_address, flush=True)
    sys.stdin.read()
    # Nothing is worth the wait for a call in flight.
    os._exit(0)


def _start(settings: dict[str, Any]) -> Any:
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = settings["weights"]
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    # Without a key, any web page open on this machine could call the server.
    params.api_keys = [settings["key"]]
    params.n_parallel = settings["slots"]
    params.n_ctx = settings["slots"] * settings["context"]
    params.cpuparams.n_threads = settings["threads"]
    params.cpuparams_batch.n_threads = settings["threads"]
    # Each slot keeps its last prompt: a shared beginning is not read again. Measured on 2
    # cores with SmolLM2 (24 calls, 160 + 50 tokens): 140 answer tokens/s, 107 without it.
    params.cache_prompt = True
    # The further store of old prompts in memory brings nothing where none comes back.
    params.cache_ram_mib = 0
    # Errors and warnings alone.
    params.verbosity = 2
    return xllamacpp.Server(params)


if __name__ == "__main__":
    main()

"""An answer received is never paid again: killed again and again at random points."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from preceptor.llm.ledger import total

from .faulty import FaultyServer, Reply

ROWS, FLYING, KILLS = 400, 8, 6
ASKER = """
import json, sys
from pathlib import Path
from preceptor.llm import open_teacher
from preceptor.llm.chat import Message, Request
from preceptor.llm.settings import EndpointSettings
cache, ledger, url, rows, flying = sys.argv[1:]
settings = EndpointSettings(
    engine="endpoint", model="tutor", base_url=url, key_env=None, concurrency=int(flying)
)
with open_teacher(settings, Path(cache), name="gpt", ledger=Path(ledger)) as teacher:
    requests = [Request((Message("user", f"row {row}"),)) for row in range(int(rows))]
    print(json.dumps([answer.text for answer in teacher.ask(requests, "asking")]))
"""


def test_killed_again_and_again_it_pays_only_for_calls_in_flight_twice(
    server: FaultyServer, tmp_path: Path
) -> None:
    chance = random.Random(4)
    server.always = Reply(wait=0.02)
    ledger = tmp_path / "spent" / "gpt.jsonl"
    command = [sys.executable, "-c", ASKER, str(tmp_path / "answers.sqlite"), str(ledger)]
    command += [server.url, str(ROWS), str(FLYING)]
    for kill in range(1, KILLS + 1):
        asker = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        point = server.calls + chance.randint(1, 2 * ROWS // (3 * KILLS))
        while server.calls < point:
            assert asker.poll() is None, f"kill {kill}: it ended by itself"
            time.sleep(0.001)
        time.sleep(chance.uniform(0, 0.03))
        asker.send_signal(signal.SIGKILL)
        assert asker.wait(timeout=10) == -signal.SIGKILL
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert json.loads(done.stdout) == [f"echo: row {row}" for row in range(ROWS)]

    times = Counter(body["messages"][-1]["content"] for body in server.bodies)
    assert set(times) == {f"row {row}" for row in range(ROWS)}
    twice = sum(count - 1 for count in times.values())
    assert twice <= KILLS * FLYING
    told = total(ledger)
    assert told is not None
    # A kill between a line of the ledger and the answer's own counts that answer twice, as
    # it is: paid twice.
    assert ROWS <= told.calls <= server.calls
    assert told.cached == 0, "all of it was paid by this run"

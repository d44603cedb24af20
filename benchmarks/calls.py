"""What a call of a teacher costs this process, and what a row of a warm run does.

    python -m benchmarks.calls --out FILE.json

Every measurement is a process of its own. A warm-up call against another cache comes first, so
that imports are not measured. CPU is that of the client's process alone (all threads, user and
system); the server is another process, and shares the machine's cores with it.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.contest import ROOT, machine, table, write
from benchmarks.measure import Meter
from preceptor.llm import open_teacher
from preceptor.llm.cache import AnswerCache
from preceptor.llm.cached import CachedTeacher
from preceptor.llm.chat import Answer, Message, Request
from preceptor.llm.settings import EndpointSettings

TARGETS = {"seconds": 2.5, "cpu_ms": 2.5, "replay_seconds": 2.0, "growth": 1.2}
"""issue 4; the last is the peak memory of ten times the rows, as a multiple"""
SYSTEM = "You rewrite questions of patients in other words and keep their meaning. " * 4
TEXT = "A question about a patient with a history of something, asked at some length. " * 5
ADDRESS = "http://127.0.0.1:9/v1"
"""of warm runs: nobody is called"""


def requests(count: int) -> Iterator[Request]:
    """Rows of some 700 characters, none like another."""
    for number in range(count):
        yield Request((Message("system", SYSTEM), Message("user", f"{number}: {TEXT}")))


def teacher_at(address: str, cache: str, flying: int) -> CachedTeacher:
    """A teacher as a run opens it, with a ledger beside its cache."""
    settings = EndpointSettings(
        engine="endpoint", model="bench", base_url=address, key_env=None, concurrency=flying
    )
    teacher = open_teacher(settings, Path(cache), name="bench", ledger=Path(f"{cache}.jsonl"))
    assert isinstance(teacher, CachedTeacher)
    return teacher


def run(job: dict[str, Any]) -> dict[str, Any]:
    """Ask ``rows`` requests; how long that took, what CPU and how much memory.

    With ``stream`` outcomes are taken as they come and not kept, as a caller would who writes
    them out; otherwise they are a list, as ``ask`` gives it.
    """
    count = int(job["rows"])
    got = 0

    def take(place: int, outcome: Any) -> None:
        nonlocal got
        got += isinstance(outcome, Answer)

    with teacher_at(job["address"], job["cache"], job["flying"]) as teacher:
        if job["warm_up"]:
            with teacher_at(job["address"], job["cache"] + "-warm-up", job["flying"]) as other:
                other.ask(list(requests(1)), "warming up")
        asked = [] if job["stream"] else list(requests(count))
        cpu = time.process_time()
        with Meter() as meter:
            if job["stream"]:
                teacher.each(requests(count), count, "asking", take)
            else:
                got = sum(isinstance(one, Answer) for one in teacher.ask(asked, "asking"))
        cpu = time.process_time() - cpu
    if got != count:
        raise RuntimeError(f"{count - got} of {count} rows were not answered")
    return {
        "seconds": meter.seconds,
        "cpu_ms": 1000 * cpu / count,
        "before_bytes": meter.before_bytes,
        "peak_bytes": meter.peak_bytes,
    }


def fill(job: dict[str, Any]) -> dict[str, Any]:
    """Put answers to ``rows`` requests into a cache, as a run would have left them there."""
    with teacher_at(job["address"], job["cache"], 1) as teacher:
        model = {name: one for name, one in teacher.identity.items() if name != "parameters"}
        parameters = teacher.identity["parameters"]
        cache = AnswerCache(Path(job["cache"]))
        answer = Answer("A rewritten question of two hundred characters. " * 4, 150, 50, 0.5, False)
        for request in requests(job["rows"]):
            key = AnswerCache.key(model, request, parameters)
            text = json.dumps([message.content for message in request.messages])
            cache.put(key, text, answer, "bench")
        cache.close()
    return {}


def alone(what: str, **job: Any) -> dict[str, Any]:
    """Run ``run`` or ``fill`` in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.calls", "--job", json.dumps({"what": what, **job})]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE, text=True
    )
    result: dict[str, Any] = json.loads(done.stdout)
    return result


class Running:
    """The server in a process of its own."""

    def __init__(self, latency_ms: float) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.calls_server", str(latency_ms)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        self.address = self._process.stdout.readline().strip()

    def counted(self) -> dict[str, Any]:
        """What it was asked since the last time."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        found: dict[str, Any] = json.loads(self._process.stdout.readline())
        return found

    def __enter__(self) -> Running:
        return self

    def __exit__(self, *exc: object) -> None:
        self._process.communicate()


def cold(folder: Path, rows: int, latency: float, flying: int, repeats: int) -> dict[str, Any]:
    """Calls that the cache does not answer."""
    results = []
    with Running(latency) as server:
        for number in range(repeats):
            cache = str(folder / f"cold-{rows}-{latency}-{number}.sqlite")
            job = {"rows": rows, "flying": flying, "stream": rows > 1_000, "warm_up": True}
            found = alone("run", address=server.address, cache=cache, **job)
            results.append({**found, **server.counted()})
    middle = {name: median(one[name] for one in results) for name in ("seconds", "cpu_ms")}
    return {"rows": rows, "latency_ms": latency, "flying": flying, **middle, "each": results}


def warm(folder: Path, counts: Sequence[int], repeats: int) -> list[dict[str, Any]]:
    """Rows that the cache answers, as a list and as a stream."""
    cache = str(folder / "warm.sqlite")
    alone("fill", address=ADDRESS, cache=cache, rows=max(counts))
    found = []
    for rows in counts:
        for stream in (False, True):
            job = {"rows": rows, "flying": 50, "stream": stream, "warm_up": False}
            results = [alone("run", address=ADDRESS, cache=cache, **job) for _ in range(repeats)]
            names = ("seconds", "cpu_ms", "before_bytes", "peak_bytes")
            middle = {name: median(one[name] for one in results) for name in names}
            found.append({"rows": rows, "stream": stream, **middle, "each": results})
    return found


def measure(repeats: int) -> dict[str, Any]:
    """All measurements."""
    with tempfile.TemporaryDirectory(prefix="bench-calls-") as name:
        folder = Path(name)
        return {
            "machine": machine(1, ("openai", "httpx2")),
            "targets": TARGETS,
            "cold": cold(folder, 1_000, 50, 50, repeats),
            "busy": cold(folder, 10_000, 0, 50, 1),
            "warm": warm(folder, (10_000, 100_000), repeats),
        }


def judged(found: dict[str, Any]) -> dict[str, float]:
    """The figures that have a target."""
    small, large = (one for one in found["warm"] if one["stream"])
    replay = next(one for one in found["warm"] if not one["stream"])
    return {
        "seconds": found["cold"]["seconds"],
        "cpu_ms": found["cold"]["cpu_ms"],
        "replay_seconds": replay["seconds"],
        "growth": large["peak_bytes"] / small["peak_bytes"],
    }


def shown(found: dict[str, Any]) -> str:
    """The figures as Markdown."""
    rows = []
    for name in ("cold", "busy"):
        one = found[name]
        peak = max(each["peak_bytes"] for each in one["each"])
        most = min(each["most"] for each in one["each"])
        what = f"{one['rows']:,} calls, server {one['latency_ms']} ms, {most} in flight"
        rows.append(_row(what, one, peak))
    for one in found["warm"]:
        how = "streamed" if one["stream"] else "as a list"
        rows.append(_row(f"{one['rows']:,} rows from the cache, {how}", one, one["peak_bytes"]))
    figures = judged(found)
    verdicts = [
        [name, f"{figures[name]:.2f}", f"{most}", "yes" if figures[name] <= most else "NO"]
        for name, most in TARGETS.items()
    ]
    return "\n\n".join(
        [
            table(["what", "seconds", "CPU ms a row", "peak memory, MB"], rows),
            table(["figure", "measured", "at most", "met"], verdicts),
        ]
    )


def _row(what: str, one: dict[str, Any], peak: float) -> list[str]:
    return [what, f"{one['seconds']:.2f}", f"{one['cpu_ms']:.2f}", f"{peak / 1e6:.0f}"]


def main() -> int:
    """Measure and print, or be one measurement."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, help="a JSON file with every figure")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--job", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.job:
        job = json.loads(given.job)
        print(json.dumps({"run": run, "fill": fill}[job["what"]](job)))
        return 0
    found = measure(given.repeats)
    if given.out:
        write(given.out, found)
    print(shown(found))
    return int(any(one > TARGETS[name] for name, one in judged(found).items()))


if __name__ == "__main__":
    sys.exit(main())

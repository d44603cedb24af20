"""``python -m benchmarks.curation``: made examples through all filters that need no model.

The texts come from a Markov chain over the messages that ship with the project: a candidate is a
fresh message, one with a few words exchanged, a copy, or broken.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.contest import machine, table, write
from benchmarks.measure import Meter
from preceptor.curate import CurationSettings, curate, filters
from preceptor.curate.filter import Filter, Material
from preceptor.data.candidate import Candidate, Rejection
from preceptor.data.example import Example, Origin
from preceptor.llm.chat import Answer, Failure, Request
from preceptor.tasks.choice import ChoiceTask

PACKAGES = ("rensa", "numpy", "py3langid")
LIMIT_SECONDS, LIMIT_BYTES = 90.0, 1.5e9
CHOSEN = ["meta", "unchanged", "duplicates", "facts", "near", "contamination", "length", "language"]
LABELS = ("refill", "billing", "visit")
BROKEN = (
    "Sure! Here is another message: {}",
    "Dear [Your Name], {}",
    "{} and then and then and then and then and then and then",
    "I'm ready to help. What can I help you with today?",
)
Chain = dict[str, list[str]]


def main() -> None:
    """Curate, print the table, and fail where the limits do not hold."""
    args = _arguments()
    report = {"machine": machine(args.threads, PACKAGES), "rows": args.rows, **_measure(args)}
    if args.out:
        write(args.out, report)
    print(_markdown(report))
    is_good = report["seconds"] <= LIMIT_SECONDS and report["peak_bytes"] <= LIMIT_BYTES
    if args.rows >= 100_000 and not is_good:
        raise SystemExit(f"more than {LIMIT_SECONDS:.0f} s or {LIMIT_BYTES / 1e9} GB")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--rows", type=int, default=100_000, help="candidates")
    add("--round", type=int, default=10_000, help="candidates of a round")
    add("--human", type=int, default=2_000, help="human training examples")
    add("--held-out", type=int, default=2_000, help="validation and test examples")
    add("--threads", type=int, default=2, help="recorded alone; set by taskset or OMP_NUM_THREADS")
    add("--seed", type=int, default=0)
    add("--out", type=Path, help="a JSON file")
    return parser.parse_args()


class Timed:
    """A filter and the time that it took; wall time, and that of this process's processors."""

    def __init__(self, inner: Filter) -> None:
        self._inner = inner
        self.seconds = self.cpu_seconds = 0.0
        self.rows = 0

    def judge(self, examples: Sequence[Example]) -> list[Rejection | None]:
        """What the filter says."""
        wall, cpu = time.perf_counter(), time.process_time()
        verdicts = self._inner.judge(examples)
        self.seconds += time.perf_counter() - wall
        self.cpu_seconds += time.process_time() - cpu
        self.rows += len(examples)
        return verdicts


def _measure(args: argparse.Namespace) -> dict[str, Any]:
    chance = random.Random(args.seed)
    chain = _chain(_messages())
    human = _examples("h", args.human, chain, chance)
    held_out = _examples("t", args.held_out, chain, chance)
    made = _made(args.rows, human, held_out, chain, chance)
    task = ChoiceTask(kind="choice", labels=LABELS, input="{{ message }}")
    material = Material(task, human, held_out, "rewrite", args.rows, args.seed, _nobody)
    reasons: Counter[str] = Counter()
    started, started_cpu = time.perf_counter(), time.process_time()
    with Meter() as meter:
        chosen = {name: Timed(one) for name, one in filters(_settings(), material).items()}
        ready, ready_cpu = time.perf_counter() - started, time.process_time() - started_cpu
        for start in range(0, args.rows, args.round):
            of_round = [next(made) for _ in range(min(args.round, args.rows - start))]
            reasons.update(_reason(one) for one in curate(of_round, dict(chosen)))
    return {
        "seconds": ready + sum(one.seconds for one in chosen.values()),
        "cpu_seconds": ready_cpu + sum(one.cpu_seconds for one in chosen.values()),
        "making_filters": ready,
        "before_bytes": meter.before_bytes,
        "peak_bytes": meter.peak_bytes,
        "filters": {
            name: {"rows": one.rows, "seconds": one.seconds, "cpu_seconds": one.cpu_seconds}
            for name, one in chosen.items()
        },
        "verdicts": dict(reasons.most_common()),
    }


def _settings() -> CurationSettings:
    others = {name: False for name in CurationSettings().model_dump() if name != "decisions"}
    return CurationSettings.model_validate({**others, **{name: {} for name in CHOSEN}})


def _reason(one: Candidate) -> str:
    return one.rejection.reason if one.rejection else "kept"


def _nobody(requests: list[Request], label: str) -> list[Answer | Failure]:
    raise AssertionError(f"{len(requests)} calls for {label}")


def _messages() -> list[str]:
    """The messages that ship with the project."""
    folder = Path(__file__).parent.parent / "src" / "preceptor" / "demo"
    names = ("messages.jsonl", "unlabelled.jsonl")
    lines = [line for name in names for line in (folder / name).read_text("utf-8").splitlines()]
    return [json.loads(line)["message"] for line in lines]


def _chain(messages: Sequence[str]) -> Chain:
    """Which words follow which; "" begins and ends a message."""
    chain: defaultdict[str, list[str]] = defaultdict(list)
    for message in messages:
        words = ["", *message.split(), ""]
        for one, following in itertools.pairwise(words):
            chain[one].append(following)
    return dict(chain)


def _fresh(chain: Chain, chance: random.Random) -> str:
    """A message of 11 to 40 words."""
    words: list[str] = []
    while len(words) < 11 or (words[-1] and len(words) < 40):
        words.append(chance.choice(chain[words[-1] if words else ""]))
    return " ".join(word for word in words if word)


def _examples(prefix: str, count: int, chain: Chain, chance: random.Random) -> list[Example]:
    return [
        Example(f"{prefix}{n}", {"message": _fresh(chain, chance)}, LABELS[n % 3])
        for n in range(count)
    ]


def _made(
    rows: int,
    human: Sequence[Example],
    held_out: Sequence[Example],
    chain: Chain,
    chance: random.Random,
) -> Iterator[Candidate]:
    known = list(chain)
    before = [one.inputs["message"] for one in held_out]
    for number in range(rows):
        parent = human[number % len(human)]
        text, operation = _text(parent.inputs["message"], before, chain, known, chance)
        before[chance.randrange(len(before))] = text
        origin = Origin("bench", operation, (parent.id,))
        yield Candidate(Example(f"c{number}", {"message": text}, "refill", origin=origin), text)


def _text(
    original: str, before: Sequence[str], chain: Chain, known: Sequence[str], chance: random.Random
) -> tuple[str, str]:
    """A text and its operation: 67 % fresh, 15 % the original with words exchanged, 12 % near to
    an earlier one, 3 % copies, 3 % broken."""
    kind = chance.random()
    if kind < 0.03:
        return original, "rewrite"
    if kind < 0.06:
        return chance.choice(BROKEN).format(original), "create"
    if kind < 0.33:
        words = (original if kind < 0.21 else chance.choice(before)).split()
        for _ in range(chance.randrange(1, 6)):
            words[chance.randrange(len(words))] = chance.choice(known)
        return " ".join(words), "rewrite" if kind < 0.21 else "create"
    return _fresh(chain, chance), "create"


def _markdown(report: dict[str, Any]) -> str:
    whole = {key: report[key] for key in ("rows", "seconds", "cpu_seconds")}
    rows = [
        [name, str(one["rows"]), f"{one['seconds']:.1f}", f"{one['cpu_seconds']:.1f}", _rate(one)]
        for name, one in {**report["filters"], "all": whole}.items()
    ]
    lines = [table(["filter", "rows", "seconds", "CPU seconds", "rows a second"], rows)]
    peak, start = report["peak_bytes"] / 1e9, report["before_bytes"] / 1e9
    lines += ["", f"Peak memory {peak:.2f} GB ({start:.2f} GB before). {report['verdicts']}"]
    return "\n".join(lines)


def _rate(one: dict[str, Any]) -> str:
    return f"{one['rows'] / one['seconds']:.0f}" if one["seconds"] else "-"


if __name__ == "__main__":
    main()

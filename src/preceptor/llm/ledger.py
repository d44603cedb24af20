"""Every answer that a run used, a line each: ``RUN/spent/TEACHER.jsonl``."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from preceptor.llm.chat import Answer, Failure, Usage
from preceptor.llm.keyset import SHOWN, KeySet


class Ledger:
    """What a run paid a teacher and what it took from the cache, kept as it comes.

    Attributes:
        paid: calls, failed ones and tokens that this run paid, earlier starts of it included.

    A line is written before the answer is kept, so that a killed run has counted all that it
    kept. What was answered by the cache has a line only where no line of its key is there: an
    answer that two arms share counts once.

    Args:
        path: the file; made with its folder at the first line. One process writes it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: IO[bytes] | None = None
        self._seen = KeySet()
        self.paid: Counter[str] = Counter()
        for line in read(path):
            self._seen.add(line["key"])
            if line["paid"]:
                self.paid.update(_counts(line))

    def pay(self, key: str, outcome: Answer | Failure) -> None:
        """Note a call that was made just now, whatever came of it."""
        self._seen.add(key)
        line = _line(key, outcome, paid=True)
        self.paid.update(_counts(line))
        self._write([line])

    def use(self, outcomes: Mapping[str, Answer | Failure]) -> None:
        """Note what the cache answered, by key."""
        fresh = [key for key in outcomes if self._seen.add(key)]
        self._write([_line(key, outcomes[key], paid=False) for key in fresh])

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _write(self, lines: list[dict[str, Any]]) -> None:
        if not lines:
            return
        if self._file is None:
            self._file = _opened(self._path)
        try:
            self._file.write("".join(json.dumps(line) + "\n" for line in lines).encode())
        except OSError as error:
            error.filename = str(self._path)  # write() leaves it out
            raise


def read(path: Path) -> Iterator[dict[str, Any]]:
    """The lines of a ledger; a last one that a lost disk write cut off is no line."""
    if path.is_file():
        with path.open("rb") as file:
            yield from (json.loads(line) for line in file if line.endswith(b"\n"))


def total(path: Path) -> Usage | None:
    """All that a run used of a teacher, each answer once; None where there is no ledger.

    Without seconds and cost: lines know tokens alone.
    """
    if not path.is_file():
        return None
    used: Counter[str] = Counter()
    for line in read(path):
        used.update(_counts(line))
    return Usage(**dict[str, Any](used))


def _opened(path: Path) -> IO[bytes]:
    path.parent.mkdir(parents=True, exist_ok=True)
    file = path.open("ab", buffering=0)
    written = path.read_bytes()
    if not written.endswith(b"\n"):
        file.truncate(written.rfind(b"\n") + 1)
    return file


def _line(key: str, outcome: Answer | Failure, paid: bool) -> dict[str, Any]:
    return {
        "key": key[:SHOWN],
        "paid": paid,
        "prompt_tokens": outcome.prompt_tokens,
        "completion_tokens": outcome.completion_tokens,
        "failure": outcome.cause if isinstance(outcome, Failure) else "",
        "full_price": outcome.full_price,
    }


def _counts(line: Mapping[str, Any]) -> dict[str, int]:
    prompt, completion = line["prompt_tokens"], line["completion_tokens"]
    counts = {
        "calls" if line["paid"] else "cached": 1,
        "failed": int(bool(line["failure"])),
        "prompt_tokens": prompt,
        "completion_tokens": completion,
    }
    if line.get("full_price"):  # earlier versions did not say
        counts |= {"full_prompt_tokens": prompt, "full_completion_tokens": completion}
    if line["paid"]:
        return counts
    return {**counts, "cached_prompt_tokens": prompt, "cached_completion_tokens": completion}

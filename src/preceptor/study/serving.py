"""What answering takes: time, memory and size, measured where the answers are given anyway."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from preceptor.data.example import Example
from preceptor.evaluate.latency import MOST, Latency, latency, of_seconds
from preceptor.llm.chat import Answer, Failure, Usage
from preceptor.progress import no_bars
from preceptor.study.measures import foreseen, written
from preceptor.study.predictor import Predictor
from preceptor.study.spec import EncoderStudent
from preceptor.study.training import scored
from preceptor.tasks import TextTask

_THOUSAND = 1000
_DRAW = "latency"
"""draws the timed examples: the same ones of a test split in every cell"""


@dataclass(frozen=True, slots=True)
class Scoring:
    """Predictions of some splits, and what giving them took.

    Attributes:
        rows: a row an example and reading.
        metrics: by split and reading.
        seconds: of the scoring, without the answers that were timed one by one.
        serving: what ``results.json`` calls so.
    """

    rows: list[dict[str, Any]]
    metrics: dict[str, Any]
    seconds: float
    serving: dict[str, Any]


def scored_and_timed(
    predictor: Predictor,
    held_out: Mapping[str, Sequence[Example]],
    title: str,
    *,
    one_by_one: bool,
) -> Scoring:
    """Score some splits, and measure how fast and in how much memory the answers come.

    Memory is the most while the splits are scored in batches and some answers given alone; what
    training left behind is given back before.

    Args:
        predictor: a model that may be asked.
        held_out: examples by split; those of ``test`` are timed.
        title: for progress bars.
        one_by_one: whether to time answers one by one, too.
    """
    from preceptor.tune.memory import PeakMemory, trim

    trim()
    predictor.paces.clear()
    with PeakMemory() as memory:
        started = time.perf_counter()
        rows, metrics = scored(predictor, held_out, title)
        seconds = time.perf_counter() - started
        told = _paced(predictor)
        if one_by_one and held_out.get("test"):
            told |= _told(_alone(predictor, held_out["test"]))
    return Scoring(
        rows, metrics, seconds, {**told, "memory_bytes": memory.bytes, "memory_of": memory.of}
    )


def reading_of(predictor: Predictor) -> str:
    """How the model is timed: the reading that comparisons rest on; of a free answer, writing it.

    Where nothing is written, a given answer's tokens are foreseen, and the page says so.
    """
    if isinstance(predictor.task, TextTask):
        writes = written.READING in predictor.task.score_by
        return written.READING if writes else foreseen.READING
    student = predictor.student
    return "classifier" if isinstance(student, EncoderStudent) else student.readings[0]


def _paced(predictor: Predictor) -> dict[str, Any]:
    """Answers a second, in the batches of scoring."""
    reading = reading_of(predictor)
    pace = predictor.paces[reading]
    rate = pace.answers / pace.seconds if pace.answers and pace.seconds else None
    return {"reading": reading, "answers_per_second": rate}


def _alone(predictor: Predictor, test: Sequence[Example]) -> Latency:
    """From an example to its answer, one at a time, the template and the tokenizer included."""
    reading, cut = reading_of(predictor), predictor.inputs.cut
    chosen = random.Random(_DRAW).sample(list(test), min(MOST, len(test)))

    def answer(example: Example) -> None:
        if reading == foreseen.READING:
            predictor.foresee([example], "")
        else:
            predictor.read(reading, [predictor.inputs.shown(example)], "")

    # The weights are made ready once, as where a model is served.
    with predictor.precision(), no_bars():
        found = latency(answer, chosen)
    predictor.inputs.cut = cut
    return found


def asked(
    outcomes: Sequence[Answer | Failure], usage: Usage, at_once: int | None
) -> dict[str, Any]:
    """The same of a teacher that is called, from the times of its calls.

    An answer from the cache has the time of the call that it came by. Where no time is known (a
    batch tells none), an answer is left out and counted as ``untimed``.

    Args:
        outcomes: what came back.
        usage: what these calls took.
        at_once: how many may have been in flight together; None where that is not known.
    """
    seconds = [one.seconds for one in outcomes if one.seconds > 0]
    return {
        **(_told(of_seconds(seconds)) if seconds else {}),
        "untimed": len(outcomes) - len(seconds),
        "at_once": at_once,
        "answers_per_second": usage.calls / usage.seconds
        if usage.calls and usage.seconds
        else None,
        "prompt_tokens": usage.prompt_tokens / len(outcomes) if outcomes else None,
        "completion_tokens": usage.completion_tokens / len(outcomes) if outcomes else None,
        "cost_per_1000": None
        if usage.cost is None or not outcomes
        else _THOUSAND * usage.cost / len(outcomes),
        "currency": usage.currency,
    }


def _told(found: Latency) -> dict[str, Any]:
    told = asdict(found)
    return {f"latency_{name}" if name != "items" else name: value for name, value in told.items()}

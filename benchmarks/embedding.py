"""Rows per second of the filters that embed, on this machine: python -m benchmarks.embedding

Rows are made of words drawn from a fixed list, as short as CLINC150's (8 words) or as long as
SciCite's (30), none alike; the human data are 1,000 of them, the held-out data 2,000. Rows per
second hold for a machine that is left alone; rows per processor second, of all threads together,
suffer less where it is not.
"""

from __future__ import annotations

import argparse
import os
import random
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from benchmarks.measure import Meter
from preceptor.curate import labels, meaning, semantic
from preceptor.curate.filter import Material
from preceptor.curate.labels import StudentLabels
from preceptor.curate.meaning import MeaningSettings
from preceptor.curate.semantic import SemanticSettings
from preceptor.data.example import Example, Origin
from preceptor.llm.chat import Answer, Failure, Request
from preceptor.models import embedding
from preceptor.tasks.choice import ChoiceTask

LABELS = tuple("abcdefgh")
_WORDS = """appointment arm bill blood clinic cough daughter doctor dose ear evening fever form hand
hospital insurance itch knee letter medicine message morning night nurse pain pharmacy phone pill
plan pressure question rash result school scan sister sleep son stomach sugar tablet test throat
tooth visit weather week weight work worry yesterday a again and before but can could every for
from have how I if in is it may my never not of on or since so that the then to was we what when
where will with without you"""
WORDS = _WORDS.split()


def rows(count: int, words: int, seed: int, name: str) -> Iterator[Example]:
    rng = random.Random(seed)
    for number in range(count):
        # A quarter of the words tell the label, so that the student has something to learn.
        length = max(4, round(rng.gauss(words, words / 4)))
        drawn = rng.choices(WORDS, k=length) + [WORDS[number % 8]] * (length // 4)
        text = " ".join(rng.sample(drawn, length))
        parent = Origin("teacher", "rewrite", (f"human-{number % 1000}",))
        yield Example(f"{name}-{number}", {"text": text}, LABELS[number % 8], origin=parent)


def nobody(requests: list[Request], label: str) -> list[Answer | Failure]:
    raise RuntimeError(f"{len(requests)} calls for {label}")


def material(words: int) -> Material:
    human, held_out = rows(1000, words, 0, "human"), rows(2000, words, 1, "held-out")
    task = ChoiceTask(kind="choice", labels=LABELS, input="{{ text }}")
    return Material(task, list(human), list(held_out), "rewrite", 1000, 0, nobody)


def measured(name: str, words: int, made: Sequence[Example], filter: Callable[[], Any]) -> None:
    embedding._loaded.cache_clear()  # what one filter embedded would be a gift to the next
    embedding.embedder().embed(["warm"])
    one = filter()
    one.judge(made[:1])  # human and held-out data are embedded once, and not counted
    before = time.process_time()
    with Meter() as meter:
        rejected = sum(verdict is not None for verdict in one.judge(made[1:]))
    processor = time.process_time() - before
    print(
        f"| {name} | {words} | {len(made):,} | {meter.seconds:.1f} |"
        f" {len(made) / meter.seconds:,.0f} | {len(made) / processor:,.0f} |"
        f" {meter.peak_bytes / 1e9:.2f} | {rejected:,} |",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    asked = parser.parse_args()
    import torch
    from threadpoolctl import threadpool_limits

    torch.set_num_threads(asked.threads)
    print(f"{asked.threads} threads, load {os.getloadavg()[0]:.1f}\n")
    print("| filter | words | rows | s | rows/s | rows per processor second | peak GB | rejected |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|")
    with threadpool_limits(asked.threads):
        for words in (8, 30):
            about, made = material(words), list(rows(asked.rows, words, 2, "made"))
            for name, make in {
                "semantic": lambda about: semantic.make(SemanticSettings(), about),
                "semantic, contamination": lambda about: semantic.make(
                    SemanticSettings(contamination=True), about
                ),
                "meaning": lambda about: meaning.make(MeaningSettings(), about),
                "labels by student": lambda about: labels.make(StudentLabels(by="student"), about),
            }.items():
                measured(name, words, made, lambda make=make, about=about: make(about))


if __name__ == "__main__":
    main()

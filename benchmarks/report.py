"""``python -m benchmarks.report``: a report of 50 cells, 500 test items each and 10,000 made rows.

The run folder is made up, but the project's own writers make it: a study is planned, every part is
filled with drawn predictions and made rows where a run would train and ask, and the results are put
together as a run does it.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import subprocess
import sys
import tempfile
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.contest import machine, table, write
from benchmarks.curation import Chain, _chain, _fresh, _messages
from preceptor.augment.operation import rows_of
from preceptor.data.candidate import Candidate, Rejection, write_candidates
from preceptor.data.example import Example, Origin, read_examples, write_examples
from preceptor.llm.chat import Usage
from preceptor.store.atomic import write_json, write_text
from preceptor.store.tables import write_rows
from preceptor.study.arms.fill import fill_arm
from preceptor.study.arms.funnel import funnel, reasons
from preceptor.study.environment import environment
from preceptor.study.file import load_study
from preceptor.study.grid import Cell
from preceptor.study.measures import choice
from preceptor.study.plan import Plan
from preceptor.study.predictor import Predictions
from preceptor.study.results import collect
from preceptor.study.run import _fill_data, study_text
from preceptor.study.teachers.staff import Staff

PACKAGES = ("matplotlib", "jinja2", "pyarrow", "scipy")
REPORT_SECONDS, PAGE_BYTES, STATISTICS_SECONDS = 10.0, 8e6, 20.0
LABELS = ("refill", "billing", "visit", "symptom", "result", "advice", "referral", "other")
SKILL = {"none": 0.62, "repeat": 0.63, "rewrite": 0.68, "create": 0.58, "combined": 0.66}
FAULTS = (("meta", "meta talk"), ("near", "near duplicate"), ("contamination", "contamination"))
STUDY = f"""\
name: bench-report
description: A made-up run, to see how fast its page is written.
seeds: SEEDS
task:
  kind: choice
  labels: [{", ".join(LABELS)}]
  input: "{{{{ message }}}}"
data:
  reader: table
  files: {{train: train.jsonl, validation: validation.jsonl, test: test.jsonl}}
  columns: {{id: id, target: kind, inputs: [message]}}
  train: {{per_label: 10}}
teachers:
  writer: {{engine: endpoint, base_url: "http://127.0.0.1:9/v1", model: nobody}}
arms:
  none: none
  repeat: {{operation: repeat, amount: 8x}}
  rewrite: {{operation: rewrite, amount: 8x}}
  create: {{operation: create, amount: 8x}}
  combined: {{operation: mix, of: [rewrite, create]}}
students:
  minilm: {{kind: encoder, weights: minilm, method: {{name: full, learning_rate: 1.0e-4}}}}
  minilm-fast: {{kind: encoder, weights: minilm, method: {{name: full, learning_rate: 3.0e-4}}}}
budget: {{steps: 200}}
"""


def main() -> None:
    """Make the folder, time what reads it, print the table, and fail where a limit is passed."""
    args = _arguments()
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch:
        plan = _plan(args, args.keep or Path(scratch))
        _fill(plan, args)
        statistics, cpu = _timed(lambda: _conclude(plan))
        report = {
            "machine": machine(args.threads, PACKAGES),
            "cells": len(plan.cells),
            "statistics_seconds": statistics,
            "statistics_cpu_seconds": cpu,
            **_report(plan.out),
        }
    if args.out:
        write(args.out, report)
    print(_markdown(report))
    if report["cells"] >= 50 and (missed := _missed(report)):
        raise SystemExit("; ".join(missed))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--seeds", type=int, default=5, help="10 cells each")
    add("--items", type=int, default=500, help="test items")
    add("--made", type=int, default=1000, help="made rows of an arm and seed; two arms are made")
    add("--threads", type=int, default=2, help="recorded alone; set by taskset or OMP_NUM_THREADS")
    add("--keep", type=Path, help="a new folder for the run, to look at the page")
    add("--out", type=Path, help="a JSON file")
    return parser.parse_args()


def _plan(args: argparse.Namespace, folder: Path) -> Plan:
    chance = random.Random(0)
    chain = _chain(_messages())
    sizes = {"train": 400, "validation": 100, "test": args.items}
    for split, size in sizes.items():
        rows = [
            {"id": f"{split}-{n}", "message": _fresh(chain, chance), "kind": LABELS[n % 8]}
            for n in range(size)
        ]
        write_text(folder / f"{split}.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    write_text(folder / "study.yaml", STUDY.replace("SEEDS", str(args.seeds)))
    study = load_study(folder / "study.yaml", ())
    return Plan(study, folder, folder / "run", "preceptor run study.yaml --out run")


def _fill(plan: Plan, args: argparse.Namespace) -> None:
    """Every part of the run, as the project's writers leave it."""
    chain = _chain(_messages())
    write_text(plan.out / "study.yaml", study_text(plan))
    plan.data_part.make(partial(_fill_data, plan))
    with Staff(plan) as staff:
        for name, seed in plan.arms:
            taught = name in plan.study.teaching()
            fill: Callable[[Path], None] = (
                partial(_taught, plan, (name, seed), args.made, chain)
                if taught
                else partial(fill_arm, plan, name, seed, staff)
            )
            plan.arm_part(name, seed).make(fill)
    for seed in plan.draw_seeds:
        plan.baselines_part(seed).make(partial(_baselines, plan, seed))
    for cell in plan.cells:
        plan.cell_part(cell).make(partial(_cell, plan, cell))


def _taught(plan: Plan, arm: tuple[str, int], size: int, chain: Chain, folder: Path) -> None:
    """An arm and draw seed whose rows a teacher would have written."""
    name, seed = arm
    chance = random.Random(f"{name}/{seed}")
    human = plan.human(seed, None)
    wanted = rows_of(plan.study.arms[name].amount, len(human))
    candidates = list(_candidates(f"{name}-{seed}", size, human, chain, chance))
    kept = [one.example for one in candidates if one.rejection is None]
    write_candidates(folder / "made.parquet", candidates)
    write_examples(folder / "train.parquet", [*human, *kept])
    record = {
        "seed": seed,
        "human": len(human),
        "wanted": wanted,
        "kept": len(kept),
        "requests": size,
        "shortfall": max(0, wanted - len(kept)),
        "rejected": reasons(candidates),
        "filters": [one for one, _ in FAULTS],
        "funnel": funnel(candidates, None, LABELS),
        "usage": Usage(calls=size, prompt_tokens=200 * size, completion_tokens=40 * size).as_dict(),
    }
    write_json(folder / "arm.json", record)


def _candidates(
    name: str, size: int, human: Sequence[Example], chain: Chain, chance: random.Random
) -> Iterator[Candidate]:
    """Two thirds of a parent's words and fresh ones after them; one in five is rejected."""
    for number in range(size):
        parent = human[number % len(human)]
        words = parent.inputs["message"].split()
        text = " ".join([*words[: len(words) * 2 // 3], _fresh(chain, chance)])
        origin = Origin("writer", name.partition("-")[0], (parent.id,))
        read = Example(f"{name}-{number}", {"message": text}, parent.target, origin=origin)
        by, reason = chance.choice(FAULTS)
        bad = Rejection(reason, text[:30], filter=by) if chance.random() < 0.2 else None
        yield Candidate(read, text, bad)


def _baselines(plan: Plan, seed: int, folder: Path) -> None:
    targets = [str(one.target) for one in plan.drawn(seed).test]
    common = Counter(str(one.target) for one in plan.drawn(seed).train).most_common(1)[0][0]
    found = Predictions([common] * len(targets), None, None)
    metrics = choice.measured(found, plan.drawn(seed).test, LABELS)
    write_json(
        folder / "baselines.json",
        [{"name": "majority", "split": "test", "seed": seed, "metrics": metrics}],
    )


def _cell(plan: Plan, cell: Cell, folder: Path) -> None:
    """A student that would have been trained: right with its arm's skill, and as sure."""
    chance = np.random.default_rng(zlib.crc32(cell.id.encode()))
    splits = plan.drawn(plan.study.draw_seed(cell.seed))
    rows: list[dict[str, Any]] = []
    metrics = {}
    for split, examples in (("validation", splits.validation), ("test", splits.test)):
        found = _predictions(examples, SKILL[cell.arm] + chance.normal(0, 0.01), chance)
        metrics[split] = {"classifier": choice.measured(found, examples, LABELS)}
        rows += [
            {"split": split, "id": one.id, "target": one.target, "reading": "classifier"}
            | {"prediction": said, "text": None, "probabilities": sure.tolist()}
            for one, said, sure in zip(examples, found.labels, found.probabilities, strict=True)
        ]
    write_rows(folder / "predictions.parquet", rows, choice.COLUMNS)
    history = [
        {"update": n, "loss": 2 * math.exp(-n / 60) + 0.1 * chance.random(), "learning_rate": 1e-4}
        for n in range(1, 201)
    ]
    write_json(folder / "history.json", history)
    trained = len(read_examples(plan.arm_part(cell.arm, cell.seed).folder / "train.parquet"))
    record = {
        "rows": trained,
        "left_out": [],
        "splits": metrics,
        "trainable_parameters": 22_716_296,
        "total_parameters": 22_716_296,
        "updates": 200,
        "seconds": 20.0,
        "peak_memory_bytes": 1_000_000_000,
        "looks": [],
        "best_update": 200,
        "precision": "bf16",
        "device": "cpu",
        "processes": 1,
        "tokens": 100_000,
        "scoring_seconds": 1.0,
        "environment": environment(),
        "cut": {},
    }
    write_json(folder / "result.json", record)


def _predictions(
    examples: Sequence[Example], skill: float, chance: np.random.Generator
) -> Predictions:
    logits = chance.normal(0, 1, (len(examples), len(LABELS)))
    for place, example in enumerate(examples):
        best = LABELS.index(str(example.target))
        if chance.random() > skill:
            best = (best + 1 + int(chance.integers(3))) % len(LABELS)
        logits[place, best] += 4
    sure = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    return Predictions([LABELS[place] for place in sure.argmax(1)], sure, None)


def _conclude(plan: Plan) -> None:
    write_json(plan.out / "results.json", collect(plan, [], True))


def _timed(work: Callable[[], None]) -> tuple[float, float]:
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu


def _report(run: Path) -> dict[str, Any]:
    """The command as a user gives it, its start and its imports included."""
    import resource

    command = [sys.executable, "-m", "preceptor", "report", str(run)]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    seconds = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    files = [path for path in (run / "report").rglob("*") if path.is_file()]
    return {
        "report_seconds": seconds,
        "report_cpu_seconds": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        "page_bytes": (run / "report" / "index.html").stat().st_size,
        "folder_bytes": sum(path.stat().st_size for path in files),
        "figures": sum(path.suffix == ".png" for path in files),
        "opens_seconds": _opened(run / "report" / "index.html"),
    }


def _opened(page: Path) -> float | None:
    """Until the page has loaded in Chromium, which has started before; None without one."""
    from tests.report.browser import CHROMIUM, Browser

    if CHROMIUM is None:
        return None
    with Browser() as browser:
        browser.open(page)
        return browser.open(page)


def _missed(report: dict[str, Any]) -> list[str]:
    limits = {
        "report_seconds": REPORT_SECONDS,
        "page_bytes": PAGE_BYTES,
        "statistics_seconds": STATISTICS_SECONDS,
    }
    return [
        f"{name} {report[name]:.3g}, at most {most:.3g}"
        for name, most in limits.items()
        if report[name] > most
    ]


def _markdown(report: dict[str, Any]) -> str:
    opens = report["opens_seconds"]
    rows = [
        ["put the results together", _both(report, "statistics"), f"{STATISTICS_SECONDS:.0f} s"],
        ["`preceptor report`", _both(report, "report"), f"{REPORT_SECONDS:.0f} s"],
        ["index.html", f"{report['page_bytes'] / 1e6:.2f} MB", f"{PAGE_BYTES / 1e6:.0f} MB"],
        ["opens in Chromium", "not there" if opens is None else f"{opens:.2f} s", ""],
    ]
    return (
        f"{report['cells']} cells, {report['figures']} figures, "
        f"{report['folder_bytes'] / 1e6:.1f} MB in all\n\n"
        + table(["what", "took", "at most"], rows)
    )


def _both(report: dict[str, Any], name: str) -> str:
    return f"{report[f'{name}_seconds']:.1f} s ({report[f'{name}_cpu_seconds']:.1f} s CPU)"


if __name__ == "__main__":
    main()

"""``python -m benchmarks.tune.run``: one work through all contenders, side by side."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.contest import alone, contest, machine, summary, table, write
from benchmarks.tune import ours, rows
from benchmarks.tune.works import WORKS, Work

WEIGHT_DECAY = 0.01
MAX_GRAD_NORM = 1.0
CONTENDERS = {
    "preceptor": "benchmarks.tune.ours:run",
    "trl": "benchmarks.tune.peers:trl",
    "plain": "benchmarks.tune.peers:plain",
}


def main() -> None:
    """Run it, write the JSON, print the table."""
    args = _arguments()
    work = WORKS[args.work]
    before = machine(args.threads)
    job = _job(args, work)
    tried = {} if args.trl_micro else _micro(job, args)
    best = args.trl_micro or min(tried, key=lambda rows: tried[rows]["seconds_an_update"])
    jobs = {name: (CONTENDERS[name], job) for name in CONTENDERS if name in args.contenders}
    if "trl" in jobs:
        jobs["trl"] = (CONTENDERS["trl"], job | {"micro_rows": best, "order": args.trl_order})
    repeats = args.repeats or (3 if len(work.rates) == 1 else 1)
    results = contest(jobs, repeats, args.threads)
    report = {
        "work": args.work,
        "machine": before,
        "job": {key: value for key, value in job.items() if key not in ("rows", "plan")},
        "trl_order": args.trl_order,
        "data": rows.account([rows.TokenRow(*row) for row in job["rows"]]),
        "trl_micro_batches": tried,
        "contenders": {name: summary(runs) for name, runs in results.items()},
    }
    report["ratios"] = _ratios(report["contenders"])
    report["losses_apart"] = _apart(report["contenders"])
    write(args.out, report)
    print(_markdown(report, work))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--work", choices=WORKS, required=True)
    add("--rows", type=int, default=96, help="rows of the work")
    add("--updates", type=int, help="optimiser updates (default: the work's number of epochs)")
    add("--update-rows", type=int, default=8, help="rows of an update")
    add("--micro-rows", type=int, default=4, help="rows of a micro-batch: ours and the plain loop")
    add("--max-length", type=int, default=512, help="tokens of a MedQuAD row at most")
    add("--dtype", choices=["fp32", "bf16"], default="bf16")
    add("--threads", type=int, default=2)
    add("--repeats", type=int, help="default: 3; 1 for a work of several settings")
    add("--calibrate", type=int, default=3, help="updates of each trial of TRL's micro-batch")
    add("--trl-micro", type=int, help="TRL's micro-batch in rows: tries no others")
    add(
        "--trl-order",
        choices=["planned", "random", "group_by_length"],
        default="planned",
        help="planned: the same rows in every update as the others; else its own sampler",
    )
    add("--contenders", nargs="+", choices=CONTENDERS, default=list(CONTENDERS))
    add("--seed", type=int, default=0)
    add("--weights", default="smollm2")
    add("--data", type=Path, default=os.environ.get("DATA"), help="default: $DATA")
    add("--shortest", action="store_true", help="the shortest rows: for a smoke test only")
    add("--out", type=Path, required=True)
    args = parser.parse_args()
    if args.data is None:
        parser.error("name the folder with the data: --data, or DATA in the environment")
    if args.rows % args.update_rows or args.update_rows % args.micro_rows:
        parser.error("--rows must be whole updates, --update-rows whole micro-batches")
    args.data = Path(args.data)
    return args


def _job(args: argparse.Namespace, work: Work) -> dict[str, Any]:
    from preceptor.models.loading import load_tokenizer
    from preceptor.models.weights import resolve

    weights = resolve(args.weights)
    # No PubMedQA row of SmolLM2 is longer than 825 tokens: none is left out for its length.
    limit = args.max_length if work.rows == "medquad" else 2048
    made = rows.read(
        work.rows, args.data, load_tokenizer(weights), args.rows, limit, shortest=args.shortest
    )
    lengths = [len(row.tokens) for row in made]
    job: dict[str, Any] = {
        "weights": str(weights.folder),
        "method": work.method,
        "rows": [list(row) for row in made],
        "updates": args.updates or work.epochs * args.rows // args.update_rows,
        "update_rows": args.update_rows,
        "micro_rows": args.micro_rows,
        "micro_tokens": max(16, args.micro_rows * max(lengths)),
        "max_grad_norm": MAX_GRAD_NORM,
        "dtype": args.dtype,
        "seed": args.seed,
        "settings": [{"learning_rate": r, "weight_decay": WEIGHT_DECAY} for r in work.rates],
    }
    return job | {"plan": _plan(lengths, job)}


def _plan(lengths: Sequence[int], job: dict[str, Any]) -> list[list[int]]:
    plan = ours.plan(lengths, job)
    if {len(update) for update in plan} != {job["update_rows"]}:
        raise SystemExit("an update of the plan has another number of rows: TRL cannot follow it")
    return plan


def _micro(job: dict[str, Any], args: argparse.Namespace) -> dict[int, dict[str, float]]:
    """TRL's seconds and memory with every micro-batch, over a few updates of one setting.

    The first update, which pays for what is done once, counts only where it is alone.
    """
    if "trl" not in args.contenders:
        return {0: {"seconds_an_update": 0.0}}
    updates = min(args.calibrate, job["updates"])
    # Not the first updates but those spread over the plan, so that their rows are typical.
    chosen = [job["plan"][i * len(job["plan"]) // updates] for i in range(updates)]
    short = {"plan": chosen, "updates": updates, "settings": job["settings"][:1]}
    tried: dict[int, dict[str, float]] = {}
    for size in (1, 2, 4, 8):
        if job["update_rows"] % size == 0:
            trial = job | short | {"micro_rows": size, "order": "planned"}
            result = alone(CONTENDERS["trl"], trial, args.threads)
            times = result["update_seconds"]
            kept = times[1:] or times
            tried[size] = {
                "seconds_an_update": sum(kept) / len(kept),
                "peak_bytes": result["peak_bytes"],
            }
            print(f"trl, {size} rows: {tried[size]['seconds_an_update']:.2f} s", file=sys.stderr)
    return tried


def _ratios(contenders: dict[str, Any]) -> dict[str, Any]:
    """Each peer's time over ours, and our memory over each peer's."""
    if "preceptor" not in contenders:
        return {}
    mine = contenders["preceptor"]
    return {
        name: {
            "times_as_fast": it["median_seconds"] / mine["median_seconds"],
            "share_of_memory": mine["median_peak_bytes"] / it["median_peak_bytes"],
            "share_of_memory_beyond_model": _beyond(mine) / max(1, _beyond(it)),
        }
        for name, it in contenders.items()
        if name != "preceptor"
    }


def _beyond(contender: dict[str, Any]) -> float:
    return float(contender["median_peak_bytes"] - contender["median_before_bytes"])


def _apart(contenders: dict[str, Any]) -> dict[str, dict[str, float]]:
    """The largest difference of an update's loss from the plain loop's, and of the mean loss."""
    if "plain" not in contenders:
        return {}
    base = [loss for setting in contenders["plain"]["losses"] for loss in setting]
    apart = {}
    for name, it in contenders.items():
        losses = [loss for setting in it["losses"] for loss in setting]
        gaps = [abs(a - b) for a, b in zip(losses, base, strict=True)]
        mean = abs(sum(losses) - sum(base)) / len(base)
        apart[name] = {"largest": max(gaps), "of_the_mean": mean}
    return apart


def _markdown(report: dict[str, Any], work: Work) -> str:
    targets = dict(zip(("trl", "plain"), work.targets, strict=True))
    lines = []
    for name, it in report["contenders"].items():
        ratio = report["ratios"].get(name)
        apart = report["losses_apart"].get(name)
        lines.append(
            [
                name,
                str(it["micro_rows"]),
                f"{it['median_seconds']:.2f}",
                f"{it['median_peak_bytes'] / 1e9:.2f}",
                f"{ratio['times_as_fast']:.2f} (target {targets[name]:g})" if ratio else "",
                _memory(name, ratio, work),
                f"{apart['largest']:.2g}" if apart else "",
            ]
        )
    head = ["contender", "micro-batch rows", "seconds", "peak GB", "preceptor is so many times "
            "as fast", "preceptor's share of its memory", "loss apart from plain"]  # fmt: skip
    machine, data, job = report["machine"], report["data"], report["job"]
    title = (
        f"{report['work']}: {data['rows']} rows, {data['tokens']} tokens, "
        f"{data['supervised']} supervised; {job['updates']} updates x {len(job['settings'])} "
        f"settings, {job['dtype']}, {machine['threads']} threads of {machine['cpu']} (a CPU: "
        "the ratios hold there)"
    )
    return f"{title}\n\n{table(head, lines)}"


def _memory(name: str, ratio: dict[str, float] | None, work: Work) -> str:
    if ratio is None:
        return ""
    target = f" (target {work.memory:g})" if name == "trl" and work.memory else ""
    return f"{ratio['share_of_memory']:.2f}{target}"


if __name__ == "__main__":
    main()

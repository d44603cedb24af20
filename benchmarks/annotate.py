"""``python -m benchmarks.annotate``: a tuned teacher's labels of SciCite texts, Preceptor against
one forward pass a text with transformers, and its tuning against TRL."""

from __future__ import annotations

import argparse
import gzip
import json
import os
import random
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.contest import alone, contest, machine, summary, table, write
from benchmarks.measure import Meter
from benchmarks.tune import ours

LABELS = ("background", "method", "result")
ANSWERS = tuple(f" {label}" for label in LABELS)
"""each one token of SmolLM2, so that one pass says all"""
DTYPES = ("fp32", "bf16")
TARGETS = {"annotate": 1.5, "tune": 2.0}
SAME, MARGIN = 0.995, 0.02
"""share of equal labels at least, and the lead of the first label over the second, as
probabilities, below which a label may differ"""
LORA, MADE = "lora", "benchmarks.annotate:tuned"
OURS, PLAIN = "benchmarks.annotate:preceptor", "benchmarks.annotate:plain"
PRECEPTOR, TRL = "benchmarks.tune.ours:run", "benchmarks.tune.peers:trl"


def tuned(job: dict[str, Any]) -> dict[str, Any]:
    """Tune the teacher by LoRA and save it to ``job["folder"]``."""
    from benchmarks.tune.student import load
    from preceptor.models.decoder import load_decoder
    from preceptor.models.save import save
    from preceptor.models.weights import resolve
    from preceptor.tune.batches import TextRow
    from preceptor.tune.fit import fit
    from preceptor.tune.settings import Budget, FitSettings

    weights = resolve(job["weights"])
    model, pad_id = load(job["weights"], LORA, job["seed"])
    rows = [TextRow(tuple(tokens), first) for tokens, first in job["rows"]]
    options = {"learning_rate": 5e-4, "seed": job["seed"], "label": "tuning", "pad_id": pad_id}
    settings = FitSettings(batch_rows=8, precision="bf16")
    with Meter() as meter:
        fit(model, rows, Budget(epochs=job["epochs"]), settings, **options)
    save(model.eval(), load_decoder(weights)[1], Path(job["folder"]), weights)
    return _result(meter, [])


def preceptor(job: dict[str, Any]) -> dict[str, Any]:
    """Score with Preceptor; tokenising counts, loading does not."""
    import torch

    from preceptor.evaluate.likelihood import label_scores
    from preceptor.models.bf16 import prepared
    from preceptor.models.save import load_saved

    model, tokenizer = load_saved(Path(job["folder"]))
    autocast = torch.autocast("cpu", torch.bfloat16, enabled=job["dtype"] == "bf16")
    told = {"batch_tokens": job["batch_tokens"], "label": "ours"}
    with Meter() as meter, prepared(model, job["dtype"]), autocast:
        scores = label_scores(model, tokenizer, job["prompts"], ANSWERS, **told)
    return _result(meter, scores.tolist())


def plain(job: dict[str, Any]) -> dict[str, Any]:
    """Score as a careful person would: a pass a text, logits of its last token alone, the whole
    model held in the dtype. Tokenising counts, loading does not."""
    import torch

    from preceptor.models.save import load_saved

    model, tokenizer = load_saved(Path(job["folder"]))
    model = model.to({"fp32": torch.float32, "bf16": torch.bfloat16}[job["dtype"]])
    ids = torch.tensor([one for answer in ANSWERS for one in tokenizer(answer)["input_ids"]])
    scores = []
    with Meter() as meter, torch.inference_mode():
        for prompt in job["prompts"]:
            read = tokenizer(prompt, return_tensors="pt")
            logits = model(**read, logits_to_keep=1, use_cache=False).logits[0, -1]
            scores.append(logits.float().log_softmax(-1)[ids].tolist())
    return _result(meter, scores)


def _result(meter: Meter, scores: list[list[float]]) -> dict[str, Any]:
    return {
        "seconds": meter.seconds,
        "before_bytes": meter.before_bytes,
        "peak_bytes": meter.peak_bytes,
        "scores": scores,
    }


def main() -> None:
    """Tune a teacher, let it annotate both ways, time its tuning; write the JSON, print tables."""
    args = _arguments()
    report: dict[str, Any] = {"machine": machine(args.threads)}
    human = _items(args, "train")[: args.rows]
    job = _tuning(args, human)
    if "annotate" in args.parts:
        with _teacher(args, job) as folder:
            report["annotate"] = _annotate(args, folder)
    if "tune" in args.parts:
        report["tune"] = _tune(args, job)
    write(args.out, report)
    print(_markdown(report))
    missed = list(_missed(report, timed=not args.shortest))
    if missed:
        raise SystemExit("missed: " + "; ".join(missed))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--parts", nargs="+", choices=TARGETS, default=list(TARGETS))
    add("--texts", type=int, default=2000, help="texts that are annotated")
    add("--rows", type=int, default=125, help="labelled texts that the teacher is tuned on")
    add("--epochs", type=int, default=4, help="passes over them")
    add("--update-rows", type=int, default=5, help="rows of an update; must divide --rows")
    add("--dtypes", nargs="+", choices=DTYPES, default=list(DTYPES), help="of annotating")
    add("--tune-dtype", choices=DTYPES, default="bf16")
    add("--batch-tokens", type=int, default=1024, help="of a batch: ours, annotating")
    add("--threads", type=int, default=2)
    add("--repeats", type=int, default=3)
    add("--seed", type=int, default=0)
    add("--shortest", action="store_true", help="the shortest texts: for a smoke test only")
    add("--weights", default="smollm2")
    add("--data", type=Path, default=os.environ.get("DATA"), help="default: $DATA")
    add("--out", type=Path, required=True)
    args = parser.parse_args()
    if args.data is None:
        parser.error("name the folder with the data: --data, or DATA in the environment")
    if args.rows % args.update_rows:
        parser.error("--update-rows must divide --rows")
    args.data = Path(args.data)
    return args


def _items(args: argparse.Namespace, part: str) -> list[dict[str, str]]:
    """Rows of SciCite in an order of a fixed seed; the first of train are those tuned on."""
    with gzip.open(args.data / "scicite" / f"{part}.jsonl.gz", "rt", encoding="utf-8") as file:
        items = [json.loads(line) for line in file]
    random.Random(0).shuffle(items)
    if args.shortest:
        items.sort(key=lambda item: len(item["text"]))
    return items


def _prompt(item: dict[str, str]) -> str:
    return f"Sentence: {item['text']}\nIntent:"


def _tuning(args: argparse.Namespace, human: Sequence[dict[str, str]]) -> dict[str, Any]:
    from preceptor.models.loading import load_tokenizer
    from preceptor.models.weights import resolve
    from preceptor.tune.batches import text_row

    weights = resolve(args.weights)
    tokenizer = load_tokenizer(weights)
    made = [text_row(tokenizer, _prompt(item), f" {item['label']}", "answer") for item in human]
    lengths = [len(row.tokens) for row in made]
    job: dict[str, Any] = {
        "weights": str(weights.folder),
        "method": LORA,
        "rows": [[list(row.tokens), row.first] for row in made],
        "epochs": args.epochs,
        "updates": args.epochs * args.rows // args.update_rows,
        "update_rows": args.update_rows,
        "micro_rows": args.update_rows,
        "micro_tokens": args.update_rows * max(lengths),
        "max_grad_norm": 1.0,
        "dtype": args.tune_dtype,
        "seed": args.seed,
        "order": "planned",
        "settings": [{"learning_rate": 5e-4, "weight_decay": 0.01}],
    }
    plan = ours.plan(lengths, job)
    return job | {"plan": plan, "tokens": sum(lengths)}


@contextmanager
def _teacher(args: argparse.Namespace, job: dict[str, Any]) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="bench-annotate-") as place:
        folder = Path(place) / "teacher"
        alone(MADE, job | {"folder": str(folder)}, args.threads)
        yield folder


def _annotate(args: argparse.Namespace, folder: Path) -> dict[str, Any]:
    texts = _items(args, "train")[args.rows :][: args.texts]
    job = {
        "folder": str(folder),
        "prompts": [_prompt(item) for item in texts],
        "batch_tokens": args.batch_tokens,
    }
    jobs = {
        f"{who} {dtype}": (contender, job | {"dtype": dtype})
        for dtype in args.dtypes
        for who, contender in (("preceptor", OURS), ("plain", PLAIN))
    }
    results = contest(jobs, args.repeats, args.threads)
    scores = {who: runs[0]["scores"] for who, runs in results.items()}
    for run in (run for runs in results.values() for run in runs):
        del run["scores"]
    sums = {who: summary(runs) for who, runs in results.items()}
    pairs = [(f"preceptor {dtype}", f"plain {dtype}") for dtype in args.dtypes]
    if set(DTYPES) <= set(args.dtypes):
        pairs.append(("preceptor bf16", "preceptor fp32"))
    compared = [_compared(mine, other, sums, scores) for mine, other in pairs]
    return {"texts": len(texts), "contenders": sums, "compared": compared}


def _compared(
    mine: str, other: str, sums: dict[str, Any], scores: dict[str, list[list[float]]]
) -> dict[str, Any]:
    """How much faster the first is, and where the two give other labels."""
    import numpy as np
    from scipy.special import softmax

    told, held = (softmax(scores[who], axis=1) for who in (mine, other))
    differ = told.argmax(1) != held.argmax(1)
    ranked = np.sort(held, axis=1)
    margins = (ranked[:, -1] - ranked[:, -2])[differ]
    return {
        "pair": [mine, other],
        "times_as_fast": sums[other]["median_seconds"] / sums[mine]["median_seconds"],
        "same": float(1 - differ.mean()),
        "differ": int(differ.sum()),
        "largest_margin": float(margins.max()) if len(margins) else 0.0,
        "probability_apart": float(abs(told - held).max()),
    }


def _tune(args: argparse.Namespace, job: dict[str, Any]) -> dict[str, Any]:
    tried = _micro(args, job)
    best = min(tried, key=lambda size: tried[size])
    jobs = {"preceptor": (PRECEPTOR, job), "trl": (TRL, job | {"micro_rows": best})}
    results = contest(jobs, args.repeats, args.threads)
    sums = {who: summary(runs) for who, runs in results.items()}
    ratio = sums["trl"]["median_seconds"] / sums["preceptor"]["median_seconds"]
    apart = max(
        abs(a - b)
        for a, b in zip(sums["preceptor"]["losses"][0], sums["trl"]["losses"][0], strict=True)
    )
    told = {key: job[key] for key in ("epochs", "updates", "update_rows", "tokens", "dtype")}
    return {
        **told,
        "rows": len(job["rows"]),
        "contenders": sums,
        "trl_micro_batches": tried,
        "times_as_fast": ratio,
        "losses_apart": apart,
    }


def _micro(args: argparse.Namespace, job: dict[str, Any]) -> dict[int, float]:
    """TRL's seconds an update with every micro-batch, the first update, as warm-up, aside."""
    step = max(1, len(job["plan"]) // 4)
    short = {"plan": job["plan"][::step], "updates": len(job["plan"][::step])}
    tried = {}
    for size in (size for size in (1, 2, 4, 5, 8, 25) if job["update_rows"] % size == 0):
        result = alone(TRL, job | short | {"micro_rows": size}, args.threads)
        times = result["update_seconds"]
        kept = times[1:] or times
        tried[size] = sum(kept) / len(kept)
        print(f"trl, {size} rows: {tried[size]:.2f} s an update", file=sys.stderr)
    return tried


def _missed(report: dict[str, Any], *, timed: bool) -> Iterator[str]:
    """What was wanted and is not so; bf16 against fp32 is told, not held to anything."""
    for it in report.get("annotate", {}).get("compared", []):
        told = " and ".join(it["pair"])
        if it["pair"][1].startswith("preceptor"):
            continue
        if it["same"] < SAME or it["largest_margin"] >= MARGIN:
            yield f"same labels of {told}: {it['same']:.4f}, margin {it['largest_margin']:.3f}"
        if timed and it["times_as_fast"] < TARGETS["annotate"]:
            yield f"speed of {told}: {it['times_as_fast']:.2f}"
    if timed and "tune" in report and report["tune"]["times_as_fast"] < TARGETS["tune"]:
        yield f"speed of tuning: {report['tune']['times_as_fast']:.2f}"


def _markdown(report: dict[str, Any]) -> str:
    place = report["machine"]
    where = f"{place['threads']} threads of {place['cpu']} (a CPU: the ratios hold there)"
    parts = []
    if "annotate" in report:
        parts.append(_annotated(report["annotate"], where))
    if "tune" in report:
        parts.append(_tuned(report["tune"], where))
    return "\n\n".join(parts)


def _annotated(it: dict[str, Any], where: str) -> str:
    seconds = {who: f"{one['median_seconds']:.1f}" for who, one in it["contenders"].items()}
    lines = [
        [
            mine,
            other,
            seconds[mine],
            seconds[other],
            f"{one['times_as_fast']:.2f}",
            f"{one['same']:.4f} ({one['differ']} differ)",
            f"{one['largest_margin']:.3f}",
        ]
        for one in it["compared"]
        for mine, other in [one["pair"]]
    ]
    head = ["A", "B", "A, s", "B, s", "A is so many times as fast", "same labels",
            "largest margin where not"]  # fmt: skip
    wanted = f"wanted of plain: {TARGETS['annotate']} times, {SAME:.1%} the same, margin < {MARGIN}"
    title = f"Labels of {it['texts']} SciCite texts by a tuned SmolLM2, {where}; {wanted}"
    return f"{title}\n\n{table(head, lines)}"


def _tuned(it: dict[str, Any], where: str) -> str:
    lines = [
        [who, str(one["micro_rows"]), f"{one['median_seconds']:.1f}",
         f"{one['median_peak_bytes'] / 1e9:.2f}"]
        for who, one in it["contenders"].items()
    ]  # fmt: skip
    title = (
        f"Tuning by LoRA on {it['rows']} SciCite rows, {it['tokens']} tokens, {it['epochs']} "
        f"epochs of updates of {it['update_rows']} rows, {it['dtype']}, {where}: preceptor is "
        f"{it['times_as_fast']:.2f} times as fast (wanted: {TARGETS['tune']}); losses apart at "
        f"most {it['losses_apart']:.2g}"
    )
    return f"{title}\n\n{table(['contender', 'micro-batch rows', 's', 'peak GB'], lines)}"


if __name__ == "__main__":
    main()

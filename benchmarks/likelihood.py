"""``python -m benchmarks.likelihood``: label likelihood of PubMedQA items, Preceptor against
lm-evaluation-harness: times, choices and log-probabilities."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.contest import alone, contest, machine, summary, table, write
from benchmarks.measure import Meter
from benchmarks.tune.rows import pubmedqa_items, pubmedqa_prompt

LABELS = {
    "short": ["yes", "no", "maybe"],
    "long": [
        "supported by the evidence",
        "contradicted by the evidence",
        "left open by the evidence",
    ],
}
"""Labels of one token (lm-evaluation-harness's own) and of several."""
TARGETS = {"short": 1.0, "long": 2.0}
TOLERANCE = 1e-4
OURS, HARNESS = "benchmarks.likelihood:preceptor", "benchmarks.likelihood:harness"


def preceptor(job: dict[str, Any]) -> dict[str, Any]:
    """Score with Preceptor; tokenising counts, loading does not."""
    from preceptor.evaluate.likelihood import label_scores
    from preceptor.models.decoder import load_decoder
    from preceptor.models.weights import resolve

    model, tokenizer = load_decoder(resolve(job["weights"]))
    answers = [f" {label}" for label in job["labels"]]
    with Meter() as meter:
        scores = label_scores(
            model,
            tokenizer,
            job["prompts"],
            answers,
            batch_tokens=job["batch_tokens"],
            label="ours",
        )
    return _result(meter, scores.tolist(), seconds_whole=meter.seconds)


def harness(job: dict[str, Any]) -> dict[str, Any]:
    """Score with lm-evaluation-harness: a task of its own format over the same items.

    Its time is that of the model's ``loglikelihood`` call (tokenising and scoring);
    ``seconds_whole`` is the whole evaluation with its data set and metrics.
    """
    from lm_eval import simple_evaluate
    from lm_eval.models.huggingface import HFLM
    from lm_eval.tasks import TaskManager

    meter, whole = Meter(), Meter()

    class Timed(HFLM):  # type: ignore[misc]
        def loglikelihood(self, requests: Any, disable_tqdm: bool = False) -> Any:
            with meter:
                return super().loglikelihood(requests, disable_tqdm=True)

    folder = Path(os.environ["BENCH_FOLDER"])
    _task(folder, job)
    model = Timed(
        pretrained=job["weights"], dtype="float32", device="cpu", batch_size=job["batch_size"]
    )
    with whole:
        found = simple_evaluate(
            model,
            tasks=[TASK],
            num_fewshot=0,
            bootstrap_iters=0,
            task_manager=TaskManager(include_path=folder, include_defaults=False),
        )
    samples = sorted(found["samples"][TASK], key=lambda sample: sample["doc_id"])
    scores = [[float(score) for score, _ in sample["filtered_resps"]] for sample in samples]
    return _result(meter, scores, seconds_whole=whole.seconds)


TASK = "bench_pubmedqa"


def _task(folder: Path, job: dict[str, Any]) -> None:
    lines = [json.dumps({"shown": prompt, "gold": 0}) for prompt in job["prompts"]]
    rows = folder / "items.jsonl"
    rows.write_text("\n".join(lines) + "\n", "utf-8")
    task = {
        "task": TASK,
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": str(rows)}},
        "test_split": "test",
        "output_type": "multiple_choice",
        "doc_to_text": "{{shown}}",
        "doc_to_target": "gold",
        "doc_to_choice": job["labels"],
        "target_delimiter": " ",
        "metric_list": [{"metric": "acc", "aggregation": "mean", "higher_is_better": True}],
        "metadata": {"version": 1.0},
    }
    (folder / f"{TASK}.yaml").write_text(json.dumps(task), "utf-8")  # JSON is YAML


def _result(meter: Meter, scores: list[list[float]], *, seconds_whole: float) -> dict[str, Any]:
    return {
        "seconds": meter.seconds,
        "seconds_whole": seconds_whole,
        "before_bytes": meter.before_bytes,
        "peak_bytes": meter.peak_bytes,
        "scores": scores,
    }


def main() -> None:
    """Run both label sets, write the JSON, print the table."""
    args = _arguments()
    report: dict[str, Any] = {"machine": machine(args.threads), "dtype": "fp32", "labels": {}}
    for name in args.labels:
        report["labels"][name] = _compare(name, args)
    write(args.out, report)
    print(_markdown(report, args.items))
    if not all(it["agree"] for it in report["labels"].values()):
        raise SystemExit("the two do not agree")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--items", type=int, default=500, help="items of the official test, in file order")
    add("--labels", nargs="+", choices=LABELS, default=list(LABELS))
    add("--threads", type=int, default=2)
    add("--repeats", type=int, default=3)
    add("--batch-tokens", type=int, default=2048, help="of a batch: ours")
    add("--batch-sizes", type=int, nargs="+", default=[1, 4, 8, 16], help="the harness tries")
    add("--calibrate", type=int, default=32, help="items of each of these trials")
    add("--shortest", action="store_true", help="the shortest items: for a smoke test only")
    add("--weights", default="smollm2")
    add("--data", default=os.environ.get("DATA"), help="default: $DATA")
    add("--out", type=Path, required=True)
    args = parser.parse_args()
    if args.data is None:
        parser.error("name the folder with the data: --data, or DATA in the environment")
    return args


def _compare(name: str, args: argparse.Namespace) -> dict[str, Any]:
    from preceptor.models.weights import resolve

    job: dict[str, Any] = {
        "weights": str(resolve(args.weights).folder),
        "prompts": _prompts(args),
        "labels": LABELS[name],
        "batch_tokens": args.batch_tokens,
    }
    tried = _batch_sizes(job, args)
    best = min(tried, key=lambda size: tried[size])
    jobs = {"preceptor": (OURS, job), "lm_eval": (HARNESS, job | {"batch_size": best})}
    results = contest(jobs, args.repeats, args.threads)
    scores = {who: runs[0]["scores"] for who, runs in results.items()}
    for run in (run for runs in results.values() for run in runs):
        del run["scores"]
    compared = _agreement(scores["preceptor"], scores["lm_eval"])
    sums = {who: summary(runs) for who, runs in results.items()}
    ratio = sums["lm_eval"]["median_seconds"] / sums["preceptor"]["median_seconds"]
    timed = {"batch_sizes": tried, "batch_size": best, "times_as_fast": ratio}
    return {"answers": LABELS[name], **timed, **compared, "contenders": sums}


def _prompts(args: argparse.Namespace) -> list[str]:
    prompts = [pubmedqa_prompt(item) for item in pubmedqa_items(Path(args.data), test=True)]
    if args.shortest:
        prompts.sort(key=len)
    return prompts[: args.items]


def _batch_sizes(job: dict[str, Any], args: argparse.Namespace) -> dict[int, float]:
    if len(args.batch_sizes) == 1:
        return {args.batch_sizes[0]: 0.0}
    tried = {}
    # Every n-th item, so that the lengths are typical.
    step = max(1, len(job["prompts"]) // args.calibrate)
    short = {"prompts": job["prompts"][::step]}
    for size in args.batch_sizes:
        result = alone(HARNESS, job | short | {"batch_size": size}, args.threads)
        tried[size] = result["seconds"]
        print(f"lm_eval, batches of {size}: {tried[size]:.1f} s", file=sys.stderr)
    return tried


def _agreement(mine: Sequence[Sequence[float]], theirs: Sequence[Sequence[float]]) -> Any:
    apart = [
        abs(a - b) for x, y in zip(mine, theirs, strict=True) for a, b in zip(x, y, strict=True)
    ]
    same = sum(_choice(x) == _choice(y) for x, y in zip(mine, theirs, strict=True))
    agree = same == len(mine) and max(apart) <= TOLERANCE
    return {"items": len(mine), "same_choice": same, "largest_apart": max(apart), "agree": agree}


def _choice(scores: Sequence[float]) -> int:
    return max(range(len(scores)), key=lambda label: scores[label])


def _markdown(report: dict[str, Any], items: int) -> str:
    lines = []
    for name, it in report["labels"].items():
        mine, theirs = it["contenders"]["preceptor"], it["contenders"]["lm_eval"]
        lines.append(
            [
                ", ".join(it["answers"]),
                f"{mine['median_seconds']:.1f}",
                f"{theirs['median_seconds']:.1f} (batches of {it['batch_size']})",
                f"{it['times_as_fast']:.2f} (target {TARGETS[name]:g})",
                f"{it['same_choice']} of {it['items']}",
                f"{it['largest_apart']:.1e}",
            ]
        )
    head = ["labels", "preceptor, s", "lm_eval, s", "preceptor is so many times as fast",
            "same choice", "log-probabilities apart at most"]  # fmt: skip
    place = report["machine"]
    title = (
        f"Label likelihood of {items} PubMedQA items, fp32, {place['threads']} threads of "
        f"{place['cpu']} (a CPU: the ratios hold there)"
    )
    return f"{title}\n\n{table(head, lines)}"


if __name__ == "__main__":
    main()

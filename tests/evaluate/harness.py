"""lm-evaluation-harness on PubMedQA: its own task and prompt over a local file of items.

Run by the Python of ``.bench-venv``, which holds lm_eval; asks no network:
``python harness.py WEIGHTS ITEMS.jsonl OUT.json`` (items as in ori_pqal.json, a line each, with
their id). Writes numbers and hashes, no text.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

TASK = "pubmedqa"


def local_task(folder: Path, items: Path) -> None:
    """The harness's own task files, with nothing changed but where the rows come from."""
    import lm_eval.tasks

    source = Path(lm_eval.tasks.__file__).parent / TASK
    shutil.copy(source / "preprocess_pubmedqa.py", folder)
    lines = (source / f"{TASK}.yaml").read_text("utf-8").splitlines()
    dropped = ("dataset_path:", "dataset_name:", "training_split:", "validation_split:")
    kept = [line for line in lines if not line.startswith(dropped)]
    assert len(kept) == len(lines) - len(dropped), "the task is of another version"
    files = json.dumps({"data_files": {"test": str(items)}})
    kept += ["dataset_path: json", f"dataset_kwargs: {files}"]
    (folder / f"{TASK}.yaml").write_text("\n".join(kept) + "\n", "utf-8")


def scored(weights: str, items: Path, folder: Path) -> dict[str, object]:
    from lm_eval import simple_evaluate
    from lm_eval.models.huggingface import HFLM
    from lm_eval.tasks import TaskManager

    local_task(folder, items)
    model = HFLM(pretrained=weights, dtype="float32", device="cpu", batch_size=4)
    manager = TaskManager(include_path=folder, include_defaults=False)
    found = simple_evaluate(
        model, tasks=[TASK], num_fewshot=0, bootstrap_iters=0, task_manager=manager
    )
    samples = sorted(found["samples"][TASK], key=lambda sample: sample["doc_id"])
    return {
        "lm_eval": version("lm_eval"),
        "accuracy": found["results"][TASK]["acc,none"],
        "items": [told(model, sample) for sample in samples],
    }


def told(model: object, sample: dict) -> dict[str, object]:
    """What was scored of an item, and how."""
    (prompt,) = {prompt for prompt, _ in sample["arguments"]}
    encoded = [model._encode_pair(prompt, answer) for _, answer in sample["arguments"]]
    return {
        "id": sample["doc"]["id"],
        "prompt_sha256": hashlib.sha256(prompt.encode()).hexdigest(),
        "prompt_tokens": len(encoded[0][0]),
        "answer_tokens": [answer for _, answer in encoded],
        "log_probabilities": [float(score) for score, _ in sample["filtered_resps"]],
        "right": bool(sample["acc"]),
    }


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        result = scored(sys.argv[1], Path(sys.argv[2]), Path(place))
    Path(sys.argv[3]).write_text(json.dumps(result, indent=1) + "\n", "utf-8")

"""PubMedQA as lm-evaluation-harness scores it: the same prompts, tokens, numbers and accuracy.

``harness_pubmedqa.json`` holds what lm_eval 0.4.13 said of the first 20 items of the official test
under SmolLM2-135M in fp32: numbers and hashes, made by ``harness.py``.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from preceptor.data.example import Example
from preceptor.data.readers.pubmedqa import PubmedqaSettings, read
from preceptor.evaluate.likelihood import label_scores
from preceptor.models.tokens import encode_answers
from preceptor.models.weights import resolve
from preceptor.tasks import ChoiceTask
from shared_data import shared

HERE = Path(__file__).parent
PEERS = HERE.parents[1] / ".bench-venv" / "bin" / "python"
FROZEN = json.loads((HERE / "harness_pubmedqa.json").read_text("utf-8"))
TASK = ChoiceTask(
    kind="choice",
    labels=("yes", "no", "maybe"),
    input="Abstract: {{ context }}\nQuestion: {{ question }}",
)
"""The harness's recipe as a study has it: its prompt and answers are the task's defaults."""
ANSWERS = [TASK.written(label) for label in TASK.labels]
TOLERANCE = 1e-4


@cache
def examples() -> list[Example]:
    settings = PubmedqaSettings(
        reader="pubmedqa", path=str(shared("pubmedqa") / "ori_pqal.json"), protocol="official"
    )
    return read(settings, Path()).test[:20]


def prompt(example: Example) -> str:
    return TASK.frame(TASK.show(example))


def scores(model: tuple[Any, Any], chosen: list[Example]) -> np.ndarray:
    prompts = [prompt(one) for one in chosen]
    return label_scores(*model, prompts, ANSWERS, batch_tokens=2048, label="parity")


def test_the_prompts_and_the_items_are_those_of_the_harness() -> None:
    told = [(one.id, hashlib.sha256(prompt(one).encode()).hexdigest()) for one in examples()]
    assert told == [(item["id"], item["prompt_sha256"]) for item in FROZEN["items"]]


def test_the_tokens_scored_are_those_of_the_harness(smollm2: tuple[Any, Any]) -> None:
    for one, item in zip(examples(), FROZEN["items"], strict=True):
        before, answers = encode_answers(smollm2[1], prompt(one), ANSWERS)
        assert len(before) == item["prompt_tokens"]
        assert answers == item["answer_tokens"]


def test_the_shortest_items_have_the_log_probabilities_of_the_harness(
    smollm2: tuple[Any, Any],
) -> None:
    order = sorted(range(20), key=lambda n: FROZEN["items"][n]["prompt_tokens"])[:3]
    got = scores(smollm2, [examples()[n] for n in order])
    wanted = [FROZEN["items"][n]["log_probabilities"] for n in order]
    np.testing.assert_allclose(got, wanted, rtol=0, atol=TOLERANCE)


@pytest.mark.slow
def test_the_harness_says_the_same_today(
    smollm2: tuple[Any, Any], tmp_path: Path, record_property: Any
) -> None:
    if not (PEERS.parent.parent / "installed").exists():
        pytest.skip("lm_eval is not here: `make .bench-venv/installed` puts it into .bench-venv")
    found = harness(tmp_path)
    got = scores(smollm2, examples())
    wanted = np.array([item["log_probabilities"] for item in found["items"]])
    apart = float(np.abs(got - wanted).max())
    record_property("largest difference of log-probabilities", apart)
    print(f"largest difference of log-probabilities: {apart:.1e}")
    assert apart <= TOLERANCE
    assert (got.argmax(axis=1) == wanted.argmax(axis=1)).all()
    hits = [
        TASK.labels[choice] == one.target
        for choice, one in zip(got.argmax(axis=1), examples(), strict=True)
    ]
    assert hits == [item["right"] for item in found["items"]]
    assert sum(hits) / len(hits) == found["accuracy"]
    assert {**found, "items": rounded(found)} == {**FROZEN, "items": rounded(FROZEN)}


def rounded(found: dict[str, Any]) -> list[dict[str, Any]]:
    """Log-probabilities differ by their last digits between processors."""
    return [
        item | {"log_probabilities": [round(one, 3) for one in item["log_probabilities"]]}
        for item in found["items"]
    ]


def harness(folder: Path) -> dict[str, Any]:
    """What lm_eval says of the same items, in a process of its own and without a network."""
    items, out = folder / "items.jsonl", folder / "out.json"
    rows = json.loads((shared("pubmedqa") / "ori_pqal.json").read_text("utf-8"))
    lines = [json.dumps({"id": one.id, **rows[one.id]}) for one in examples()]
    items.write_text("\n".join(lines) + "\n", "utf-8")
    command = [PEERS, HERE / "harness.py", resolve("smollm2").folder, items, out]
    own = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_CACHE": str(folder / "datasets")}
    own |= {"CUDA_VISIBLE_DEVICES": "", "TOKENIZERS_PARALLELISM": "false"}
    subprocess.run(command, env=os.environ | own, check=True, timeout=900)
    found: dict[str, Any] = json.loads(out.read_text("utf-8"))
    return found

"""The demo and the paper's format on the real small models."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from preceptor.cli import app
from preceptor.data.files import locate
from preceptor.store.tables import read_rows

PROGRAM = Path(sys.executable).with_name("preceptor")
STUDIES = Path(__file__).parents[1] / "studies"


def demo_file(name: str) -> Path:
    return locate(f"demo:{name}", Path())


def run(study: Path, out: Path, *sets: str) -> dict[str, Any]:
    overrides = [part for value in sets for part in ("--set", value)]
    subprocess.run([PROGRAM, "run", study, "--out", out, *overrides], check=True)
    found: dict[str, Any] = json.loads((out / "results.json").read_text())
    return found


def scores(results: dict[str, Any], student: str) -> dict[str, float]:
    return {
        row["arm"]: row["mean"]
        for row in results["scores"]
        if row["student"] == student and row["metric"] == "macro_f1"
    }


def test_forty_messages_beat_the_majority(tmp_path: Path) -> None:
    """The demo's `none` arm on one seed, the real MiniLM; in this process, which has its torch."""
    sets = (
        "seeds=[0]",
        "arms={none: none}",
        "students={minilm: {kind: encoder, weights: minilm, method: {name: full, "
        "learning_rate: 3.0e-4}, fit: {batch_rows: 8}}}",
    )
    overrides = [part for value in sets for part in ("--set", value)]
    study, out = STUDIES / "quickstart.yaml", tmp_path / "run"
    ended = CliRunner().invoke(app, ["run", str(study), "--out", str(out), *overrides])
    assert ended.exit_code == 0, ended.output
    results = json.loads((out / "results.json").read_text())
    majority = results["baselines"][0]["metrics"]["macro_f1"]
    assert results["baselines"][0]["name"] == "majority"
    assert scores(results, "minilm")["none"] > majority + 0.2


def test_the_shipped_messages_are_what_the_card_says() -> None:
    rows = [json.loads(line) for line in demo_file("messages.jsonl").read_text().splitlines()]
    counts = Counter(row["kind"] for row in rows)
    assert len(counts) == 8
    assert set(counts.values()) == {45}
    assert len({row["message"].casefold() for row in rows}) == len(rows) >= 320
    unlabelled = demo_file("unlabelled.jsonl").read_text().splitlines()
    assert len(unlabelled) >= 150
    assert all(set(json.loads(line)) == {"id", "message"} for line in unlabelled)
    questions = [json.loads(line) for line in demo_file("questions.jsonl").read_text().splitlines()]
    assert len(questions) == 40
    assert set(Counter(row["label"] for row in questions)) == {"yes", "no", "maybe"}


PAPER = """\
name: paper
seeds: 1
task:
  kind: choice
  about: The texts are questions and abstracts of biomedical research.
  labels: [yes, no, maybe]
  input: "question: {{ question }} context: {{ context }}"
  prompt: "{{ input }} answer:"
  answer: " the answer to the question given the context is {label}"
  answers: drllama_student
  loss: all
data:
  reader: table
  path: demo:questions.jsonl
  columns: {id: id, target: label, inputs: [question, context], extra: [long_answer]}
  split: {by: draw, test: 10, validation: 6}
  train: {limit: 6}
teachers:
  smollm2: {engine: embedded, parameters: {temperature: 0.4, max_tokens: 128}}
arms:
  none: none
  rewrite: {operation: rewrite, fields: [question, long_answer], max_requests: 2x}
  create:
    {operation: create, keep: [context], write: [question, long_answer], shown: 1, max_requests: 2x}
  combined: {operation: mix, of: [rewrite, create]}
students:
  smollm2:
    kind: decoder
    weights: smollm2
    method: {name: lora, rank: 4, alpha: 32, dropout: 0.1, learning_rate: 5.0e-5}
    fit: {batch_tokens: 1024, accumulation: 2, precision: bf16}
    decoding: drllama
    readings: [generation, likelihood]
    max_new_tokens: 16
budget: {steps: 2}
baselines: {teacher: [0, 2], parameters: {max_tokens: 8}}
"""


@pytest.mark.slow
def test_the_papers_format_end_to_end_on_real_models(tmp_path: Path) -> None:
    study = tmp_path / "paper.yaml"
    study.write_text(PAPER)
    results = run(study, tmp_path / "run")
    assert {cell["arm"] for cell in results["cells"]} == {"none", "rewrite", "create", "combined"}
    for cell in results["cells"]:
        test = cell["splits"]["test"]
        assert set(test) == {"generation", "likelihood"}
        assert test["generation"]["unparsed"] == 0, "drllama_student reads everything"
        assert 0 < cell["trainable_parameters"] < 0.02 * cell["total_parameters"]
    long_answers = [
        json.loads(row["extra"])["long_answer"]
        for row in read_rows(tmp_path / "run/data/examples.parquet")
    ]
    assert len(long_answers) == 40
    for arm in ("rewrite", "create"):
        made = read_rows(tmp_path / f"run/arms/{arm}/seed-0/made.parquet")
        kept = [row for row in made if row["verdict"] == "kept"]
        record = results["arms"][arm]["seeds"][0]
        assert len(kept) == record["kept"] == record["wanted"] - record["shortfall"]
        assert len(made) <= record["requests"] <= 12
        assert record["structured"] is True, "two fields are read, and llama.cpp obeys a schema"
        assert all(row["reason"] for row in made if row["verdict"] == "rejected")


@pytest.mark.slow
def test_the_whole_demo(tmp_path: Path) -> None:
    results = run(STUDIES / "quickstart.yaml", tmp_path / "run")
    assert results["finished"]
    assert len(results["cells"]) == 16
    means = scores(results, "minilm")
    assert set(means) == {"none", "repeat", "rewrite", "create", "combined"}
    assert means["none"] > results["baselines"][0]["metrics"]["macro_f1"] + 0.2
    assert (tmp_path / "run/report/index.html").is_file()
    model = tmp_path / "run/cells" / results["best"] / "model"
    from transformers import AutoModelForSequenceClassification

    assert AutoModelForSequenceClassification.from_pretrained(model).config.num_labels == 8
    before = {path: path.stat().st_mtime_ns for path in tmp_path.glob("run/**/part.json")}
    run(STUDIES / "quickstart.yaml", tmp_path / "run")
    assert before == {path: path.stat().st_mtime_ns for path in before}

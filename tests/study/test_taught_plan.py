"""`plan` and `preview` of tuned teachers and of annotation, held against what a run really does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from llm.faulty import FaultyServer
from preceptor.store.tables import read_rows
from preceptor.study.check import check, check_ready
from preceptor.study.estimates.estimate import estimate, training_rows
from preceptor.study.estimates.table import shown
from preceptor.study.file import load_study
from preceptor.study.plan import Plan
from preceptor.study.run import run

from .conftest import Cli, Place, rows

HEAD = """\
name: taught
seeds: 1
data:
  reader: table
  path: rows.jsonl
  columns: {id: id, target: kind, inputs: [text]}
  split: {by: draw, test: 12, validation: 9}
  train: {per_label: 4}
  pool: {of: rest}
task:
  kind: choice
  labels: [yes, no, maybe]
  input: "{{ text }}"
  prompt: "Text: {{ input }}\\nKind:"
"""
TUNED = """\
teachers:
  tuned:
    engine: tuned
    weights: llama
    method: {name: lora, rank: 2, learning_rate: 5.0e-3}
    fit: {batch_rows: 4, max_length: 100}
    budget: {epochs: 2}
    validation: 0.5
    parameters: {temperature: 1.0, max_tokens: 8}
"""
STUDENT = """\
students:
  bert:
    kind: encoder
    weights: bert
    method: {name: full, learning_rate: 1.0e-3}
    fit: {batch_rows: 4, max_length: 100}
    arms: [none, annotate]
budget: {epochs: 1}
keep: none
"""
STUDY = f"""{HEAD}{TUNED}
arms:
  none: {{operation: none, human: 0.5}}
  annotate: {{operation: annotate, amount: 0.5x, keep: 0.5}}
  mix: {{operation: mix, of: {{annotate: 4, gold: 3}}, human: 6}}
  gold: {{operation: gold, amount: 100}}
  repeat: {{operation: repeat, amount: 2x, human: 5}}
  create: {{operation: create, amount: 3, max_requests: 4x}}
{STUDENT.replace("[none, annotate]", "[mix, repeat, create]")}
curation: {{meta: false, near: false, contamination: false, duplicates: false, balance: false}}
baselines: {{teacher: [0, 2]}}
"""
TEXTS = (
    "task={kind: text, input: '{{ text }}'}",
    "students={llama: {kind: decoder, weights: llama, method: lora}}",
    "data.train={limit: 10}",
    *(f"arms.{name}=none" for name in ("none", "mix", "gold", "repeat")),
    "baselines={}",
)


@pytest.fixture
def taught(place: Place) -> Place:
    place.study.write_text(STUDY)
    return place


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, models: Path) -> Path:
    """Where that study was run."""
    folder = tmp_path_factory.mktemp("taught")
    for name in ("bert", "llama"):
        (folder / name).symlink_to(models / name)
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows()))
    (folder / "study.yaml").write_text(STUDY)
    study = load_study(folder / "study.yaml", ())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PRECEPTOR_CACHE", str(folder / "cache"))
        run(Plan(study, folder, folder / "runs" / "taught"), False, print)
    return folder


@pytest.fixture
def ran(folder: Path, server: FaultyServer, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.setenv("PRECEPTOR_CACHE", str(folder / "cache"))
    monkeypatch.chdir(folder)
    return Place(folder, server)


@pytest.fixture
def asked(place: Place) -> Place:
    """A study whose arm of annotation calls a server, which answers with a label."""
    told = f"{{engine: endpoint, model: echo, base_url: '{place.server.url}', key_env: null}}"
    arm = "{operation: annotate, amount: 6, keep: 0.5, votes: 3, shots: 2}"
    arms = f"arms: {{none: none, annotate: {arm}}}\ncuration: {{balance: false, near: false}}\n"
    place.study.write_text(f"{HEAD}teachers: {{echo: {told}}}\n{arms}{STUDENT}")
    place.server.compose = lambda body: "the answer is maybe"
    return place


def plan_of(place: Place, *sets: str) -> Plan:
    return Plan(load_study(place.study, sets), place.folder, place.folder / "runs" / "taught")


def told_of(place: Place, *sets: str) -> dict[str, Any]:
    return estimate(plan_of(place, *sets))


def record(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(folder.read_text())
    return found


def test_what_is_told_of_tuned_teachers_is_what_a_run_does(ran: Place) -> None:
    plan, found = plan_of(ran), told_of(ran)
    assert found["calls"] == [], "nothing that a tuned teacher does is paid"
    (tuned,) = found["tuned"]
    records = [record(one) for one in sorted(plan.out.glob("teachers/*/*/*/teacher.json"))]
    assert len(records) == tuned["tunings"] == 2
    assert tuned["roles"] == ["annotate", "create-create"]
    assert {one["updates"] for one in records} == {tuned["updates"]} == {4}
    assert all(one["rows"] == one["kept_out"] == 6 for one in records)
    work = {one["for"]: one for one in found["work"]}
    assert list(work) == ["arm annotate", "arm create", "baseline tuned, tuned"]
    annotated = record(plan.out / "arms/annotate/seed-0/arm.json")
    assert annotated["annotated"] >= work["arm annotate"]["texts"] == 12
    assert annotated["pool"] == work["arm annotate"]["texts_at_most"] == 27
    made = record(plan.out / "arms/create/seed-0/arm.json")
    assert work["arm create"]["texts"] <= made["requests"] <= work["arm create"]["texts_at_most"]
    assert work["baseline tuned, tuned"]["texts"] == 12, "by probability, and no shots"
    for name in ("annotate", "mix", "gold", "repeat"):
        found_rows = read_rows(plan.out / f"arms/{name}/seed-0/train.parquet")
        assert training_rows(plan, name) == len(found_rows), name
    assert training_rows(plan, "none") == 6


def test_tunings_and_their_work_are_in_the_table_and_in_the_total(taught: Place) -> None:
    found = told_of(taught)
    parts = [one["seconds"] for key in ("tuned", "work", "training") for one in found[key]]
    assert found["total"]["seconds"] == sum(parts)
    long = told_of(taught, "teachers.tuned.budget={epochs: 2000}", "arms.annotate.keep=0.3")
    assert long["tuned"][0]["updates"] == 1000 * found["tuned"][0]["updates"]
    assert long["tuned"][0]["tokens"] == pytest.approx(1000 * found["tuned"][0]["tokens"], 0.01)
    assert long["work"][0]["texts"] == 20
    twice = told_of(taught, "seeds=2")
    assert twice["tuned"][0]["tunings"] == 2 * found["tuned"][0]["tunings"]
    assert [one["texts"] for one in twice["work"]] == [2 * one["texts"] for one in found["work"]]
    told = " ".join(shown(found).split())
    for text in ("teachers that are tuned first", "annotate, create-create", "baseline tuned"):
        assert text in told
    assert "no teacher is called" in told
    assert "in all no calls, nothing to pay" in told


def test_a_study_that_calls_nobody_is_asked_for_nothing(
    taught: Place, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    check(plan_of(taught))
    check_ready(plan_of(taught))
    assert cli("plan", taught.study) == 0
    assert cli("preview", taught.study, "-n", "1") == 0
    assert taught.server.calls == 0


def test_a_filter_that_asks_has_no_calls_of_a_tuned_teacher(taught: Place) -> None:
    assert told_of(taught, "curation.judge={}", "curation.labels={by: teacher}")["calls"] == []


def test_an_annotating_arm_is_counted_as_it_asks(asked: Place, cli: Cli) -> None:
    (one,) = told_of(asked)["calls"]
    assert (one["for"], one["teacher"]) == ("arm annotate", "echo")
    assert one["calls"] == 3 * 12, "votes x texts, where half of them are kept"
    assert one["calls_at_most"] == 3 * 27, "the whole pool"
    assert cli("preview", asked.study, "-n", "2") == 0
    assert asked.server.calls == 2 * 3
    assert cli("run", asked.study) == 0
    assert asked.server.calls == one["calls"], "those of the preview are not made again"
    sizes = [sum(len(one["content"]) for one in body["messages"]) for body in asked.server.bodies]
    assert one["prompt_tokens"] == pytest.approx(sum(sizes) / 4, rel=0.05)
    (less,) = told_of(asked, "arms.annotate.amount=20")["calls"]
    assert less["calls"] == less["calls_at_most"], "never more than the pool"


def test_filters_of_annotated_rows_ask_where_they_can_judge(asked: Place) -> None:
    calls = {one["for"]: one for one in told_of(asked, "curation.judge={}")["calls"]}
    assert calls["judge of arm annotate"]["calls"] == 6
    assert calls["judge of arm annotate"]["calls_at_most"] == 27
    sets = [one for one in TEXTS if one.startswith(("task", "students", "data"))]
    plain = told_of(asked, *sets, "curation.judge={}")["calls"]
    assert [one["for"] for one in plain] == ["arm annotate"], "a text has no label to judge"


def test_a_text_task_needs_no_labels(taught: Place, cli: Cli) -> None:
    found = told_of(taught, *TEXTS)
    work = {one["for"]: one for one in found["work"]}
    assert list(work) == ["arm annotate", "arm create"]
    assert all(0 < one["answer_tokens"] <= 8 * one["texts"] for one in work.values())
    url = taught.server.url
    told = f"{{engine: endpoint, model: echo, base_url: '{url}', key_env: null}}"
    paid = told_of(taught, *TEXTS, f"teachers={{echo: {told}}}", "arms.create.structured='off'")
    calls = {one["for"]: one for one in paid["calls"]}
    assert list(calls) == ["arm create", "arm annotate"]
    human = plan_of(taught, *TEXTS).drawn(0).train
    each = sum(len(f"{one.inputs['text']} {one.target}") for one in human) / len(human) / 4
    assert calls["arm create"]["answer_tokens"] == pytest.approx(3 * each, abs=1), "text and answer"
    assert cli("plan", taught.study, *(part for one in TEXTS for part in ("--set", one))) == 0


def test_a_teacher_that_another_run_tuned_is_not_tuned_again(
    ran: Place, cli: Cli, capsys: pytest.CaptureFixture[str]
) -> None:
    taken = "teachers.tuned.tuned_from=runs/taught/teachers/tuned"
    found = told_of(ran, taken)
    (tuned,) = found["tuned"]
    assert (tuned["tunings"], tuned["updates"], tuned["tokens"], tuned["seconds"]) == (0, 0, 0, 0)
    assert tuned["parameters"] == told_of(ran)["tuned"][0]["parameters"] > 0
    assert "taken from runs/taught/teachers/tuned" in " ".join(shown(found).split())
    sets = ("--set", taken, "--set", "name=another")
    assert cli("preview", ran.study, "-n", "2", *sets) == 0
    assert "=== arm annotate: 2 of 2 labelled" in capsys.readouterr().out


def test_before_a_run_a_preview_shows_what_a_teacher_will_be_tuned_on(
    taught: Place, cli: Cli, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli("preview", taught.study, "-n", "2") == 0
    told = capsys.readouterr().out
    first = plan_of(taught).drawn(0).train[0]
    text = first.inputs["text"]
    for arm in ("annotate", "create"):
        assert f"=== arm {arm}: its teacher tuned is tuned before it is asked anything" in told
    assert f"--- prompt ({first.id})\nText: {text}\nKind:\n--- answer\n{first.target}\n" in told
    assert f"--- prompt ({first.id})\nLabel: {first.target}\n" in told
    assert f"--- answer\n{text}\n" in told


def test_after_a_run_a_preview_asks_the_teacher_that_it_tuned(
    ran: Place, cli: Cli, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli("preview", ran.study, "-n", "2") == 0
    told = capsys.readouterr().out
    assert "is tuned before" not in told
    pool = plan_of(ran).drawn(0).unlabelled
    assert all(
        f"--- prompt ({one.id})\nText: {one.inputs['text']}\nKind:" in told for one in pool[:2]
    )
    made = read_rows(ran.folder / "runs/taught/arms/annotate/seed-0/made.parquet")
    soft = json.loads(made[0]["soft"])
    shares = ", ".join(f"{label} {share:.3f}" for label, share in soft.items())
    assert f"--- label {max(soft, key=soft.__getitem__)}; {shares}" in told, "as the run had it"
    assert "=== arm create: " in told
    assert "[user] Label: " in told
    assert cli("preview", ran.study, "--set", "teachers.tuned.budget.epochs=3") == 0
    assert "is tuned before" in capsys.readouterr().out, "that one was tuned otherwise"


def test_a_preview_of_annotation_shows_what_is_asked_and_answered(
    asked: Place, cli: Cli, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli("preview", asked.study, "-n", "2") == 0
    told = capsys.readouterr().out
    assert asked.server.calls == 2 * 3
    assert "=== arm annotate: 2 of 2 labelled" in told
    pool = plan_of(asked).drawn(0).unlabelled
    for text in pool[:2]:
        assert f"--- prompt ({text.id})\n" in told
        assert text.inputs["text"] in told
    assert told.count("--- answer\nthe answer is maybe\n") == 2
    assert told.count("--- label maybe; yes 0.000, no 0.000, maybe 1.000") == 2
    assert "this preview made 6 calls" in told


def test_a_preview_says_what_of_an_annotation_cannot_be_read(
    asked: Place, cli: Cli, capsys: pytest.CaptureFixture[str]
) -> None:
    asked.server.compose = lambda body: "nobody knows"
    assert cli("preview", asked.study, "-n", "1") == 0
    told = capsys.readouterr().out
    assert "=== arm annotate: 0 of 1 labelled" in told
    assert "--- rejected: unparseable (none of 3 answers names a label)" in told

"""Teachers that are tuned first: labels for the pool, new examples, and what must not be seen."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial

import pytest

from preceptor.errors import SpecError
from preceptor.store.tables import read_rows
from preceptor.study.arms.fill import fill_arm
from preceptor.study.check import check
from preceptor.study.file import load_study
from preceptor.study.plan import Plan
from preceptor.study.teachers.staff import Staff
from preceptor.study.teachers.tuning import fill_teacher, seen
from study.conftest import Cli, Place

STUDY = """\
name: taught
seeds: 2
task:
  kind: choice
  labels: [yes, no, maybe]
  input: "{{ text }}"
data:
  reader: table
  path: rows.jsonl
  columns: {id: id, target: kind, inputs: [text]}
  split: {by: draw, test: 12, validation: 9}
  train: {per_label: 4}
  pool: {of: rest}
teachers:
  tuned:
    engine: tuned
    weights: llama
    method: {name: lora, rank: 2, learning_rate: 5.0e-3}
    fit: {batch_rows: 4, max_length: 100}
    budget: {epochs: 3}
    parameters: {temperature: 1.0, max_tokens: 12}
arms:
  none: none
  repeat: {operation: repeat, amount: 6}
  annotate: {operation: annotate, amount: 8, keep: 0.5, base_rates: human}
  few: {operation: mix, of: {annotate: 3}, human: 6}
  gold: {operation: gold, amount: 8}
students:
  bert:
    kind: encoder
    weights: bert
    method: {name: full, learning_rate: 1.0e-3}
    fit: {batch_rows: 4, max_length: 100}
  soft:
    kind: encoder
    weights: bert
    method: {name: full, learning_rate: 1.0e-3}
    fit: {batch_rows: 4, max_length: 100}
    distill: {weight: 1.0}
    arms: [annotate]
curation: {near: false, balance: false}
budget: {steps: 3}
baselines: {teacher: [0]}
"""


@pytest.fixture
def taught(place: Place) -> Place:
    place.study.write_text(STUDY)
    return place


def plan_of(place: Place, *sets: str) -> Plan:
    return Plan(load_study(place.study, sets), place.folder, place.folder / "run")


def test_a_tuned_teacher_labels_the_pool_from_the_yaml_to_the_page(taught: Place, cli: Cli) -> None:
    assert cli("run", taught.study, "--out", "run") == 0
    results = taught.results()
    assert results["finished"], results["failed"]
    out = taught.folder / "run"
    record = json.loads((out / "arms/annotate/seed-0/arm.json").read_text())
    assert record["kept"] + sum(record["rejected"].values()) == record["annotated"]
    made = read_rows(out / "arms/annotate/seed-0/made.parquet")
    kept = [row for row in made if row["verdict"] == "kept"]
    assert len(kept) == 8 == record["kept"]
    for row in kept:
        soft = json.loads(row["soft"])
        assert sum(soft.values()) == pytest.approx(1.0)
        assert max(soft, key=soft.__getitem__) == row["target"]
        assert json.loads(row["figures"])["confidence"] == soft[row["target"]]
    lacking = [label for label in ("yes", "no", "maybe") if label not in record["labels"]]
    (told,) = record["notes"].get("annotate", [""])
    assert [label for label in ("yes", "no", "maybe") if f"{label} (" in told] == lacking
    few = json.loads((out / "arms/few/seed-0/arm.json").read_text())
    assert (few["human"], few["kept"]) == (6, 3)
    train = read_rows(out / "arms/few/seed-0/train.parquet")
    assert [row["id"] for row in train[6:]] == [row["id"] for row in kept[:3]]
    (teacher,) = results["teachers"]
    assert [(one["role"], one["seed"]) for one in teacher["tunings"]] == [
        ("annotate", 0),
        ("annotate", 1),
    ]
    assert teacher["tunings"][0]["rows"] + teacher["tunings"][0]["kept_out"] == 12
    assert 0 <= teacher["tunings"][0]["calibration"]["expected_calibration_error"] <= 1
    (answered, _) = (
        row["serving"] for row in results["baselines"] if row["name"] == "tuned, tuned"
    )
    assert answered["reading"] == "likelihood", "timed as students are"
    assert 0 < answered["latency_p50_ms"] <= answered["latency_p95_ms"]
    assert answered["weights_bytes"] > 4 * answered["parameters"] > 100_000
    assert {fact["against"] for fact in results["teacher_comparisons"]} == {"tuned, tuned"}
    arms = results["arms"]["annotate"]["seeds"]
    assert all(0 <= one["label_accuracy"] <= 1 for one in arms)
    assert cli("run", taught.study, "--out", "run") == 0, "all is there already"


def test_the_pool_hides_its_labels_and_gold_alone_has_them(taught: Place) -> None:
    plan = plan_of(taught)
    drawn = plan.drawn(0)
    assert {one.target for one in drawn.unlabelled} == {None}
    train = {one.id for one in drawn.train}
    assert len(drawn.unlabelled) == 60 - 12 - 9 - 12
    assert not train & {one.id for one in drawn.unlabelled}
    with Staff(plan) as staff:
        folder = plan.arm_part("gold", 0).make(partial(fill_arm, plan, "gold", 0, staff))
    rows = read_rows(folder / "train.parquet")[12:]
    assert [row["id"] for row in rows] == [one.id for one in drawn.unlabelled][:8]
    assert [row["target"] for row in rows] == [drawn.hidden[row["id"]] for row in rows]


class Sealed(dict[str, str]):
    """Labels that nobody may look at."""

    def __getitem__(self, key: str) -> str:
        raise AssertionError("a hidden label was read")

    __contains__ = __iter__ = get = items = values = keys = __getitem__  # type: ignore[assignment]


def test_no_hidden_label_is_read_while_teachers_and_arms_are_made(
    taught: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = plan_of(taught)
    sealed = replace(plan.drawn(0), hidden=Sealed())
    monkeypatch.setattr(Plan, "drawn", lambda self, seed: sealed)
    (tuning,) = [one for one in plan.tunings.own if one.seed == 0]
    plan.tunings.part(tuning).make(partial(fill_teacher, plan, tuning))
    with Staff(plan) as staff:
        for name in ("annotate", "repeat", "none"):
            plan.arm_part(name, 0).make(partial(fill_arm, plan, name, 0, staff))
        with pytest.raises(AssertionError, match="a hidden label was read"):
            plan.arm_part("gold", 0).make(partial(fill_arm, plan, "gold", 0, staff))


def test_a_teacher_that_another_run_tuned_is_taken_and_its_leaks_are_refused(
    taught: Place, cli: Cli, capsys: pytest.CaptureFixture[str]
) -> None:
    small = STUDY[: STUDY.index("  soft:")] + STUDY[STUDY.index("curation:") :]
    small = small.replace("baselines: {teacher: [0]}", "").replace("  gold:", "  # gold:")
    small = small.replace("  repeat:", "  # repeat:").replace("  few:", "  # few:")
    taught.study.write_text(small.replace("kind: encoder", "kind: encoder\n    arms: [annotate]"))
    plan = plan_of(taught)
    for tuning in plan.tunings.own:
        plan.tunings.part(tuning).make(partial(fill_teacher, plan, tuning))
    with Staff(plan) as staff:
        plan.arm_part("annotate", 1).make(partial(fill_arm, plan, "annotate", 1, staff))
    taken = "teachers.tuned.tuned_from=run/teachers/tuned"
    assert cli("run", taught.study, "--out", "again", "--set", taken) == 0
    assert not (taught.folder / "again/teachers").exists()
    first, second = (
        read_rows(taught.folder / out / "arms/annotate/seed-1/made.parquet")
        for out in ("run", "again")
    )
    assert [row["target"] for row in first] == [row["target"] for row in second]
    told = taught.folder / "run/teachers/tuned/annotate/seed-0/teacher.json"
    record = json.loads(told.read_text())
    plan = plan_of(taught)
    record["seen"].append(seen(plan, plan.drawn(0).test[0]))
    told.write_text(json.dumps(record))
    with pytest.raises(SpecError, match="1 texts of this study's test split"):
        check(plan_of(taught, taken))
    with pytest.raises(SpecError, match=r"no teacher in .*there are: annotate/seed-0"):
        check(plan_of(taught, taken, "seeds=3"))


@pytest.mark.parametrize(
    ("sets", "told"),
    [
        (["data.pool=null"], "the pool is empty"),
        (["arms.annotate.amount=500"], "500 rows of a pool of 27 texts"),
        (["arms.few.human=50"], "arms.few.human"),
        (["teachers.tuned.method=prefix", "teachers.tuned.serve=vllm"], "lora alone, not prefix"),
        (["teachers.tuned.weights=bert"], "teachers.tuned.weights"),
        (["arms.rewrite=rewrite"], "no human example is a rewrite"),
        (["students.soft.distill.teacher=tuned"], "students.soft.distill"),
        (["curation.judge={}"], "answers no other question"),
        (
            [
                "curation.labels={by: tuned}",
                "teachers.echo={engine: endpoint, model: echo, base_url: 'http://127.0.0.1:1/v1',"
                " key_env: null}",
                "arms.annotate.teacher=tuned",
                "arms.create={operation: create, teacher: echo}",
            ],
            "the teacher of create is not tuned",
        ),
        (["arms.annotate.votes=3"], "arms.annotate.votes: for a teacher that is asked"),
    ],
)
def test_what_cannot_work_is_refused_before_a_model_is_loaded(
    taught: Place, sets: list[str], told: str
) -> None:
    with pytest.raises(SpecError, match=told):
        check(plan_of(taught, *sets))


CREATE = """\
arms:
  none: none
  create: {operation: create, amount: 3, max_requests: 4x}
curation: {meta: false, near: false, contamination: false, duplicates: false, balance: false,
  labels: {by: tuned}}
"""


def test_a_tuned_teacher_creates_in_the_form_that_it_was_tuned_on(taught: Place, cli: Cli) -> None:
    head, rest = STUDY.split("arms:\n")
    students = rest[rest.index("students:") : rest.index("  soft:")]
    taught.study.write_text(head + CREATE + students + "budget: {steps: 3}\nseeds: 1\n")
    taught.study.write_text(taught.study.read_text().replace("seeds: 2\n", "", 1))
    learnt = (
        "teachers.tuned.budget={epochs: 40}",
        "teachers.tuned.method={name: full, learning_rate: 5.0e-3}",
        "teachers.tuned.parameters={max_tokens: 60}",
    )
    sets = [part for one in learnt for part in ("--set", one)]
    cli("run", taught.study, "--out", "run", *sets)
    taken = "teachers.tuned.tuned_from=run/teachers/tuned"
    assert cli("preview", taught.study, "-n", "2", *sets, "--set", taken) == 0
    out = taught.folder / "run"
    record = json.loads((out / "teachers/tuned/create-create/seed-0/teacher.json").read_text())
    assert (record["role"], record["rows"] + record["kept_out"]) == ("create-create", 12)
    arm = json.loads((out / "arms/create/seed-0/arm.json").read_text())
    made = read_rows(out / "arms/create/seed-0/made.parquet")
    assert arm["kept"] + sum(arm["rejected"].values()) == len(made) > 0
    assert arm["structured"] is False
    judged = [row for row in made if row["filter"] in ("", "labels")]
    assert judged
    for row in judged:
        probability = json.loads(row["figures"])["probability"]
        assert (row["reason"] == "label not read back") == (row["verdict"] == "rejected")
        assert 0 <= probability <= 1
    assert (out / "teachers/tuned/annotate/seed-0/teacher.json").is_file(), "the half that reads"

"""What cells say together, from predictions on disk: pairs, families, folds, and no comparison."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest

from preceptor.report.read.results import Results
from preceptor.report.sections.findings import limits
from preceptor.report.words.verdict import verdicts
from preceptor.store.tables import write_rows
from preceptor.study.comparing import compared, groups, scores
from preceptor.study.file import load_study
from preceptor.study.grid import Cell
from preceptor.study.plan import Plan
from preceptor.study.told import hard_twins

STUDY = """\
name: small
seeds: 3
task: {kind: choice, labels: [LABELS], input: "{{ text }}"}
data:
  reader: table
  path: rows.jsonl
  columns: {id: id, target: kind, inputs: [text]}
  split: {by: draw, test: 24, validation: 12}
teachers:
  echo: {engine: endpoint, model: echo, base_url: "http://127.0.0.1:9/v1", key_env: null}
arms: {none: none, repeat: repeat, rewrite: rewrite, create: create}
students:
  bert: {kind: encoder, weights: bert, method: full}
  wide: {kind: encoder, weights: bert, method: full}
budget: {steps: 3}
"""
ITEMS = [f"t{n}" for n in range(40)]
Cells = dict[tuple[str, str, int], Cell]


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    return planned(tmp_path)


def planned(folder: Path, labels: str = '"yes", "no", "maybe"', *sets: str) -> Plan:
    (folder / "study.yaml").write_text(STUDY.replace("LABELS", labels))
    return Plan(load_study(folder / "study.yaml", sets), folder, folder / "run")


def predicted(
    plan: Plan,
    cell: Cell,
    given: Iterable[str | None],
    items: Sequence[str] = ITEMS,
    target: str = "yes",
) -> None:
    """What a cell said of every test item; the right answer is ``target``."""
    row = {"split": "test", "target": target, "reading": "classifier"}
    rows = [{**row, "id": id, "prediction": one} for id, one in zip(items, given, strict=True)]
    write_rows(plan.out / "cells" / cell.id / "predictions.parquet", rows, list(rows[0]))


def answers(skill: float, seed: int, count: int = 40) -> list[str | None]:
    rng = random.Random(f"{skill} {seed}")
    return ["yes" if rng.random() < skill else rng.choice(("no", None)) for _ in range(count)]


def chosen(plan: Plan, *arms: str, student: str = "bert") -> Cells:
    return {
        (one.student, one.arm, one.seed): one
        for one in plan.cells
        if one.arm in arms and one.student == student
    }


def found(plan: Plan, cells: Cells) -> dict[str, Any]:
    """Scores and comparisons as they stand in results.json: a NaN would not get there."""
    grouped = dict(groups(cells))
    value = {"scores": [row for key, own in grouped.items() for row in scores(plan, key, own)]}
    return json.loads(json.dumps(value | compared(plan, grouped), allow_nan=False))


def facts(value: dict[str, Any], metric: str = "accuracy") -> dict[tuple[str, str], Any]:
    rows = value["comparisons"]
    return {(row["arm"], row["against"]): row for row in rows if row["metric"] == metric}


SKILLS = {"none": 0.5, "repeat": 0.5, "rewrite": 0.95, "create": 0.6}


def test_a_family_is_all_comparisons_with_one_control_in_one_metric(plan: Plan) -> None:
    cells = chosen(plan, *SKILLS) | chosen(plan, "none", "rewrite", student="wide")
    for (student, arm, seed), cell in cells.items():
        predicted(plan, cell, answers(SKILLS[arm] - 0.01 * (student == "wide"), seed))
    value = found(plan, cells)
    sizes = {(r["against"], r["metric"], r["family"]) for r in value["comparisons"]}
    metrics = ("macro_f1", "accuracy")
    assert sizes == {("none", m, 4) for m in metrics} | {("repeat", m, 2) for m in metrics}
    family = [
        r for r in value["comparisons"] if (r["against"], r["metric"]) == ("none", "accuracy")
    ]
    least = min(family, key=lambda row: row["p"])
    assert least["p_holm"] == pytest.approx(4 * least["p"])
    assert all(row["p"] <= row["p_holm"] <= 1 for row in family)
    assert all((row["verdict"] == "no evidence") == (row["p_holm"] >= 0.05) for row in family)
    assert all((row["p"] < 0.05) == (not row["low"] <= 0 <= row["high"]) for row in family)
    assert {row["family"] for row in value["method_comparisons"]} == {2}
    assert value["not_compared"] == []
    assert all(row["mcnemar_p"] is None for row in value["comparisons"]), "more than one seed"


SHARES = (
    "arms={none-5: {operation: none, human: 0.05}, repeat-5: {operation: repeat, human: 0.05}, "
    "mix-5: {operation: mix, of: [create], human: 0.05}, none: none, create: create, "
    "mix-9: {operation: mix, of: [create], human: 9}}"
)


def test_an_arm_is_held_against_controls_of_as_many_human_rows(tmp_path: Path) -> None:
    plan = planned(tmp_path, '"yes", "no", "maybe"', SHARES)
    skills = {name: 0.5 + 0.05 * n for n, name in enumerate(plan.study.arms)}
    cells = chosen(plan, *skills)
    for (_, arm, seed), cell in cells.items():
        predicted(plan, cell, answers(skills[arm], seed))
    told = facts(found(plan, cells))
    assert set(told) == {
        ("repeat-5", "none-5"),
        ("mix-5", "none-5"),
        ("mix-5", "repeat-5"),
        ("create", "none"),
        # Of all human rows nothing is repeated, and with nine nothing is alone: all stand in.
        ("create", "repeat-5"),
        ("mix-9", "none-5"),
        ("mix-9", "none"),
        ("mix-9", "repeat-5"),
    }
    assert {told[pair]["family"] for pair in told if "none" in pair[1]} == {5}
    assert {told[pair]["family"] for pair in told if "repeat" in pair[1]} == {3}


def test_a_single_seed_has_its_exact_test_and_nothing_on_seeds(tmp_path: Path) -> None:
    plan = planned(tmp_path, '"yes", "no"', "seeds=1")
    cells = chosen(plan, "none", "rewrite")
    predicted(plan, cells["bert", "none", 0], ["yes"] * 20 + ["no"] * 20)
    predicted(plan, cells["bert", "rewrite", 0], ["yes"] * 26 + [None] * 14)
    fact = facts(found(plan, cells))["rewrite", "none"]
    assert fact["mcnemar_p"] == pytest.approx(2 * 0.5**6)
    assert (fact["scope"], fact["seeds_needed"]) == ("items only (one seed)", None)
    assert fact["items_needed"] > 0
    by_f1 = facts(found(plan, cells), "macro_f1")["rewrite", "none"]
    assert by_f1["mcnemar_p"] is None, "it is a test of being right"
    assert "One seed only for bert" in " ".join(limits(page(plan, cells)))


def page(plan: Plan, cells: Cells) -> Results:
    """The results as the report reads them, with as much of cells as its words need."""
    scored = {"test": {"classifier": {"accuracy": 0.5, "macro_f1": 0.4, "n": 40}}}
    rows = [
        {"id": one.id, "arm": one.arm, "student": one.student, "seed": one.seed, "splits": scored}
        for one in cells.values()
    ]
    arms = {name: {"operation": arm.operation} for name, arm in plan.study.arms.items()}
    head = {"format": 1, "study": "small", "arms": arms, "cells": rows}
    return Results.model_validate(head | found(plan, cells))


def test_cells_with_other_test_items_are_not_compared_and_it_is_told(plan: Plan) -> None:
    cells = chosen(plan, "none", "rewrite", "create")
    for (_, arm, seed), cell in cells.items():
        other = arm == "rewrite" and seed == 1
        predicted(plan, cell, answers(SKILLS[arm], seed), [*ITEMS[:-1], "new"] if other else ITEMS)
    value = found(plan, cells)
    assert set(facts(value)) == {("create", "none")}
    assert value["not_compared"] == [
        {"student": "bert", "reading": "classifier", "arm": "rewrite", "against": "none"}
        | {"why": "they were tested on other items (seed 1)"}
    ]
    assert {row["family"] for row in value["comparisons"]} == {1}, "it is in no family"
    (verdict,) = verdicts(page(plan, cells))
    assert [arm for arm, _ in verdict.arms] == ["create"]
    assert "rewrite is not compared with none" in " ".join(limits(page(plan, cells)))


def test_the_right_answer_is_part_of_an_item_and_the_order_of_rows_is_not(plan: Plan) -> None:
    cells = chosen(plan, "none", "rewrite")
    for (_, arm, seed), cell in cells.items():
        predicted(plan, cell, answers(SKILLS[arm], seed))
    before = facts(found(plan, cells))["rewrite", "none"]
    for seed in range(3):
        given = answers(SKILLS["rewrite"], seed)[::-1]
        predicted(plan, cells["bert", "rewrite", seed], given, ITEMS[::-1])
    assert facts(found(plan, cells))["rewrite", "none"] == pytest.approx(before)
    predicted(plan, cells["bert", "rewrite", 0], ["yes"] * 40, target="no")
    assert len(found(plan, cells)["not_compared"]) == 1


def test_seeds_with_test_items_of_their_own_are_folds(plan: Plan) -> None:
    cells, parts = chosen(plan, "none", "rewrite"), (ITEMS[:14], ITEMS[14:27], ITEMS[27:])
    for (_, arm, seed), cell in cells.items():
        items = parts[seed]
        predicted(plan, cell, answers(SKILLS[arm], seed, len(items)), items)
    value = found(plan, cells)
    fact = facts(value)["rewrite", "none"]
    assert (fact["scope"], fact["seeds"], fact["items"]) == ("folds (cross-validation)", 3, 40)
    assert (fact["seeds_needed"], fact["items_needed"]) == (None, None)
    assert {row["scope"] for row in value["scores"]} == {"folds (cross-validation)"}
    right = {
        arm: [
            answers(SKILLS[arm], n, len(one)).count("yes") / len(one) for n, one in enumerate(parts)
        ]
        for arm in ("none", "rewrite")
    }
    apart = [a - b for a, b in zip(right["rewrite"], right["none"], strict=True)]
    mean = sum(apart) / 3
    square = sum((one - mean) ** 2 for one in apart) / 2
    # A fold's 40/3 items on average leave 80/3 to train on: 1/3 + 1/2, and t of 2 df.
    half = 4.302653 * math.sqrt((1 / 3 + 1 / 2) * square)
    assert (fact["difference"], fact["high"]) == pytest.approx((mean, min(1.0, mean + half)))


ODD: dict[str, tuple[list[str | None], list[str | None]]] = {
    "all unparsed": ([None] * 40, [None] * 40),
    "all unparsed in one": ([None] * 40, ["yes"] * 25 + ["no"] * 15),
    "identical": (["yes"] * 25 + ["no"] * 15, ["yes"] * 25 + ["no"] * 15),
    "all right and all wrong": (["yes"] * 40, ["no"] * 40),
    "one label": (["yes"] * 40, ["yes"] * 39 + ["no"]),
}


@pytest.mark.parametrize("name", ODD)
@pytest.mark.parametrize("seeds", [1, 3])
def test_odd_predictions_give_numbers_and_the_right_words(
    tmp_path: Path, name: str, seeds: int
) -> None:
    plan = planned(tmp_path, '"yes", "no"', f"seeds={seeds}")
    cells, (ours, theirs) = chosen(plan, "none", "rewrite"), ODD[name]
    for (_, arm, _), cell in cells.items():
        predicted(plan, cell, ours if arm == "rewrite" else theirs)
    results = page(plan, cells)
    assert all(None not in (s.mean, s.low, s.high) for s in results.scores)
    assert all(s.low <= s.mean <= s.high for s in results.scores)  # type: ignore[operator]
    (verdict,) = verdicts(results)
    (_, words) = verdict.arms[0]
    short = [text for _, text in verdict.short]
    if name in ("all unparsed", "identical"):
        assert short == ["No evidence either way"]
        assert "no test item is scored otherwise" in words
    elif name == "one label":
        assert short == ["No evidence either way"]
    else:
        word = "Helped" if name.startswith("all right") else "Hurt"
        assert short == [f"{word}: rewrite"]


def test_an_arm_without_cells_a_seed_in_common_or_items_breaks_nothing(plan: Plan) -> None:
    cells = chosen(plan, "none", "rewrite")
    lonely = {key: cell for key, cell in cells.items() if (key[1] == "none") == (key[2] == 0)}
    for (_, arm, seed), cell in lonely.items():
        predicted(plan, cell, answers(SKILLS[arm], seed))
    value = found(plan, lonely)
    assert [one["why"] for one in value["not_compared"]] == ["they have no seed in common"]
    assert found(plan, {})["comparisons"] == []
    for cell in cells.values():
        predicted(plan, cell, ["yes"], ["t0"])
    value = found(plan, cells)
    assert [one["why"] for one in value["not_compared"]] == ["there are fewer than two test items"]
    assert value["scores"] == []


SOFT = (
    "students.soft={kind: encoder, weights: bert, method: full, distill: {weight: 1.0},"
    " arms: [create]}"
)


def test_soft_labels_are_set_against_the_controls_of_the_hard_twin(tmp_path: Path) -> None:
    """Rows without soft labels are learnt alike, so the twin's control is the student's own."""
    twins = planned(tmp_path, '"yes", "no", "maybe"', SOFT)
    assert hard_twins(twins) == {"soft": "bert"}
    cells = chosen(twins, "none", "repeat") | chosen(twins, "create", student="soft")
    for (student, arm, seed), cell in cells.items():
        skill = {"none": 0.5, "repeat": 0.55, "create": 0.95}[arm]
        predicted(twins, cell, answers(skill, seed + 10 * (student == "soft")))
    told = [one for one in found(twins, cells)["comparisons"] if one["student"] == "soft"]
    assert {one["against"] for one in told} == {"none", "repeat"}
    assert all(one["difference"] > 0.2 for one in told if one["metric"] == "accuracy")
    for other in ("method: full, budget: {steps: 4}", "method: {name: full, learning_rate: 1.0}"):
        changed = SOFT.replace("method: full", other)
        assert hard_twins(planned(tmp_path, '"yes", "no", "maybe"', changed)) == {}

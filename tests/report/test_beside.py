"""What stands beside the fair numbers: best on test, equal epochs, folds, shared made sets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from preceptor.report.frame.blocks import Fold, Prose, Row, Table
from preceptor.report.page import write_report
from preceptor.report.read.results import Results
from preceptor.report.sections.best_on_test import NAME, best_fold
from preceptor.report.sections.budgets import blocks
from preceptor.report.sections.findings import limits, shown

from .fixture import build
from .html import Page

GROUP = ("minilm", "classifier")


def results(students: dict[str, dict[str, float]], **more: Any) -> Results:
    """Two arms and two seeds of every student; accuracies rise with seed, arm and budget."""
    cells = [
        {"id": f"{name}-{arm}-{seed}", "student": name, "arm": arm, "seed": seed, "budget": budget}
        | {"updates": int(budget.get("steps") or 10 * budget["epochs"] * (1 + place))}
        | {"splits": {"test": {"classifier": {"accuracy": 0.5 + 0.1 * place + 0.01 * seed}}}}
        for name, budget in students.items()
        for place, arm in enumerate(("none", "create"))
        for seed in (0, 1)
    ]
    arms = {arm: {"operation": arm} for arm in ("none", "create")}
    score = {"reading": "classifier", "metric": "accuracy", "mean": 0.5, "low": 0.4, "high": 0.6}
    scores = [
        score | {"student": name, "arm": arm, "seeds": 2} for name in students for arm in arms
    ]
    value = {"format": 1, "study": "s", "budget": {"steps": 50}, "arms": arms, "cells": cells}
    return Results.model_validate(value | {"scores": scores} | more)


def best(metric: str, settings: int, **more: Any) -> dict[str, Any]:
    given = {"student": "minilm", "reading": "classifier", "arm": "none", "metric": metric}
    told = {"best": 0.62, "chosen": 0.58, "highest": 0.66, "setting": {"alpha": 64}, "seed": 1}
    return given | told | {"settings": settings, "seeds": 2} | more


def texts(row: Row) -> list[str]:
    return [f"{value.text} {value.under}".strip() or value.title for value in row.values]


def test_the_best_on_test_stands_folded_beside_what_validation_chose_under_its_name() -> None:
    several = [best("accuracy", 2), best("macro_f1", 2, best=0.5, setting={"alpha": 32}, seed=0)]
    given = results({"minilm": {"steps": 50}}, best_on_test=several)
    fold = best_fold(given, GROUP)
    assert isinstance(fold, Fold)
    assert not fold.open
    assert fold.summary == f"minilm. {NAME}"
    assert "not a fair estimate" in NAME
    (table,) = fold.blocks
    assert isinstance(table, Table)
    rows = {texts(row)[0]: texts(row)[1:] for row in table.rows}
    assert rows["none"] == ["58.0", "62.0", "66.0 alpha 64, seed 1"]
    assert rows["create"] == ["not scored"] * 3
    assert "chose nothing in this run" in " ".join(table.notes)


def test_of_one_setting_there_is_no_best() -> None:
    given = results({"minilm": {"steps": 50}}, best_on_test=[best("accuracy", 1)])
    assert best_fold(given, GROUP) is None
    assert best_fold(results({"minilm": {"steps": 50}}), GROUP) is None, "an older run"


def test_students_that_differ_in_the_budget_alone_stand_side_by_side() -> None:
    students = {"minilm": {"steps": 50.0}, "minilm-epochs": {"epochs": 3.0}}
    given = results(students, same_but_budget=[list(students)])
    heading, prose, table = blocks(given)
    assert heading.text == "At equal updates, and at equal epochs"  # type: ignore[union-attr]
    assert isinstance(prose, Prose)
    (said,) = prose.paragraphs
    assert said.startswith("minilm and minilm-epochs are the same student but for the budget.")
    assert "minilm makes 50 updates on every arm" in said
    assert "minilm-epochs is trained for 3 epochs of every arm, as papers do it" in said
    assert isinstance(table, Table)
    assert [name for name, _ in table.heads] == [
        "",
        "minilm, 50 updates",
        "minilm-epochs, 3 epochs",
    ]
    updates = [[row.values[3].text, row.values[6].text] for row in table.rows]
    assert updates == [["50", "30"], ["50", "60"]], "equal updates, and equal passes"
    assert not list(blocks(results(students)))


def test_two_lengths_of_one_kind_are_not_called_epochs() -> None:
    students = {"short": {"steps": 50.0}, "long": {"steps": 500.0}}
    heading, *_ = blocks(results(students, same_but_budget=[list(students)]))
    assert heading.text == "The same student, trained for longer and for shorter"  # type: ignore[union-attr]


def test_folds_are_told_in_words() -> None:
    data = {"labelled_per_seed": 9, "counts": {"train": {"a": 9}}, "draw_seeds": [0, 1]}
    folds = data | {"cross_validation": {"folds": 2, "rows": 40}}
    given = results({"minilm": {"steps": 50}}, data=folds)
    told = " ".join(shown(given)).replace("\u00a0", " ")
    assert "Scores are over all 40 test items, each once, in 2 folds; one item is 2.5" in told
    assert "each seed on 9 labelled examples from outside its test fold" in told
    assert "training sets overlap and seeds are not independent" in " ".join(limits(given))
    plain = results({"minilm": {"steps": 50}}, data=data)
    assert "fold" not in " ".join([*shown(plain), *limits(plain)])


def test_what_no_interval_covers_stands_above_the_verdict(tmp_path: Path) -> None:
    sentence = "All 3 seeds share one labelled subset: they do not cover another made set."
    page = Page.read(write_report(build(tmp_path / "run", not_covered=[sentence])))
    assert [e.text() for e in page.elements if e.attributes.get("class") == "warning"] == [sentence]
    assert page.text().index(sentence) < page.text().index("Did the made data help?")

"""The page of a text task, whose run is a real one: no labels, and lower is better."""

import json
import math
import re
from pathlib import Path
from typing import Any

import pytest

from preceptor.report.page import write_report
from preceptor.store.tables import read_rows

from .html import Page
from .test_page import (
    NOTHING,
    test_headings_descend_one_level_at_a_time,
    test_ids_are_unique_and_references_hold,
    test_nothing_leaves_the_page,
)
from .text_run import answer, run_study

CHECKS = (
    test_nothing_leaves_the_page,
    test_headings_descend_one_level_at_a_time,
    test_ids_are_unique_and_references_hold,
)
for check in CHECKS:
    del globals()[check.__name__]  # they are called below, on this module's page


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run_study(tmp_path_factory.mktemp("text"))


@pytest.fixture(scope="module")
def page(run: Path) -> Page:
    return Page.read(run / "report" / "index.html")


@pytest.fixture(scope="module")
def results(run: Path) -> dict[str, Any]:
    return json.loads((run / "results.json").read_text("utf-8"))


def chosen(results: dict[str, Any], student: str) -> list[dict[str, Any]]:
    return [c for c in results["cells"] if c["student"] == student and c["chosen"]]


def shown(value: float) -> str:
    places = 3 - (abs(value) >= 10) - (abs(value) >= 100)
    return f"{value:,.{places}f}".replace("-", "−")


@pytest.mark.parametrize("check", CHECKS)
def test_the_page_is_valid(page: Page, check: Any) -> None:
    check(page)


def test_nothing_of_labels_is_said(page: Page) -> None:
    text = page.text()
    assert NOTHING.findall(text) == []
    for word in ("macro-F1", "Unparsed", "Labels and confusions", "commonest label", "points of"):
        assert word not in text
    assert page.table("Examples by split")["Test"] == ["12"]
    assert [n for n in range(36) if answer(n) in page.source] == []


def test_the_students_table_has_their_scores_as_computed_from_the_predictions(
    run: Path, page: Page, results: dict[str, Any]
) -> None:
    table = {k.split()[0]: v for k, v in page.table("Students trained on none").items()}
    for student in ("unfrozen", "lora", "asis"):
        perplexities, right = [], []
        for cell in chosen(results, student):
            rows = [
                row
                for row in read_rows(run / "cells" / cell["id"] / "predictions.parquet")
                if row["split"] == "test"
            ]
            tokens = sum(row["tokens_answer"] for row in rows)
            perplexities.append(math.exp(sum(row["nll_answer"] for row in rows) / tokens))
            right.append(sum(row["right_answer"] for row in rows) / tokens)
        fields = table[student]
        assert fields[3].startswith(shown(sum(perplexities) / len(perplexities)) + " ")
        assert fields[4].startswith(f"{100 * sum(right) / len(right):.1f} ")
    cell = chosen(results, "unfrozen")[0]
    assert table["unfrozen"][10:12] == ["6", "1"], "updates and cached blocks"
    share = cell["trainable_parameters"] / cell["total_parameters"]
    assert table["unfrozen"][6] == f"{100 * share:.1f} %"
    assert table["asis"][5:12] == ["–"] * 7


def test_which_tokens_count_is_said(page: Page, results: dict[str, Any]) -> None:
    metrics = results["cells"][0]["splits"]["test"]["next_token"]
    text = page.text()
    assert f"{metrics['tokens']:,} in 12 test texts" in text
    assert f"all but each text's first ({metrics['tokens_all']:,})" in text
    assert "Of perplexity and perplexity over all tokens lower is better." in text
    assert "The students cut the test texts into other tokens" not in text


def test_differences_have_the_untuned_student_on_the_right(
    page: Page, results: dict[str, Any]
) -> None:
    table = next(t for t in page.root.all("table") if "in pairs" in t.all("caption")[0].text()).all(
        "tr"
    )
    rows = [[cell.text() for cell in row.all("th", "td")] for row in table]
    found = {(row[0], row[1]): row[2] for row in rows}
    assert set(found) >= {("unfrozen", "asis"), ("lora", "asis"), ("lora", "unfrozen")}
    (fact,) = (
        f
        for f in results["method_comparisons"]
        if (f["student"], f["against"], f["metric"]) == ("unfrozen", "asis", "perplexity")
    )
    assert fact["difference"] < 0, "the untuned student comes last in this study"
    assert fact["verdict"] == "better"
    expected = f"{shown(fact['difference'])} ▲ {shown(fact['low'])} to {shown(fact['high'])}"
    assert found["unfrozen", "asis"] == expected


def test_the_verdict_is_on_the_students_and_follows_the_direction(
    page: Page, results: dict[str, Any]
) -> None:
    (verdict,) = (e for e in page.elements if e.attributes.get("id") == "verdict")
    text = verdict.text()
    assert text.startswith("Which student did best? Trained on none")
    means = {s["student"]: s["mean"] for s in results["scores"] if s["metric"] == "perplexity"}
    order = sorted(means, key=means.__getitem__)
    told = ", ".join(f"{student} {shown(means[student])}" for student in order)
    assert f"By perplexity (lower is better), the best first: {told}." in text
    assert re.search(r"unfrozen : better than asis by \d", text)


def test_bars_curves_and_looks_are_drawn(run: Path, page: Page, results: dict[str, Any]) -> None:
    figures = {f.attributes["id"]: f for f in page.root.all("figure")}
    for name in ("perplexity", "next_token_accuracy"):
        alt = figures[f"figure-methods-1-{name}"].all("title")[0].text()
        assert all(student in alt for student in ("unfrozen", "lora", "asis"))
    sweep = figures["figure-sweep-2"].all("title")[0].text()
    cells = [c for c in results["cells"] if c["setting"] == {"alpha": 8}]
    mean = sum(c["splits"]["test"]["next_token"]["perplexity"] for c in cells) / len(cells)
    assert f"8: {shown(mean)}" in sweep
    best = min(cell["best_update"] for cell in chosen(results, "unfrozen"))
    assert f"none kept update {best}" in figures["figure-loss-1"].all("title")[0].text()
    assert "weights were kept" in figures["figure-loss-1"].text()
    assert "weights were kept" not in figures["figure-loss-2"].text()
    assert "figure-loss-3" not in figures, "nothing was trained"


def test_how_it_was_trained_names_what_is_not_the_default(page: Page) -> None:
    rows = next(t for t in page.root.all("table") if "How students were trained" in t.text()).all(
        "tr"
    )
    told = [tuple(cell.text() for cell in row.all("th", "td")) for row in rows][1:]
    assert [(student, what) for student, what, _ in told] == [
        ("unfrozen", "Validation"),
        ("unfrozen", "Frozen blocks"),
        ("lora", "Batches"),
    ]
    assert told[0][2].startswith("3 looks a cell at log-loss")
    assert told[1][2].startswith("1 block computed once and kept")


def test_students_that_count_other_tokens_are_not_compared_in_silence(
    run: Path, tmp_path: Path, results: dict[str, Any]
) -> None:
    changed = json.loads(json.dumps(results))
    for cell in changed["cells"]:
        if cell["student"] == "lora":
            cell["splits"]["test"]["next_token"]["tokens"] += 7
    (tmp_path / "results.json").write_text(json.dumps(changed))
    text = Page.read(write_report(tmp_path)).text()
    assert text.count("The students cut the test texts into other tokens") == 2


def test_a_run_that_foresees_no_prompts_says_nothing_of_all_tokens(
    tmp_path: Path, results: dict[str, Any]
) -> None:
    changed = json.loads(json.dumps(results))
    for cell in changed["cells"]:
        for readings in cell["splits"].values():
            for name in ("tokens_all", "perplexity_all", "next_token_accuracy_all"):
                del readings["next_token"][name]
    for part in ("scores", "comparisons", "method_comparisons"):
        changed[part] = [f for f in changed[part] if not f["metric"].endswith("_all")]
    (tmp_path / "results.json").write_text(json.dumps(changed))
    page = Page.read(write_report(tmp_path))
    assert "all tokens" not in page.text()
    assert "in 12 test texts." in page.text()
    assert NOTHING.findall(page.text()) == []

"""The page of a study scored by what its students write, whose run is a real one."""

import json
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
from .text_run import STUDY, run_study

CHECKS = (
    test_nothing_leaves_the_page,
    test_headings_descend_one_level_at_a_time,
    test_ids_are_unique_and_references_hold,
)
for check in CHECKS:
    del globals()[check.__name__]  # they are called below, on this module's page

WRITTEN = (
    STUDY.replace('input: "{{ question }}"', 'input: "{{ question }}", score_by: [generation]')
    .replace("arms: {none: none}", "arms: {none: none, repeat: repeat}")
    .replace("fit: {max_length: 120}}", "fit: {max_length: 120}, arms: [none], max_new_tokens: 4}")
    .replace("validate_every: 2}", "validate_every: 2}\n    max_new_tokens: 12")
    .replace("layout: packed}", "layout: packed}\n    max_new_tokens: 12")
    .replace("alpha: [4, 8, 16]", "alpha: [4, 8]")
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run_study(tmp_path_factory.mktemp("written"), WRITTEN)


@pytest.fixture(scope="module")
def page(run: Path) -> Page:
    return Page.read(run / "report" / "index.html")


@pytest.fixture(scope="module")
def results(run: Path) -> dict[str, Any]:
    return json.loads((run / "results.json").read_text("utf-8"))


def chosen(results: dict[str, Any], student: str, arm: str = "none") -> list[dict[str, Any]]:
    return [
        c for c in results["cells"] if (c["student"], c["arm"], c["chosen"]) == (student, arm, True)
    ]


def shown(value: float, places: int = 2) -> str:
    return f"{value:,.{places - (abs(value) >= 10) - (abs(value) >= 100)}f}".replace("-", "−")


@pytest.mark.parametrize("check", CHECKS)
def test_the_page_is_valid(page: Page, check: Any) -> None:
    check(page)


def test_nothing_of_labels_or_of_foreseen_texts_is_said(page: Page) -> None:
    text = page.text()
    assert NOTHING.findall(text) == []
    for word in ("macro-F1", "Unparsed", "erplexity", "next-token", "lower is better", "end token"):
        assert word not in text


def test_bleu_stands_first_in_the_arms_table(page: Page, results: dict[str, Any]) -> None:
    caption = next(
        c for c in page.root.all("caption") if "lora: scores on the test set" in c.text()
    )
    table = next(t for t in page.root.all("table") if caption in t.all("caption"))
    heads = [head.text() for head in table.all("thead")[0].all("th")]
    assert heads[:11] == [
        "Arm", "Seeds", "Rows", "BLEU", "chrF", "ROUGE-L", "ROUGE-1", "ROUGE-2", "Exact match, %",
        "Length ratio", "Difference in BLEU",
    ]  # fmt: skip
    assert {"Empty", "Cut off"} <= set(heads)
    found = {
        name.split()[0]: row for name, row in page.table("lora: scores on the test set").items()
    }
    for arm in ("none", "repeat"):
        score = {
            s["metric"]: s for s in results["scores"] if (s["student"], s["arm"]) == ("lora", arm)
        }
        for place, (name, scale) in enumerate(
            {"bleu": 1, "chrf": 1, "rougeL": 100, "rouge1": 100, "rouge2": 100}.items(), 2
        ):
            values = [scale * score[name][key] for key in ("mean", "low", "high")]
            expected = f"{shown(values[0])} {shown(values[1])} to {shown(values[2])}"
            assert found[arm][place] == expected


def test_what_did_not_end_is_told_as_the_predictions_have_it(
    run: Path, page: Page, results: dict[str, Any]
) -> None:
    base = chosen(results, "asis")[0]
    rows = read_rows(run / base["path"] / "predictions.parquet")
    unended = sum(not row["ended"] for row in rows if row["split"] == "test")
    assert unended == base["splits"]["test"]["generation"]["unended"] > 0
    assert f"asis: {100 * unended / 12:.1f} % of its texts were cut off" in page.text()


def test_signatures_stand_under_settings(page: Page, results: dict[str, Any]) -> None:
    text = page.text()
    signatures = results["cells"][0]["splits"]["test"]["generation"]["signatures"]
    assert set(signatures) == {"bleu", "chrf", "rouge"}
    assert all(signature in text for signature in signatures.values())
    assert "tok:13a" in text
    assert "held against all of its references" in text


def test_students_are_ranked_by_bleu_and_drawn_in_three_figures(
    page: Page, results: dict[str, Any]
) -> None:
    (verdict,) = (e for e in page.elements if e.attributes.get("id") == "verdict")
    means = {
        s["student"]: s["mean"]
        for s in results["scores"]
        if (s["metric"], s["arm"]) == ("bleu", "none")
    }
    order = sorted(means, key=lambda name: -means[name])
    told = ", ".join(f"{student} {shown(means[student])}" for student in order)
    assert f"By BLEU (higher is better), the best first: {told}." in verdict.text()
    figures = {f.attributes["id"]: f for f in page.root.all("figure")}
    drawn = [name for name in figures if name.startswith("figure-methods-1-")]
    assert drawn == [f"figure-methods-1-{name}" for name in ("bleu", "chrf", "rougeL")]
    sweep = next(f for name, f in figures.items() if name.startswith("figure-sweep"))
    assert "BLEU, chrF and ROUGE-L on the test set against alpha" in sweep.text()
    assert "looks a cell at BLEU" in page.text()


def test_two_readings_have_a_table_each_and_figures_of_their_own(
    tmp_path: Path, results: dict[str, Any]
) -> None:
    changed = json.loads(json.dumps(results))
    changed["task"]["score_by"] = ["next_token", "generation"]
    foreseen = {"n": 12, "tokens": 90, "perplexity": 4.25, "next_token_accuracy": 0.5}
    for cell in changed["cells"]:
        for readings in cell["splits"].values():
            readings |= {"next_token": foreseen, "generation": readings.pop("generation")}
    scores = [s for s in changed["scores"] if s["metric"] == "bleu"]
    for metric in ("perplexity", "next_token_accuracy"):
        changed["scores"] += [
            {**s, "metric": metric, "reading": "next_token", "mean": foreseen[metric]}
            | {"low": foreseen[metric], "high": foreseen[metric]}
            for s in scores
        ]
    (tmp_path / "results.json").write_text(json.dumps(changed))
    page = Page.read(write_report(tmp_path))
    written = page.table("lora, texts written, held against references: scores")
    assert all("4.25" not in field for row in written.values() for field in row)
    first = page.table("lora, texts foreseen token by token: scores")
    assert [first[arm][2].split()[0] for arm in ("none", "repeat")] == ["4.250"] * 2
    assert "Perplexity and next-token accuracy count the answers' tokens" in page.text()
    assert "by log-loss" in page.text()

"""Students side by side for a choice task, settings over their values, rows left out."""

import json
from pathlib import Path
from typing import Any

import pytest

from preceptor.report.page import write_report
from preceptor.report.read.cell import Cell
from preceptor.report.read.numbers import metric
from preceptor.report.sections.sweeps import powers, swept

from .fixture import UNFIT, build
from .html import Page


def test_students_stand_side_by_side_on_the_arm_that_both_have(run: Path, page: Page) -> None:
    found = json.loads((run / "results.json").read_text("utf-8"))
    table = page.table("Students trained on rewrite")
    assert [name.split()[0] for name in table if name][-2:] == ["minilm-full", "smollm2-lora"]
    row = table["smollm2-lora"]
    assert row[:3] == ["lora", "alpha 32", "1"]
    assert row[5:] == ["2.4 M", "1.8 %", "3.1 GB", "1 min 36 s", "38,400", "100", "29"]
    text = page.text()
    assert "Students trained on none" not in text, "one student alone was trained on it"
    assert "took 31 s in all of the run and counts into the time" in text
    pairs = page.table("Students trained on rewrite, in pairs")
    (fact,) = (f for f in found["method_comparisons"] if f["metric"] == "macro_f1")
    assert pairs["smollm2-lora"][1].startswith(f"−{-100 * fact['difference']:.1f} ▼")
    drawn = {f.attributes["id"] for f in page.root.all("figure")}
    assert {"figure-methods-1-macro_f1", "figure-methods-1-accuracy"} <= drawn


def test_made_rows_that_did_not_fit_a_student_are_counted(page: Page) -> None:
    assert page.table("Made rows that were kept but not trained on")["rewrite"] == [
        "smollm2-lora", UNFIT, "2", "30"
    ]  # fmt: skip


def test_a_setting_that_was_not_chosen_counts_no_row_twice(tmp_path: Path) -> None:
    run = build(tmp_path / "run")
    found = json.loads((run / "results.json").read_text("utf-8"))
    last = found["cells"][-1]
    found["cells"].append({**last, "id": "other", "setting": {"alpha": 64}, "chosen": False})
    (run / "results.json").write_text(json.dumps(found), "utf-8")
    page = Page.read(write_report(run))
    assert page.table("Made rows that were kept but not trained on")["rewrite"][2] == "2"
    alt = [f.all("title")[0].text() for f in page.root.all("figure")]
    generation = last["splits"]["test"]["generation"]["macro_f1"]
    expected = f"rewrite, macro-F1: 32: {100 * generation:.1f}, 64: {100 * generation:.1f}"
    assert sum(expected in text for text in alt) == 1


def cells(*settings: dict[str, Any]) -> list[Cell]:
    return [
        Cell(id=str(n), arm="none", student="s", seed=0, setting=one)
        for n, one in enumerate(settings)
    ]


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        ([{"alpha": 4}, {"alpha": 8}], "alpha"),
        ([{"learning_rate": 1e-4}, {"learning_rate": 3e-4}], "learning_rate"),
        ([{"alpha": 4}, {"alpha": 4}], None),
        ([{"head": "tied"}, {"head": "untied"}], None),
        ([{"dora": True}, {"dora": False}], None),
        ([{"alpha": 4, "rank": 2}, {"alpha": 8, "rank": 2}], None),
        ([{}], None),
    ],
)
def test_a_curve_needs_one_setting_with_numbers(
    settings: list[dict[str, Any]], key: str | None
) -> None:
    assert swept(cells(*settings)) == key


@pytest.mark.parametrize(
    ("values", "log"),
    [
        ([32, 64, 256], True),
        ([0.001, 0.01], True),
        ([3, 6, 12], True),
        ([10, 20, 30], False),
        ([0, 1, 2], False),
    ],
)
def test_the_axis_is_logarithmic_where_values_are_powers(values: list[float], log: bool) -> None:
    assert powers(values) is log


@pytest.mark.parametrize(
    ("name", "value", "text", "heading", "better"),
    [
        ("perplexity", 2.9599, "2.960", "Perplexity", "lower is better"),
        ("perplexity", 45.678, "45.68", "Perplexity", "lower is better"),
        ("perplexity_all", 1234.56, "1,234.6", "Perplexity over all tokens", "lower is better"),
        ("next_token_accuracy", 0.7329, "73.3", "Next-token accuracy, %", "higher is better"),
        ("log_loss", 1.25, "1.250", "Log-loss", "lower is better"),
        ("macro_f1", 1.0, "100.0", "Macro-F1, %", "higher is better"),
    ],
)
def test_a_metric_knows_its_direction_and_its_places(
    name: str, value: float, text: str, heading: str, better: str
) -> None:
    show = metric(name)
    assert (show.show(value), show.heading, show.better) == (text, heading, better)

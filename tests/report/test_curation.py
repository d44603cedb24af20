"""What the page says of curation: the funnel by label, diversity, remarks."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from preceptor.report.page import write_report

from .fixture import LABELS, build, made_rows
from .html import Page


def number(text: str) -> int:
    return int(text.replace(",", ""))


@pytest.mark.parametrize("arm", ["rewrite", "create"])
def test_the_funnel_adds_up_by_label_and_filter_and_counts_the_made_data(
    page: Page, arm: str
) -> None:
    (table,) = [
        table
        for table in page.root.all("table")
        if f"{arm}: from the teacher's answers" in table.all("caption")[0].text()
    ]
    heads, *_ = (row.all("th") for row in table.all("thead")[0].all("tr")[1:])
    filters = [head.text() for head in heads]
    rows = [row for k in range(3) for row in made_rows(arm, k)]
    order = ["Not readable", "Meta", "Duplicates", "Contamination"]
    assert filters == [name for name in order if name in filters]
    told = page.table(f"{arm}: from the teacher's answers")
    for label in (*LABELS, "all"):
        candidates, *rejected, kept, _, wanted, short = told[label]
        own = [row for row in rows if label in (row["target"], "all")]
        assert len(rejected) == len(filters)
        assert number(candidates) == len(own) == number(kept) + sum(map(number, rejected))
        assert number(kept) == sum(row["verdict"] == "kept" for row in own)
        assert number(wanted) == (36 if label == "all" else 6 if label in LABELS[:4] else 3)
        assert 0 <= number(short) <= number(wanted)
    assert "On, and rejected nothing:" in page.text()


def test_the_funnel_is_a_csv_with_its_arm(run: Path, page: Page) -> None:
    with (run / "report/tables/funnel.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["arm"] for row in rows} == {"rewrite", "create"}
    assert {row["label"] for row in rows} == {*LABELS, "all"}


def test_diversity_stands_with_a_reading_aid_and_what_was_not_measured_is_a_dash(
    page: Page,
) -> None:
    text = page.text()
    table = next(t for t in page.root.all("table") if "How varied" in t.all("caption")[0].text())
    rows = [[cell.text() for cell in row.all("th", "td")] for row in table.all("tr")[2:]]
    assert rows[0] == ["rewrite", "people", "12", "0.500", "0.900", "1.000", "0.100", "0.700"]
    assert rows[1] == ["rewrite", "the teacher", "12", "0.400", "0.800", "0.900", "0.300", "–"]
    assert "less is more varied" in text
    assert "compare the two rows of an arm" in text


def test_more_reasons_than_colours_are_drawn_together(tmp_path: Path) -> None:
    many = {f"reason {n}": 20 - n for n in range(12)}
    one = {"seed": 0, "human": 4, "wanted": 4, "kept": 4, "requests": 200, "rejected": many}
    arms = {"rewrite": {"operation": "rewrite", "seeds": [one]}}
    page = Page.read(write_report(build(tmp_path / "run", arms=arms)))
    (drawing,) = [f for f in page.root.all("figure") if f.attributes["id"] == "figure-made"]
    assert "reason 5" in drawing.text()
    assert "reason 6" not in drawing.text()
    assert "other reasons" in drawing.text()
    assert "4 of 178 kept" in drawing.text()


def test_remarks_of_filters_and_of_a_person_are_told_once(page: Page) -> None:
    text = page.text()
    assert "rewrite: a person decided about 2 made rows (2 accepted)." in text
    assert text.count("create, seed 2, judge: agrees with a person on 3 of 4 decided rows.") == 1
    assert "rewrite: the teacher wrote plain text, read without a schema." in text


def test_a_run_of_before_has_neither(tmp_path: Path) -> None:
    arms = {
        "rewrite": {
            "operation": "rewrite",
            "seeds": [{"seed": 0, "human": 4, "wanted": 4, "kept": 4, "requests": 4}],
        }
    }
    page = Page.read(write_report(build(tmp_path / "run", arms=arms)))
    captions = [table.all("caption")[0].text() for table in page.root.all("table")]
    assert not [one for one in captions if "teacher's answers" in one or "How varied" in one]


def test_no_text_reaches_the_funnel_where_texts_are_withheld(tmp_path: Path) -> None:
    folder = build(tmp_path / "run", report={"publish_texts": False})
    write_report(folder)
    files = [path for path in (folder / "report").rglob("*") if path.is_file()]
    written = [path.read_bytes().decode("utf-8", "replace") for path in files]
    made = {row["raw"] for row in made_rows("create", 0) if len(row["raw"]) > 20}
    assert made
    assert not [text for text in made if any(text in one for one in written)]

"""The tuned teacher on the page: its tuning, its calibration, what it annotated, the pool."""

import json
import random
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest

from preceptor.data.example import Example, Origin, to_row, write_examples
from preceptor.evaluate.calibration import calibration
from preceptor.report.page import write_report
from preceptor.report.read.tuning import Calibration
from preceptor.report.sections.teaching import pooled
from preceptor.store.tables import write_rows

from .fixture import EXAMPLE, LABELS, MESSAGES, VERDICTS
from .html import Page
from .test_page import (
    NOTHING,
    test_headings_descend_one_level_at_a_time,
    test_ids_are_unique_and_references_hold,
    test_nothing_leaves_the_page,
)


def raw(run: Path) -> dict[str, Any]:
    return json.loads((run / "results.json").read_text("utf-8"))


def page_of(folder: Path, results: dict[str, Any]) -> Page:
    (folder / "results.json").write_text(json.dumps(results), "utf-8")
    return Page.read(write_report(folder))


def test_the_page_is_as_sound_as_any(taught_page: Page) -> None:
    test_nothing_leaves_the_page(taught_page)
    test_headings_descend_one_level_at_a_time(taught_page)
    test_ids_are_unique_and_references_hold(taught_page)
    assert NOTHING.findall(taught_page.text()) == []


def test_the_table_of_tunings_holds_the_means_of_the_seeds(taught: Path, taught_page: Page) -> None:
    found = next(
        table for table in taught_page.root.all("table") if "Tuned teachers" in table.text()
    )
    labels, writes = ([cell.text() for cell in row.all("th", "td")] for row in found.all("tr")[-2:])
    tunings = [t for t in raw(taught)["teachers"][0]["tunings"] if t["role"] == "annotate"]
    assert labels[:7] == ["smollm2", "labels texts", "5", "100", "25", "40", "34"]
    assert labels[7] == "1 min 03 s"
    held = [one["calibration"] for one in tunings]
    for place, key, scale, digits in (
        (8, "accuracy", 100, 1),
        (9, "expected_calibration_error", 100, 1),
        (10, "brier", 1, 3),
    ):
        values = [scale * one[key] for one in held]
        told = [f"{value:.{digits}f}" for value in (fmean(values), min(values), max(values))]
        assert labels[place] == f"{told[0]} {told[1]} to {told[2]}"
    assert writes[1] == "writes rows (create)"
    assert writes[8:] == ["–", "–", "–"]
    assert "smollm2, writes rows (create): 1 human row did not fit it" in taught_page.text()


def test_bins_pooled_over_seeds_are_those_of_all_rows_together() -> None:
    chance, rows, targets = random.Random(3), [], []
    for _ in range(300):
        drawn = [chance.random() ** 3 for _ in LABELS]
        rows.append([one / sum(drawn) for one in drawn])
        targets.append(chance.choice(LABELS))
    parts = [
        Calibration.model_validate(calibration(rows[a:b], targets[a:b], LABELS))
        for a, b in ((0, 20), (20, 110), (110, 300))
    ]
    whole = Calibration.model_validate(calibration(rows, targets, LABELS))
    filled = [one for one in whole.bins if one.count]
    assert len(filled) < len(whole.bins), "some bins are empty"
    for ours, expected in zip(pooled(parts), filled, strict=True):
        assert ours.model_dump() == pytest.approx(expected.model_dump())


def test_the_reliability_figure_says_every_bin(taught: Path, taught_page: Page) -> None:
    (figure,) = (f for f in taught_page.root.all("figure") if "reliability" in f.attributes["id"])
    held = [
        Calibration.model_validate(one["calibration"])
        for one in raw(taught)["teachers"][0]["tunings"]
        if one["calibration"]
    ]
    alt = figure.all("title")[0].text()
    for one in pooled(held):
        assert f"{100 * (one.accuracy or 0):.1f} % right ({one.count} rows)" in alt
    assert sum(one.count for one in pooled(held)) == 5 * 240


def test_a_run_without_tuned_teacher_says_nothing_of_one(page: Page) -> None:
    text = page.text()
    for words in ("The teacher that was tuned", "Texts that a teacher labelled", "The pool"):
        assert words not in text


def test_annotated_rows_and_how_many_are_right(taught: Path, taught_page: Page) -> None:
    seeds = raw(taught)["arms"]["annotate"]["seeds"]
    shares = [100 * seed["label_accuracy"] for seed in seeds]
    told = f"{fmean(shares):.1f} {min(shares):.1f} to {max(shares):.1f}"
    row = taught_page.table("Annotated texts by arm")["annotate"]
    assert row == ["5", "7,400", "1,440", "1,000", "1,000", told]
    assert "hidden from everything that makes or chooses anything here" in taught_page.text()
    assert "Only the arm gold is trained on them." in taught_page.text()
    by_label = taught_page.table("Kept annotated rows by the label")
    pairs = [pair for seed in seeds for pair in seed["confusion"]]
    for label in LABELS:
        given = sum(times for _, said, times in pairs if said == label)
        right = sum(times for true, said, times in pairs if true == said == label)
        assert by_label[label] == [f"{round(given / 5)}", f"{100 * right / given:.1f}"]
    matrix = taught_page.table("annotate, kept rows: true labels in rows, given in columns")
    hits = sum(times for true, said, times in pairs if true == said == LABELS[2])
    assert matrix[LABELS[2]][2] == str(hits)


def test_annotated_rows_without_true_labels_tell_sizes_alone(taught: Path, tmp_path: Path) -> None:
    found = raw(taught)
    for seed in found["arms"]["annotate"]["seeds"]:
        for key in ("known", "label_accuracy", "confusion"):
            del seed[key]
    page = page_of(tmp_path, found)
    assert page.table("Annotated texts by arm")["annotate"] == ["5", "7,400", "1,440", "1,000"]
    assert "hidden from everything" not in page.text()
    assert "which labels were given for which" not in page.text()
    assert page.table("Kept annotated rows by the label")[LABELS[0]][1] == "–"


def test_an_arm_of_a_tuned_teacher_stands_among_the_made(taught_page: Page) -> None:
    table = taught_page.table("Made rows by arm")
    cells = [cell.replace("\xa0", " ") for cell in table["annotate"]]
    assert cells == ["5", "625", "5,000", "–", "2,200", "0", "5,000", "69.4 %", "0"]
    assert table["gold"][3] == "–"
    drawn = {f.attributes["id"]: f for f in taught_page.root.all("figure")}
    assert "annotate: 5000 of 7200 kept" in drawn["figure-made"].all("title")[0].text()
    funnel = taught_page.table("annotate: from the teacher's answers to kept rows")
    assert funnel["all"][:3] == ["7,200", "2,200", "5,000"]


def test_the_data_section_tells_the_pool(taught_page: Page) -> None:
    text = taught_page.text()
    assert "The pool holds 7,396 to 7,400 texts under each of 5 seeds" in text
    assert "The true labels of all of them are known, and hidden." in text
    table = taught_page.table("Rows taken out of the pool")
    assert table["the text of a test example"] == ["12", "12", "12"]
    assert table["nearly the text of a test example"] == ["7", "5", "9"]


def test_a_pool_of_one_seed_without_labels_is_told_plainly(taught: Path, tmp_path: Path) -> None:
    found = raw(taught)
    found["data"]["pool"] = [
        {"seed": 0, "rows": 40, "hidden_labels": 0, "removed": {"the text of a test example": 2}}
    ]
    page = page_of(tmp_path, found)
    assert "The pool holds 40 texts, for teachers to annotate" in page.text()
    assert "No true label of theirs is known." in page.text()
    assert page.table("Rows taken out of the pool")["the text of a test example"] == ["2"]


def test_a_teacher_that_only_writes_has_no_calibration(taught: Path, tmp_path: Path) -> None:
    found = raw(taught)
    teacher = found["teachers"][0]
    teacher["tunings"] = [one for one in teacher["tunings"] if one["role"] != "annotate"]
    teacher["identity"] |= {"tuned_from": "runs/other/teachers/smollm2"}
    page = page_of(tmp_path, found)
    assert page.table("Tuned teachers")["smollm2"][-1] == "1 min 03 s"
    assert not [f for f in page.root.all("figure") if "reliability" in f.attributes["id"]]
    assert "smollm2 was tuned by another run, and taken from there." in page.text()


def test_annotated_texts_show_both_labels(taught: Path, tmp_path: Path) -> None:
    found = raw(taught)
    found["report"] = {"publish_texts": True}
    told = {"filter": "", "reason": "", "detail": "", "figures": "{}", "raw": ""}
    refused = told | {"filter": "keep", "reason": "less sure than others of its label"}
    rows = [
        to_row(_given(n, LABELS[n])) | {"verdict": verdict} | words
        for n, verdict, words in ((0, "kept", told), (1, "rejected", refused))
    ]
    path = found["arms"]["annotate"]["seeds"][0]["path"]
    write_rows(tmp_path / path / "made.parquet", rows, (*EXAMPLE, *VERDICTS))
    text_id, original = "pool-0", MESSAGES[0][1]
    write_examples(
        tmp_path / "data/examples.parquet", [Example(text_id, {"text": original}, LABELS[5])]
    )
    text = page_of(tmp_path, found).text()
    assert f"Text of the pool, {text_id} {LABELS[5]} Annotate, seed 0 {LABELS[0]}" in text
    assert f"Annotate, seed 0 {LABELS[1]}" in text
    assert "the teacher wrote nothing" not in text


def _given(number: int, label: str) -> Example:
    origin = Origin("smollm2", "annotate", (f"pool-{number}",))
    return Example(f"annotate-{number}", {"text": MESSAGES[0][1]}, label, (), {}, origin)

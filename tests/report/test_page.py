"""The page as a whole: what a browser would do with it, and whether its numbers are right."""

import base64
import csv
import hashlib
import itertools
import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from sklearn.metrics import precision_recall_fscore_support

from preceptor import report
from preceptor.errors import DataError, StaleRunError
from preceptor.report.page import write_report
from preceptor.store.tables import read_rows

from .fixture import LABELS, MESSAGES, build
from .html import Page

NOTHING = re.compile(r"\b(nan|NaN|None|null|inf|undefined)\b")
BEST = " best on validation"


def results_of(run: Path) -> dict:
    return json.loads((run / "results.json").read_text("utf-8"))


def test_nothing_leaves_the_page(page: Page) -> None:
    tags = {element.tag for element in page.elements}
    assert not tags & {"iframe", "object", "embed", "img", "base", "form", "video"}
    for element in page.elements:
        for name, value in element.attributes.items():
            assert not name.startswith("on"), (element.tag, name)
            assert name != "style", element.tag
            if name in ("href", "src", "xlink:href", "srcset", "data", "action"):
                assert value.startswith("#") or value == "data:,", (element.tag, name, value)
    assert re.findall(r"url\((?!#)", page.source) == []
    assert "@import" not in page.source
    assert "//" not in re.sub(r"<script>.*</script>", "", page.source, flags=re.S).replace("</", "")


def test_only_its_own_style_and_script_may_act(page: Page) -> None:
    """By their hashes: whatever a text brought in would be refused."""
    (policy,) = [e.attributes for e in page.elements if e.attributes.get("http-equiv")]
    allowed = dict(part.strip().split(" ", 1) for part in policy["content"].split(";"))
    assert allowed["default-src"] == allowed["base-uri"] == allowed["form-action"] == "'none'"
    for tag, rule in (("script", "script-src"), ("style", "style-src")):
        (element,) = page.root.all(tag)
        (text,) = element.children
        assert isinstance(text, str)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert allowed[rule] == f"'sha256-{digest}'"
    assert text_of_script(page) == (Path(report.__file__).parent / "page.js").read_text("utf-8")
    assert set(allowed) == {
        *("default-src", "style-src", "script-src"),
        *("img-src", "base-uri", "form-action"),
    }


def text_of_script(page: Page) -> str:
    (text,) = page.root.all("script")[0].children
    assert isinstance(text, str)
    return text


def test_without_its_script_the_page_shows_all_samples(page: Page) -> None:
    hidden = [e for e in page.elements if "hidden" in e.attributes]
    assert [e.attributes["id"] for e in hidden] == ["finder"]
    samples = [e.attributes for e in page.elements if "data-sample" in e.attributes]
    assert {one["data-verdict"] for one in samples} == {"kept", "rejected"}
    assert {one["data-arm"] for one in samples} == {"rewrite", "create"}
    for name, key in (("finder-arm", "data-arm"), ("finder-label", "data-label")):
        (select,) = [e for e in page.elements if e.attributes.get("id") == name]
        options = {one.attributes["value"] for one in select.all("option")}
        assert options == {"", *(one[key] for one in samples)}


def test_headings_descend_one_level_at_a_time(page: Page) -> None:
    levels = [int(e.tag[1]) for e in page.elements if re.fullmatch(r"h[1-6]", e.tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))


def test_tables_and_figures_say_what_they_are(page: Page) -> None:
    tables = page.root.all("table")
    assert len(tables) > 10
    for table in tables:
        assert table.all("caption")[0].text()
        assert all(head.attributes.get("scope") for head in table.all("th"))
    for figure in page.root.all("figure"):
        (drawing,) = figure.all("svg")
        assert drawing.attributes["role"] == "img"
        (title,) = drawing.all("title")
        assert drawing.attributes["aria-labelledby"] == title.attributes["id"]
        assert len(title.text()) > 20
        assert figure.all("figcaption")[0].text()


def test_ids_are_unique_and_references_hold(page: Page) -> None:
    ids = [e.attributes["id"] for e in page.elements if "id" in e.attributes]
    assert len(ids) == len(set(ids))
    used = re.findall(r'(?:href="#|url\(#|aria-labelledby=")([^")]+)', page.source)
    assert set(used) <= set(ids)


def test_no_missing_value_is_printed_as_such(page: Page) -> None:
    assert NOTHING.findall(page.text()) == []
    dashes = [e for e in page.elements if e.attributes.get("class") == "absent"]
    assert dashes
    assert all(dash.attributes["title"] and dash.text() == "–" for dash in dashes)


def shown(value: float) -> str:
    return f"{100 * value:.1f}".replace("-", "−")


def test_the_arms_table_holds_the_scores(run: Path, page: Page) -> None:
    results, table = results_of(run), page.table("minilm-full: scores on the test set")
    for score in results["scores"]:
        if score["student"] == "minilm-full":
            row = next(v for k, v in table.items() if k.removesuffix(BEST) == score["arm"])
            field = row[2 if score["metric"] == "macro_f1" else 3]
            expected = f"{shown(score['mean'])} {shown(score['low'])} to {shown(score['high'])}"
            assert field == expected
    majority = next(b for b in results["baselines"] if b["name"] == "majority")["metrics"]
    assert table["majority baseline"] == [
        "–", "–", shown(majority["macro_f1"]), shown(majority["accuracy"]), "–", "–", "0.0 %"
    ]  # fmt: skip


def test_the_arms_table_holds_the_differences(run: Path, page: Page) -> None:
    table = page.table("minilm-full: scores on the test set")
    marks = {"better": " ▲", "worse": " ▼", "no evidence": ""}
    for fact in results_of(run)["comparisons"]:
        if fact["metric"] == "macro_f1":
            row = next(v for k, v in table.items() if k.removesuffix(BEST) == fact["arm"])
            sign = "+" if fact["difference"] > 0 else ""
            expected = f"{sign}{shown(fact['difference'])}{marks[fact['verdict']]}"
            expected += f" {shown(fact['low'])} to {shown(fact['high'])}"
            assert row[4 if fact["against"] == "none" else 5] == expected


def test_the_label_table_is_that_of_the_pooled_predictions(run: Path, page: Page) -> None:
    rows = [
        row
        for seed in range(3)
        for row in read_rows(run / f"cells/minilm-full/rewrite/seed-{seed}/predictions.parquet")
        if row["split"] == "test"
    ]
    truth = [row["target"] for row in rows]
    said = [row["prediction"] for row in rows]
    scores = precision_recall_fscore_support(truth, said, labels=LABELS)
    table = page.table("minilm-full: F1 by label")
    column = ["none", "repeat", "rewrite", "create", "combined"].index("rewrite")
    matrix = page.table("minilm-full, rewrite: true labels in rows")
    for index, label in enumerate(LABELS):
        assert table[label][column] == shown(scores[2][index])
        assert table[label][-1] == "60"
        assert matrix[label][-1] == shown(scores[1][index])
        pairs = [
            sum((t, s) == (label, k) for t, s in zip(truth, said, strict=True)) for k in LABELS
        ]
        assert matrix[label][:-1] == [str(n) if n else "·" for n in pairs]
    assert matrix["Precision, %"][:-1] == [shown(value) for value in scores[0]]


def test_the_funnel_counts_what_lies_in_the_made_data(run: Path, page: Page) -> None:
    rows = [r for k in range(3) for r in read_rows(run / f"arms/create/seed-{k}/made.parquet")]
    kept = sum(row["verdict"] == "kept" for row in rows)
    table = page.table("Made rows by arm")
    assert table["create"][3] == str(len(rows))
    assert table["create"][-3:] == [str(kept), f"{100 * kept / len(rows):.1f} %", str(36 - kept)]
    assert f"create fell short of its 36 wanted rows by {36 - kept}" in page.text()


def test_pairs_that_are_not_listed_are_counted(tmp_path: Path) -> None:
    pair = {"split_a": "train", "split_b": "test", "kind": "exact", "share": 1.0}
    examples = [pair | {"id_a": f"m{n}", "id_b": f"t{n}"} for n in range(20)]
    rows = [{"between": "train and test", "kind": "the same text", "count": 280}]
    rows += [{"between": "train and validation", "kind": "the same text", "count": 20}]
    data = {"leakage": {"rows": rows, "examples": examples}}
    text = Page.read(write_report(build(tmp_path / "run", data=data))).text()
    assert "The first 20 of 300 pairs." in text
    assert "The pairs found." not in text
    data["leakage"]["rows"] = [rows[1]]
    text = Page.read(write_report(build(tmp_path / "all", data=data))).text()
    assert "The pairs found." in text


def test_the_cost_of_answers_tells_what_was_paid_before(tmp_path: Path) -> None:
    run = build(tmp_path / "run")
    results = results_of(run)
    for arm in results["arms"].values():
        for one in arm["seeds"]:
            if one.get("usage"):
                one["usage"] |= {"cost": 0.5, "cached_cost": 0.25}
    results["teachers"][0]["usage"] |= {"cost": 4.0, "cached_cost": 0.0}
    (run / "results.json").write_text(json.dumps(results), "utf-8")
    table = Page.read(write_report(run)).table("What the teacher was asked")
    kept = sum(one["kept"] for one in results["arms"]["create"]["seeds"])
    assert [name.replace("\xa0", " ") for name in table["create"][-3:]] == [
        "1.50 USD",
        "0.7500 USD",
        f"{1.5 / kept:.4f} USD",
    ]
    assert table["smollm2, whole run"][-3:-1] == ["4.00 USD", "0.00 USD"]


def test_the_page_says_what_it_must(page: Page) -> None:
    text = page.text()
    for words in (
        "all arms at equal updates (100)",
        "One seed only for smollm2-lora",
        "the weights are rounded to 4 bits",
        "160 messages, written by a few hands",
        "1 pair of examples stands in two splits",
        "preceptor run study.yaml",
        "Sorting messages of a patient portal into eight kinds. name: quickstart",
    ):
        assert words in text


def test_figures_and_tables_lie_beside_the_page(run: Path, page: Page) -> None:
    for ending in ("svg", "png"):
        drawn = sorted(path.stem for path in (run / "report/figures").glob(f"*.{ending}"))
        assert drawn == sorted(
            figure.attributes["id"].removeprefix("figure-") for figure in page.root.all("figure")
        )
    for name in drawn:
        text = (run / f"report/figures/{name}.svg").read_text("utf-8")
        root = ET.fromstring(text)
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
        assert "var(" not in text
    written = {path.name for path in (run / "report/tables").iterdir()}
    names = {name.partition(".")[0] for name in written}
    assert written == {f"{name}.{ending}" for name in names for ending in ("csv", "md", "tex")}
    with (run / "report/tables/arms.csv").open() as file:
        rows = list(csv.DictReader(file))
    score = next(s for s in results_of(run)["scores"] if s["arm"] == "create")
    row = next(r for r in rows if r["arm"] == "create")
    assert float(row["macro_f1"]) == score["mean"]
    assert float(row["macro_f1_low"]) == score["low"]
    assert {r["student"] for r in rows} == {"minilm-full", "smollm2-lora"}


def test_a_second_report_is_the_same_byte_for_byte(run: Path, page: Page) -> None:
    files = {path: path.read_bytes() for path in (run / "report").rglob("*") if path.is_file()}
    write_report(run)
    assert {path: path.read_bytes() for path in files} == files
    assert list(run.glob(".unfinished-*")) == []


EVIL = (
    '"><img src=x onerror=alert(1)></style></script><script>hacked = 1</script>'
    "<svg onload=alert(2)>'&<!--{{ 7 * 7 }}]]>"
)


def hostile(run: Path) -> Path:
    """A run in which every text of data and models is markup."""
    build(run)
    text = (run / "results.json").read_text("utf-8")
    swapped = json.loads(text.replace("combined", json.dumps(EVIL)[1:-1]))
    swapped |= {"description": EVIL, "study": EVIL, "limits": [EVIL]}
    swapped["failed"] = [{"id": EVIL, "error": EVIL}]
    swapped["task"]["labels"] = [EVIL, *LABELS[1:]]
    (run / "results.json").write_text(json.dumps(swapped), "utf-8")
    (run / "study.yaml").write_text(EVIL, "utf-8")
    _poison(run / "arms/rewrite/seed-0/made.parquet", EVIL)
    _poison(run / "data/examples.parquet", EVIL)
    return run


def test_texts_from_models_stay_text(tmp_path: Path) -> None:
    page = Page.read(write_report(hostile(tmp_path / "run")))
    assert page.text().count(EVIL) > 20
    test_nothing_leaves_the_page(page)
    test_only_its_own_style_and_script_may_act(page)
    test_ids_are_unique_and_references_hold(page)


def _poison(path: Path, evil: str) -> None:
    """Put markup into every text of a Parquet file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = pq.read_table(path).to_pylist()
    for row in rows:
        row["inputs"] = json.dumps({"text": f"{evil} {evil}", evil: evil})
        row["target"] = evil
        row |= {name: evil for name in ("raw", "detail") if name in row}
        row["reason"] = evil if row.get("reason") else row.get("reason")
    pq.write_table(pa.Table.from_pylist(rows), path)


def test_texts_are_withheld_where_the_study_asks_for_it(tmp_path: Path) -> None:
    run = build(
        tmp_path / "run",
        report={"publish_texts": False},
        failed=[{"id": "a/b", "error": f"too long\n  found: {MESSAGES[0][1]}"}],
    )
    text = Page.read(write_report(run)).text()
    assert "texts of this data are not shown" in text
    assert "too long" in text
    written = [path.read_bytes() for path in (run / "report").rglob("*") if path.is_file()]
    for _, *texts in MESSAGES:
        assert not any(one.encode() in content for content in written for one in texts)


def strip(run: Path, *names: str) -> Path:
    """Take parts out of results.json altogether."""
    left = {k: v for k, v in results_of(run).items() if k not in names}
    (run / "results.json").write_text(json.dumps(left), "utf-8")
    return run


def test_a_run_with_almost_nothing_still_has_a_page(tmp_path: Path) -> None:
    (tmp_path / "results.json").write_text('{"format": 1, "study": "bare", "finished": false}')
    page = Page.read(write_report(tmp_path))
    text = page.text()
    assert "This run is not finished" in text
    assert "Nothing has been scored on the test set yet" in text
    assert "This study has no teacher" in text
    assert "no study.yaml" in text
    assert NOTHING.findall(text) == []
    test_headings_descend_one_level_at_a_time(page)


def test_what_is_missing_or_damaged_is_said(tmp_path: Path) -> None:
    run = strip(build(tmp_path / "run"), "teachers", "scores", "comparisons", "environment")
    (run / "arms/rewrite/seed-0/made.parquet").write_bytes(b"PAR1 not a table")
    (run / "arms/create/seed-1/made.parquet").unlink()
    (run / "cells/minilm-full/none/seed-0/history.json").write_text("[{]")
    text = Page.read(write_report(run)).text()
    assert "arms/rewrite/seed-0/made.parquet cannot be read" in text
    assert "arms/create/seed-1/made.parquet is not in the run folder" in text
    assert "training history of minilm-full/none/seed-0 cannot be read" in text
    assert "The results hold no comparison of its arms" in text
    assert NOTHING.findall(text) == []


def test_values_that_are_no_numbers_become_dashes(tmp_path: Path) -> None:
    run = build(tmp_path / "run")
    results = results_of(run)
    for score in results["scores"]:
        score["mean"] = score["low"] = score["high"] = float("nan")
    for fact in results["comparisons"]:
        fact |= {"difference": None, "low": float("inf"), "high": None}
    for cell in results["cells"]:
        cell |= {"seconds": None, "peak_memory_bytes": None, "updates": None}
        for metrics in cell["splits"]["test"].values():
            metrics |= {"macro_f1": float("nan"), "unparsed": metrics["n"]}
            metrics["confusion"] = [[0] * 9 for _ in LABELS]
    (run / "results.json").write_text(json.dumps(results), "utf-8")
    page = Page.read(write_report(run))
    assert NOTHING.findall(page.text()) == []
    row = next(v for k, v in page.table("minilm-full: scores").items() if k.startswith("rewrite"))
    assert row[2] == "–"
    assert row[-1] == "100.0 %"


def test_settings_are_told_with_their_choice(tmp_path: Path) -> None:
    run = build(tmp_path / "run")
    results = results_of(run)
    encoder = [c for c in results["cells"] if c["kind"] == "encoder"]
    other = [c | {"id": c["id"] + "x", "setting": {"lr": 0.1}, "chosen": False} for c in encoder]
    results["cells"] += other
    results["cells"][0]["chosen"], other[0]["chosen"] = False, True
    (run / "results.json").write_text(json.dumps(results), "utf-8")
    page = Page.read(write_report(run))
    rows = next(t for t in page.root.all("table") if "settings tried" in t.text()).all("tr")
    told = {tuple(cell.text() for cell in row.all("th", "td"))[:2]: row.text() for row in rows}
    assert told["none", "full, as given"].endswith("2 of 3 seeds")
    assert told["none", "full, lr 0.1"].endswith("1 of 3 seeds")
    assert told["rewrite", "full, lr 0.1"].endswith("0 of 3 seeds")
    assert "took no part in the choice" in page.text()


@pytest.mark.parametrize(
    ("content", "error", "words"),
    [
        (None, DataError, "holds no results"),
        ('{"format": 1, "study": "x", "cells": [{"id', DataError, "put together anew"),
        ('{"format": 2, "study": "x", "cells": 3}', StaleRunError, "a newer version of Preceptor"),
        ('{"format": 0, "study": "x"}', StaleRunError, "the version of Preceptor that made"),
        ('{"format": 1, "study": 3, "cells": []}', DataError, "study"),
        ("[]", DataError, "damaged"),
    ],
)
def test_bad_results_are_refused_and_the_old_page_stays(
    tmp_path: Path, content: str | None, error: type[Exception], words: str
) -> None:
    old = tmp_path / "report" / "index.html"
    old.parent.mkdir()
    old.write_text("old")
    if content is not None:
        (tmp_path / "results.json").write_text(content)
    with pytest.raises(error, match=words):
        write_report(tmp_path)
    assert old.read_text() == "old"

"""The page and the words of runs set side by side, from what was found of them."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest

from preceptor.errors import DataError
from preceptor.report.versus import (
    Apart,
    Change,
    DataLine,
    Reading,
    RunDifference,
    RunFacts,
    RunScore,
    Versus,
)
from preceptor.report.versus.page import write_page
from preceptor.report.versus.words import changed, limits, title, verdicts

from .html import Page

ABOUT = {"student": "bert", "reading": "classifier"}
METRICS = ("accuracy", "macro_f1")
MEANS = [
    ("old", "none", 0.6),
    ("new", "none", 0.6),
    ("old", "one", 0.6),
    ("new", "one", 0.7),
    ("new", "more", 0.5),
]
WIDE = [Change(key="curation.facts", values=["false", "default"])]


def run(name: str, **more: Any) -> RunFacts:
    return RunFacts(name=name, folder=f"/runs/{name}", study="small", seeds=[0, 1, 2], **more)


def score(of: str, arm: str, mean: float, metric: str = "macro_f1") -> RunScore:
    ends = {"low": mean - 0.05, "high": mean + 0.05, "seeds": 3, "setting": "chosen"}
    return RunScore(run=of, arm=arm, metric=metric, mean=mean, **ABOUT, **ends)


def difference(arm: str, mean: float, verdict: str, **more: Any) -> RunDifference:
    ends = {"low": mean - 0.02, "high": mean + 0.02, "seeds": 3, "items": 30}
    about = {"run": "new", "against": "old", "metric": "macro_f1", **ABOUT, **ends}
    return RunDifference(arm=arm, difference=mean, verdict=verdict, **{**about, **more})


def versus(**more: Any) -> Versus:
    parts = {
        "runs": [run("old"), run("new")],
        "changes": WIDE,
        "environment": [],
        "data": [DataLine(split="test", rows=[30, 30], same=[30, 30])],
        "readings": {"classifier": Reading(title="classifier", headline="macro_f1")},
        "scores": [score(of, arm, mean, metric) for of, arm, mean in MEANS for metric in METRICS],
        "differences": [
            difference("none", 0.0, "no evidence", same=True),
            difference("one", 0.1, "better"),
            difference("one", 0.0, "no evidence", metric="accuracy"),
        ],
        "apart": [],
        "problems": [],
    }
    return Versus(**(parts | more))


def test_the_first_words_say_what_changed() -> None:
    assert title(versus()) == "new against old"
    assert changed(versus()) == [
        "Changed: curation.facts: false → default.",
        "The data are the same (30 test).",
        "Versions, machine, threads and precision are the same.",
    ]


def test_changes_below_one_key_are_told_together() -> None:
    changes = [
        *(Change(key=f"curation.{name}", values=["false", "default"]) for name in ("meta", "near")),
        Change(key="seeds", values=["[0]", "[0, 1]"]),
        Change(key="arms.more", values=["", "{operation: repeat}"]),
        Change(key="name", values=["a", "b"], bears=False),
    ]
    assert changed(versus(changes=changes))[0] == (
        "Changed: curation: meta and near: false → default; seeds: [0] → [0, 1]; arms.more: not"
        " there → {operation: repeat}."
    )
    assert changed(versus(changes=changes[-1:]))[0] == ("No setting that bears on a score differs.")


def test_other_data_and_other_environments_are_said() -> None:
    lines = [DataLine(split="test", rows=[30, 20], same=[30, 12])]
    versions = [Change(key="torch", values=["2.13.0", "2.14.0"])]
    found = versus(data=lines, environment=versions)
    assert changed(found)[1:] == [
        "The data differ: test has 30 and 20 rows, of which 12 the same.",
        "Made in another environment, which alone may move predictions: torch: 2.13.0 → 2.14.0.",
    ]
    assert any("different environments" in line for line in limits(found))


def test_what_could_not_be_read_is_not_said_to_be_the_same() -> None:
    found = versus(data=[], changes=[], problems=["new: study.yaml is not in the run folder"])
    assert changed(found)[:2] == [
        "What changed between the studies is not known.",
        "Whether the data are the same is not known.",
    ]


def test_the_verdict_says_whether_it_helped() -> None:
    (verdict,) = verdicts(versus())
    assert verdict.title == "bert"
    assert verdict.short == (("better", "Helped: one"), ("nothing", "The same predictions: none"))
    told = dict(verdict.arms)
    assert told["one"].startswith("better than old by 10.0 points macro-F1")
    assert told["none"] == "the same predictions as in old (3 seeds)"
    (more,) = verdict.more
    assert more.startswith("In accuracy it reads otherwise for one: no evidence either way")


@pytest.mark.parametrize(
    ("mean", "verdict", "words"),
    [(-0.1, "worse", "Hurt: one"), (0.01, "no evidence", "No evidence either way: one")],
)
def test_hurt_and_no_evidence_have_their_words(mean: float, verdict: str, words: str) -> None:
    (found,) = verdicts(versus(differences=[difference("one", mean, verdict)]))
    assert [said for _, said in found.short] == [words]


def test_no_evidence_says_what_could_have_been_shown() -> None:
    one = difference("one", 0.01, "no evidence", detectable=0.08, seeds_needed=9)
    (found,) = verdicts(versus(differences=[one]))
    told = dict(found.arms)["one"]
    assert "could have shown 8.0 points macro-F1" in told
    assert "to tell the one found, 9 seeds alone" in told


def test_cells_made_alike_that_predict_otherwise_point_to_the_environment() -> None:
    (found,) = verdicts(versus(differences=[difference("one", 0.01, "no evidence", alike=True)]))
    assert "it is the environment that differs" in dict(found.arms)["one"]


def test_what_is_not_compared_says_why() -> None:
    items = "other test items under seed 0 (new 20, old 30, 12 of them the same)"
    apart = [Apart(run="new", arm="one", why=items, **ABOUT)]
    (found,) = verdicts(versus(differences=[], apart=apart))
    assert found.short == (("nothing", "Not compared"),)
    assert found.arms == (("one", f"not compared: {items}"),)
    (whole,) = verdicts(versus(differences=[], apart=[Apart(run="new", why="the labels differ")]))
    assert (whole.title, whole.more) == ("All", ("The labels differ.",))


def test_seeds_that_one_run_lacks_and_single_seeds_are_said() -> None:
    one = difference(
        "one", 0.1, "better", seeds=1, seeds_apart=(1, 2), scope="items only (one seed)"
    )
    found = versus(differences=[one])
    (verdict,) = verdicts(found)
    assert "seeds 1 and 2 only one of them has" in verdict.more[0]
    assert any(line.startswith("One seed only for one") for line in limits(found))


def test_two_changes_at_once_are_a_limit() -> None:
    changes = [*WIDE, Change(key="seeds", values=["[0]", "[1]"])]
    assert "2 settings differ" in limits(versus(changes=changes))[0]
    assert limits(versus()) == []


@pytest.fixture
def out(tmp_path: Path) -> Path:
    write_page(versus(runs=[run("old", finished=False, cells=6), run("<b>new")]), tmp_path / "out")
    return tmp_path / "out"


def test_the_page_shows_scores_and_differences(tmp_path: Path) -> None:
    page = Page.read(write_page(versus(), tmp_path / "out"))
    rows = page.table("scores on the test set")
    old, new, less = rows["one"][:3]
    assert (old.split()[0], new.split()[0], less.split()[:2]) == ("60.0", "70.0", ["+10.0", "▲"])
    assert rows["none"][2].startswith("0.0")
    assert "more" not in rows, "an arm of one run alone is listed apart"
    assert "more" in " ".join(page.table("no other run has")["bert"])
    text = page.text()
    assert "What changed, and did it help?" in text
    assert "Changed: curation.facts: false → default." in text


def test_the_page_is_one_file_and_takes_no_markup_from_names(out: Path) -> None:
    source = (out / "compare.html").read_text("utf-8")
    page = Page(source)
    assert "<b>new" not in source
    assert "<b>new" in page.text()
    named = [one.attributes for one in page.elements]
    assert not [each for each in named if each.get("src") or each.get("href", "#")[0] not in "#d"]
    assert "old is not finished: 6 cells scored." in page.text()


def test_the_figure_leaves_out_what_is_the_same(tmp_path: Path) -> None:
    page = Page.read(write_page(versus(), tmp_path / "out"))
    (figure,) = page.root.all("figure")
    assert "bert, one against old +10.0" in figure.all("svg")[0].all("title")[0].text()
    assert "none" not in figure.all("figcaption")[0].text()
    assert (tmp_path / "out" / "figures" / "differences-1.svg").is_file()


def test_the_tables_lie_beside_the_page(tmp_path: Path) -> None:
    out = tmp_path / "out"
    write_page(versus(), out)
    with (out / "tables" / "scores.csv").open(encoding="utf-8", newline="") as file:
        rows = {row["arm"]: row for row in csv.DictReader(file)}
    assert float(rows["one"]["macro_f1_new_minus_old"]) == pytest.approx(0.1)
    assert float(rows["one"]["macro_f1_new_minus_old_low"]) == pytest.approx(0.08)
    assert rows["one"]["student"] == "bert"
    assert "curation.facts" in (out / "tables" / "changes.md").read_text("utf-8")


def test_a_comparison_replaces_an_earlier_one_and_nothing_else(tmp_path: Path) -> None:
    out = tmp_path / "out"
    write_page(versus(), out)
    write_page(versus(changes=[]), out)
    assert not (out / "tables" / "changes.csv").exists()
    (out / "mine.txt").write_text("kept")
    with pytest.raises(DataError, match="holds something else"):
        write_page(versus(), out)
    assert (out / "mine.txt").read_text() == "kept"

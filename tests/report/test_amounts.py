"""Scores against amounts of data, and how much of the way to true labels an arm goes."""

import json
import math
import random
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import pytest
from scipy.stats import t

from preceptor.report.page import write_report
from preceptor.report.read.results import Results, load
from preceptor.report.read.sources import source_of
from preceptor.report.sections import amounts, ceiling
from preceptor.report.sections.ceiling import Way, fieller, way_table, ways
from preceptor.report.sections.findings import shown

from .html import Page
from .taught_run import comparisons, scores, scores_of

GROUP = ("minilm", "classifier")


def raw(run: Path) -> dict[str, Any]:
    return json.loads((run / "results.json").read_text("utf-8"))


def changed(results: dict[str, Any], **changes: Any) -> Results:
    return Results.model_validate(results | changes)


def test_a_line_for_every_source_of_rows(taught: Path) -> None:
    results = load(taught)
    lines = amounts.made_lines(results, GROUP)
    assert {line.name: [point.amount for point in line.points] for line in lines} == {
        "none": [0],
        "repeat": [1_000],
        "annotate": [125, 250, 500, 1_000],
        "create": [1_000],
        "annotate + create": [1_000],
        "gold": [1_000],
    }
    assert [line.name for line in lines if line.joined] == ["annotate"]
    assert len({line.colour for line in lines}) == len(lines)
    told = {(s["arm"], s["metric"]): s for s in raw(taught)["scores"]}
    for point in (point for line in lines for point in line.points):
        score = told[point.arm, "macro_f1"]
        expected = [100 * score[key] for key in ("mean", "low", "high")]
        assert [point.value, point.low, point.high] == pytest.approx(expected)


def test_the_figure_says_its_points_and_stands_in_its_section(taught_page: Page) -> None:
    figures = {f.attributes["id"]: f for f in taught_page.root.all("figure")}
    alt = figures["figure-amount-made-1"].all("title")[0].text()
    assert "annotate: 125 rows" in alt
    assert "beside 125 human ones" in figures["figure-amount-made-1"].text()
    assert "logarithmic" not in figures["figure-amount-made-1"].text()
    assert "figure-amount-human-1" not in figures, "all arms have the same human rows"
    assert "More data, and the way to true labels" in taught_page.text()


def test_single_amounts_make_no_figure(taught: Path, page: Page) -> None:
    found = raw(taught)
    few = ("none", "repeat", "annotate", "create", "mix", "gold")
    cells = [cell for cell in found["cells"] if cell["arm"] in few]
    assert amounts.made_lines(changed(found, cells=cells), GROUP) == []
    assert not [f for f in page.root.all("figure") if "amount" in f.attributes["id"]]
    assert "More data, and the way" not in page.text()


def human_study(found: dict[str, Any]) -> dict[str, Any]:
    """The same study with none, repeat and the annotated rows beside 25 human rows too."""
    arms, cells = dict(found["arms"]), list(found["cells"])
    for arm, of in (("none", {}), ("repeat", {}), ("annotate", {"annotate": None})):
        few = f"{arm}-few"
        seeds = [seed | {"human": 25} for seed in arms[arm]["seeds"]]
        operation = "mix" if of else arm
        arms[few] = arms[arm] | {"operation": operation, "of": of, "seeds": seeds}
        cells += [
            cell | {"arm": few, "id": f"{cell['id']}-few"}
            for cell in found["cells"]
            if cell["arm"] == arm
        ]
    told = {"scores": scores(cells), "comparisons": comparisons(cells)}
    return found | {"arms": arms, "cells": cells} | told


def test_human_rows_have_a_figure_where_arms_differ_in_them(taught: Path, tmp_path: Path) -> None:
    found = human_study(raw(taught))
    lines = amounts.human_lines(Results.model_validate(found), GROUP)
    assert {line.name: [p.arm for p in line.points] for line in lines} == {
        "none": ["none-few", "none"],
        "repeat": ["repeat-few", "repeat"],
        "annotate": ["annotate-few", "annotate"],
    }
    assert [point.amount for point in lines[0].points] == [25, 125]
    made = amounts.made_lines(Results.model_validate(found), GROUP)
    assert not [p for line in made for p in line.points if p.arm.endswith("-few")]
    (tmp_path / "results.json").write_text(json.dumps(found), "utf-8")
    figures = Page.read(write_report(tmp_path)).root.all("figure")
    (human,) = (f for f in figures if f.attributes["id"] == "figure-amount-human-1")
    assert "25 rows" in human.all("title")[0].text()


def test_far_amounts_stand_on_a_logarithmic_axis_with_0(taught: Path, tmp_path: Path) -> None:
    found = raw(taught)
    seeds = [seed | {"kept": 2_000} for seed in found["arms"]["annotate"]["seeds"]]
    arms = found["arms"] | {"annotate": found["arms"]["annotate"] | {"seeds": seeds}}
    (tmp_path / "results.json").write_text(json.dumps(found | {"arms": arms}), "utf-8")
    figures = Page.read(write_report(tmp_path)).root.all("figure")
    (made,) = (f for f in figures if f.attributes["id"] == "figure-amount-made-1")
    assert "on a logarithmic axis; 0 stands to its left." in made.text()
    words = [part.text() for part in made.all("text")]
    assert [word for word in words if word in ("0", "125", "250", "500", "1,000", "2,000")] == [
        "0", "125", "250", "500", "1,000", "2,000"
    ]  # fmt: skip


def test_amounts_too_near_for_two_ticks_share_one(taught: Path, tmp_path: Path) -> None:
    found = raw(taught)
    seeds = [seed | {"kept": 990} for seed in found["arms"]["create"]["seeds"]]
    arms = found["arms"] | {"create": found["arms"]["create"] | {"seeds": seeds}}
    (tmp_path / "results.json").write_text(json.dumps(found | {"arms": arms}), "utf-8")
    (made,) = (
        f
        for f in Page.read(write_report(tmp_path)).root.all("figure")
        if f.attributes["id"] == "figure-amount-made-1"
    )
    words = [part.text() for part in made.all("text")]
    assert "1,000" in words
    assert "990" not in words


def test_rows_of_a_mix_come_from_what_it_is_mixed_of(taught: Path) -> None:
    arms = raw(taught)["arms"] | {
        "true-few": {"operation": "mix", "of": {"gold": 250}},
        "old": {"operation": "mix"},
    }
    results = changed(raw(taught), arms=arms)
    assert source_of(results, "true-few") == "gold"
    assert source_of(results, "mix") == "annotate + create"
    assert source_of(results, "old") == "old", "a run of before does not say what it mixes"


def test_the_way_is_that_of_the_scores(taught: Path, taught_page: Page) -> None:
    cells = raw(taught)["cells"]
    table = taught_page.table("how much of the way in macro-F1")
    repeat, gold = (fmean(scores_of(cells, arm, "macro_f1")) for arm in ("repeat", "gold"))
    for arm in ("annotate", "annotate-125", "create", "mix"):
        ours = fmean(scores_of(cells, arm, "macro_f1"))
        share = f"{100 * (ours - repeat) / (gold - repeat):.1f}"
        assert table[arm][-1].startswith(f"{share} ")
        assert table[arm][0] == "5"
    assert not {"none", "repeat", "gold"} & set(table)


def test_fieller_ends_are_the_ratios_that_a_t_test_does_not_pass() -> None:
    chance = random.Random(5)
    second = [0.2 + chance.gauss(0, 0.03) for _ in range(5)]
    first = [0.6 * one + chance.gauss(0, 0.02) for one in second]
    found = fieller(first, second)
    assert found is not None
    assert found[0] < fmean(first) / fmean(second) < found[1]
    for ratio in found:
        rest = [a - ratio * b for a, b in zip(first, second, strict=True)]
        statistic = fmean(rest) / (stdev(rest) / math.sqrt(5))
        assert abs(statistic) == pytest.approx(t.ppf(0.975, 4))


def test_fieller_holds_the_true_ratio_as_often_as_it_says() -> None:
    chance, held, told = random.Random(1), 0, 0
    for _ in range(2_000):
        shared = [chance.gauss(0, 0.02) for _ in range(5)]
        second = [0.1 + one + chance.gauss(0, 0.02) for one in shared]
        first = [0.06 + one + chance.gauss(0, 0.02) for one in shared]
        ends = fieller(first, second)
        told += ends is not None
        held += ends is not None and ends[0] <= 0.6 <= ends[1]
    assert told > 1_900
    assert 0.935 < held / told < 0.965


def test_an_interval_needs_three_seeds_and_a_gold_that_is_surely_better() -> None:
    assert fieller([0.1, 0.2], [0.3, 0.4]) is None
    assert fieller([0.1, 0.2, 0.1], [0.3, -0.4, 0.5]) is None
    assert fieller([0.1, 0.1, 0.1], [0.2, 0.2, 0.2]) == pytest.approx((0.5, 0.5))


def test_the_way_of_a_score_where_less_is_better_is_the_same() -> None:
    rows = ((8.0, 10.0, 6.0), (7.5, 10.5, 5.5), (8.5, 10.0, 6.5))
    less = Way("made", "repeat", "gold", rows, lower_is_better=True)
    more = Way("made", "repeat", "gold", tuple((-a, -b, -c) for a, b, c in rows))
    assert less.share == pytest.approx(more.share)
    assert less.share == pytest.approx((8.0 - 10.1666667) / (6.0 - 10.1666667))
    assert fieller(less.gained, less.whole) == pytest.approx(fieller(more.gained, more.whole))


def test_no_share_where_gold_is_not_better(taught: Path) -> None:
    found = raw(taught)
    swap = {"gold": "repeat", "repeat": "gold"}
    cells = [cell | {"arm": swap.get(cell["arm"], cell["arm"])} for cell in found["cells"]]
    table = way_table(changed(found, cells=cells), GROUP)
    assert table is not None
    for row in table.rows:
        assert row.values[-1].text == ""
        assert "gold is not better" in row.values[-1].title


def test_few_seeds_have_a_share_without_interval(taught: Path) -> None:
    found = raw(taught)
    cells = [cell for cell in found["cells"] if cell["seed"] < 2]
    table = way_table(changed(found, cells=cells), GROUP)
    assert table is not None
    values = [row.values[-1] for row in table.rows]
    assert {value.under for value in values} == {"no interval"}
    assert all(value.low is None for value in values)
    assert any("fewer than 3 seeds" in note for note in table.notes)


def test_the_way_begins_at_none_without_repeat_and_beside_as_many_human_rows(taught: Path) -> None:
    found = human_study(raw(taught))
    whole = Results.model_validate(found)
    assert {way.arm: (way.start, way.end) for way in ways(whole, GROUP)}["mix"] == (
        "repeat",
        "gold",
    )
    assert "annotate-few" not in {way.arm for way in ways(whole, GROUP)}, "no gold beside 25 rows"
    cells = [cell for cell in found["cells"] if not cell["arm"].startswith("repeat")]
    assert {way.start for way in ways(changed(found, cells=cells), GROUP)} == {"none"}
    no_gold = [cell for cell in found["cells"] if cell["arm"] != "gold"]
    assert ceiling.way_table(changed(found, cells=no_gold), GROUP) is None


def test_a_student_of_soft_labels_goes_the_way_of_its_hard_twin(taught: Path) -> None:
    found = raw(taught)
    soft = [dict(one, student="soft") for one in found["cells"] if one["arm"] == "annotate"]
    with_soft = changed(found, cells=[*found["cells"], *soft], hard_twins={"soft": "minilm"})
    (way,) = ways(with_soft, ("soft", "classifier"))
    assert way in ways(with_soft, GROUP)
    assert ways(changed(found, cells=[*found["cells"], *soft]), ("soft", "classifier")) == []
    assert any("soft differs from minilm" in line for line in shown(with_soft))

"""Filters that embed or ask, in a whole run: what they tell is kept, what they need is checked."""

from __future__ import annotations

import json

import pytest

from preceptor.models.embedding import embedder
from preceptor.study.estimates.estimate import estimate
from preceptor.study.file import parse_study
from preceptor.study.plan import Plan
from preceptor.study.spec import Study

from .conftest import Cli, Place

FEW = ("seeds=1", "students.bert.arms=[rewrite]", "budget.steps=1", "baselines.teacher=[]")
CURATION = (
    "curation.semantic={contamination: true}",
    "curation.meaning={similarity: 0.01}",
    "curation.labels={by: teacher, votes: 1, agree: 1}",
    "curation.judge={unreadable: pass}",
)


def sets(*values: str) -> list[str]:
    return [word for value in (*FEW, *values) for word in ("--set", value)]


def parse(place: Place, *values: str) -> Study:
    overrides = [*FEW, *values]
    return parse_study(place.study.read_text(), str(place.study), overrides)


def test_notes_and_what_filters_judge_by_stand_in_the_arms_folder(place: Place, cli: Cli) -> None:
    assert cli("run", place.study, *sets(*CURATION), "--out", "run") == 0
    folder = place.folder / "run/arms/rewrite/seed-0"
    notes = json.loads((folder / "arm.json").read_text())["notes"]
    # The teacher of this study writes no labels and no scores.
    assert "find the label of 0 of 9 human examples" in notes["labels"][0]
    assert "nothing was rejected" in notes["labels"][0]
    assert "had no score; they passed" in notes["judge"][0]
    filters = json.loads((folder / "part.json").read_text())["filters"]
    assert filters["semantic"] == filters["meaning"] == embedder().identity
    assert "{{ open }}" in filters["labels"]["prompt"]
    assert "rubric" in filters["judge"]["prompt"]
    asked = place.server.calls
    told = estimate(Plan(parse(place, *CURATION), place.folder, place.folder / "run"))
    planned = {one["for"]: (one["calls"], one["calls_at_most"]) for one in told["calls"]}
    # 9 rows wanted of 27 calls at most, tried on 9 human examples.
    assert planned["labels of arm rewrite"] == (18, 36)
    assert planned["judge of arm rewrite"] == (9, 27)
    assert cli("run", place.study, *sets(*CURATION), "--out", "run") == 0
    assert place.server.calls == asked


def test_weights_that_are_not_there_are_refused_before_a_call(
    place: Place, cli: Cli, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = ("curation.semantic={weights: nowhere}", "curation.meaning={weights: llama}")
    assert cli("run", place.study, *sets(*wrong), "--out", "run") == 2
    told = capsys.readouterr().err
    assert "curation.semantic.weights: no weights named 'nowhere'" in told
    assert "curation.meaning.weights: these weights cannot be used as encoder" in told
    assert place.server.calls == 0

"""What answering takes, measured in a run: of students, of a teacher's calls, and by stage."""

import json
from pathlib import Path
from typing import Any

import pytest

from preceptor.llm.cache import AnswerCache
from preceptor.llm.calls.replies import read_completion
from preceptor.llm.chat import Answer, Failure, Usage
from preceptor.models.size import file_bytes, saved_bytes
from preceptor.store.tables import read_rows
from preceptor.study.file import load_study
from preceptor.study.plan import Plan
from preceptor.study.serving import asked

from .conftest import Cli, Place

SMALL = (
    *("--set", "seeds=1", "--set", "students.bert.arms=[none]", "--set", "students.llama.grid={}"),
    *("--set", "baselines.teacher=[0]", "--out", "run"),
)


def test_a_run_measures_its_students_and_its_teacher(place: Place, cli: Cli) -> None:
    assert cli("run", place.study, *SMALL) == 0
    results = place.results()
    for cell in results["cells"]:
        told = cell["serving"]
        assert told["reading"] == {"bert": "classifier", "llama": "likelihood"}[cell["student"]]
        assert 0 < told["latency_p50_ms"] <= told["latency_p95_ms"]
        assert told["items"] == 24, "all of the test items; 32 at most"
        assert told["answers_per_second"] > 0
        assert told["memory_of"] == "process"
        assert told["memory_bytes"] > 50_000_000, "a process with torch in it"
        # What is kept lies there to be weighed; of the others the size was reckoned.
        if cell["model"]:
            assert (
                abs(saved_bytes(place.folder / "run" / cell["model"]) - told["weights_bytes"])
                < 8000
            )
    bert, llama = results["cells"]
    assert llama["serving"]["weights_bytes"] > file_bytes(place.folder / "llama") > 100_000
    (teacher,) = (one for one in results["baselines"] if one.get("teacher"))
    assert teacher["serving"] == teacher["serving"] | {"items": 24, "untimed": 0, "at_once": 8}
    assert 0 < teacher["serving"]["latency_p50_ms"] <= teacher["serving"]["latency_p95_ms"]
    assert teacher["serving"]["cost_per_1000"] is None, "nobody named a price"
    _compared(place, results)
    known = {one["stage"]: one["seconds"] for one in results["stages"]}
    assert list(known) == ["data", "arms", "baselines", "training", "scoring", "rest"]
    assert sum(known.values()) == pytest.approx(results["seconds"])
    assert known["training"] == sum(cell["seconds"] for cell in (bert, llama))
    assert "Student against teacher" in (place.folder / "run/report/index.html").read_text()


def _compared(place: Place, results: dict[str, Any]) -> None:
    """The difference is that of the two files of predictions, item by item."""
    (facts,) = (
        [f for f in results["teacher_comparisons"] if (f["student"], f["metric"]) == key]
        for key in [("bert", "accuracy")]
    )
    run = place.folder / "run"
    ours = [
        row
        for row in read_rows(run / "cells/bert/default/none/seed-0/predictions.parquet")
        if row["split"] == "test"
    ]
    theirs = {row["id"]: row for row in read_rows(run / "baselines/seed-0/echo-0-shot.parquet")}
    gaps = [
        (row["prediction"] == row["target"]) - (theirs[row["id"]]["prediction"] == row["target"])
        for row in ours
    ]
    assert [fact["difference"] for fact in facts] == [pytest.approx(sum(gaps) / 24)]
    assert facts[0]["items"] == 24
    readings = {f["reading"] for f in results["teacher_comparisons"] if f["student"] == "llama"}
    assert readings == {"likelihood", "generation"}


def test_what_is_measured_is_no_part_of_what_a_part_is_made_from(place: Place) -> None:
    def marks(*settings: str) -> dict[str, str]:
        study = load_study(place.study, settings)
        plan = Plan(study, place.folder, place.folder / "run")
        return {name: part.fingerprint for name, part in plan.parts().items()}

    assert marks() == marks("report={latency: false, hour_price: 2.5, currency: EUR}")


def test_answers_from_the_cache_have_the_time_of_their_call(tmp_path: Path) -> None:
    body = {"choices": [{"message": {"content": "yes, bec"}, "finish_reason": "length"}]}
    cut = read_completion(json.dumps(body), 0.75)
    assert isinstance(cut, Failure)
    cache = AnswerCache(tmp_path / "answers.sqlite")
    cache.put("cut", "{}", cut)
    cache.put("whole", "{}", Answer("yes", 5, 1, 0.25, cached=False))
    kept = cache.get_many(["cut", "whole"])
    cache.close()
    batch = Answer("no", 5, 1, 0.0, cached=False)
    told = asked([kept["cut"], kept["whole"], batch], Usage(cached=3), 8)
    assert (told["latency_p50_ms"], told["items"], told["untimed"]) == (500.0, 2, 1)
    assert told["answers_per_second"] is None, "no call was made to be timed"


def test_answers_without_a_time_have_no_latency() -> None:
    usage = Usage(calls=2, prompt_tokens=10, completion_tokens=4, seconds=0.5, cost=0.02)
    told = asked([Answer("a", 5, 2, 0.0, cached=False)] * 2, usage, None)
    assert "latency_p50_ms" not in told
    assert (told["untimed"], told["cost_per_1000"], told["prompt_tokens"]) == (2, 10.0, 5.0)
    assert told["answers_per_second"] == 4.0

"""Student against teacher: what is kept, at what size, speed and cost; time and cost by stage."""

from collections.abc import Iterator
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest

from preceptor.report.frame.blocks import Bullets, Figure, Prose, Table, Value
from preceptor.report.read.results import Results, load
from preceptor.report.sections import cost, serving
from preceptor.report.sections.contenders import best_arm
from preceptor.report.sections.serving import brief
from preceptor.report.sections.stages import stages_table
from preceptor.report.sections.trade import apart

from .serving_run import STAGES, build_served, build_tuned, raw

TEACHER = "teacher, 5-shot"


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return raw(build_served(tmp_path_factory.mktemp("serving")))


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return load(build_tuned(tmp_path_factory.mktemp("tuned")))


def of(found: dict[str, Any]) -> Results:
    return Results.model_validate(found)


def fields(table: Table | None) -> dict[str, dict[str, Value]]:
    """A table's fields by its rows' first one and its columns' keys."""
    assert table is not None
    keys = [column.key for column in table.columns]
    return {row.values[0].text: dict(zip(keys, row.values, strict=True)) for row in table.rows}


def part(results: Results, kind: type) -> Any:
    """The section's first block of a kind; what stands behind it is not made."""
    return next((block for block in serving.blocks(results) if isinstance(block, kind)), None)


def shown(results: Results) -> dict[str, dict[str, Value]]:
    return fields(part(results, Table))


def scores(found: dict[str, Any], arm: str) -> list[float]:
    return [
        cell["splits"]["test"]["classifier"]["macro_f1"]
        for cell in found["cells"]
        if cell["student"] == "minilm-full" and cell["arm"] == arm
    ]


def teacher_score(found: dict[str, Any]) -> float:
    return fmean(b["metrics"]["macro_f1"] for b in found["baselines"] if b["name"] == TEACHER)


def test_a_student_stands_beside_the_strongest_teacher(found: dict[str, Any]) -> None:
    results = of(found)
    arm = best_arm(results, ("minilm-full", "classifier"))
    losses = {
        name: fmean(
            cell["splits"]["validation"]["classifier"]["log_loss"]
            for cell in found["cells"]
            if (cell["student"], cell["arm"]) == ("minilm-full", name)
        )
        for name in found["arms"]
    }
    assert arm == min(losses, key=lambda name: losses[name]), "validation chose, not the test set"
    row = shown(results)["minilm-full"]
    kept = fmean(scores(found, arm)) / teacher_score(found)
    assert row["arm"].text == arm
    assert row["kept"].raw == pytest.approx(kept)
    assert row["difference"].text == "+25.0"
    assert (row["difference"].low, row["difference"].mark) == (0.18, "better")
    assert row["latency_p50_ms"].raw == fmean([12, 13, 14])
    assert row["latency_p50_ms"].text == "13.0 ms"
    assert [row[key].text for key in ("weights_bytes", "memory_bytes")] == ["91.0 MB", "900 MB"]
    assert row["machine_seconds"].raw == pytest.approx(1000 / 250)


def test_a_teacher_that_is_called_has_the_times_and_the_price_of_its_calls(
    found: dict[str, Any],
) -> None:
    results = of(found)
    row = shown(results)[TEACHER]
    assert [row[key].text for key in ("latency_p50_ms", "latency_p95_ms")] == ["480 ms", "900 ms"]
    assert row["cost"].text == "0.0600 USD"
    assert row["memory_bytes"].text == row["kept"].text == ""
    notes = " ".join(part(results, Table).notes)
    assert "the times of 474 calls, up to 8 of them at once" in notes
    assert "of 6 answers no time is known" in notes
    assert "212 tokens of prompt and 41 of answer a call" in notes


def test_the_words_say_what_is_kept_and_at_what(found: dict[str, Any]) -> None:
    first, second = part(of(found), Bullets).items
    arm = best_arm(of(found), ("minilm-full", "classifier"))
    kept = 100 * fmean(scores(found, arm)) / teacher_score(found)
    assert first.startswith(f"minilm-full, trained on {arm}, reaches {kept:.1f} % of the macro-F1")
    assert first.endswith(
        f"of {TEACHER}, +25.0 points (18.0 to 32.0: better), at 1/37 of its latency."
    )
    assert second.endswith("at 4 times its latency.")


def test_a_score_far_above_the_teachers_is_told_as_times(found: dict[str, Any]) -> None:
    baselines = [
        {**one, "metrics": {**one["metrics"], "macro_f1": 0.02}} for one in found["baselines"]
    ]
    first = part(of({**found, "baselines": baselines}), Bullets).items[0]
    best = best_arm(of(found), ("minilm-full", "classifier"))
    times = fmean(scores(found, best)) / 0.02
    assert f"reaches {times:.1f} times the macro-F1 of teacher" in first


def test_few_answers_have_a_median_and_no_95_percent(found: dict[str, Any]) -> None:
    cells = [{**cell, "serving": {**cell["serving"], "items": 19}} for cell in found["cells"]]
    row = shown(without(found, cells=cells))["minilm-full"]
    assert row["latency_p50_ms"].text == "13.0 ms"
    assert row["latency_p95_ms"].title == "fewer than 20 answers were timed"


def test_the_figure_tells_every_point(found: dict[str, Any]) -> None:
    figure = part(of(found), Figure)
    for name, time in (("minilm-full", "13"), (TEACHER, "480"), ("smollm2-lora", "1.9e+03")):
        assert f"{name} " in figure.svg
        assert f"at {time} ms" in figure.svg
    assert "mathdefault" not in figure.svg
    assert ">100<" in figure.svg, "a tick as a plain number"
    assert "hollow diamonds are teachers" in figure.caption


@pytest.mark.parametrize(
    ("heights", "expected"),
    [
        ([0.2, 0.5], [0.2, 0.5]),
        ([0.5, 0.5, 0.52], [0.5, 0.6, 0.7]),
        ([0.97, 0.98, 0.99], [0.8, 0.9, 1.0]),
        ([0.5] * 21, [n / 20 for n in range(21)]),
        ([], []),
    ],
)
def test_names_in_the_figure_stand_apart(heights: list[float], expected: list[float]) -> None:
    assert apart(heights, 0.1) == pytest.approx(expected)


def test_an_hour_has_a_price_only_where_the_study_names_one(
    found: dict[str, Any], tuned: Results
) -> None:
    dear = shown(of(found))
    assert dear["minilm-full"]["cost"].title == "no price was given"
    assert dear["minilm-full"]["reading"].text == "classifier"
    rows = shown(tuned)
    assert not {"reading", "difference"} & rows["minilm"].keys(), "they would say nothing"
    assert rows["minilm"]["cost"].raw == pytest.approx(1000 / 250 / 3600 * 0.36)
    assert rows["smollm2, tuned"]["cost"].raw == pytest.approx(1000 / 5 / 3600 * 0.36)
    assert rows["smollm2, tuned"]["parameters"].text == "136 M"
    (words,) = part(tuned, Bullets).items
    assert words.endswith("at 1/40 of its latency and 1/50 of its cost.")


def without(found: dict[str, Any], **changes: Any) -> Results:
    bare = {**found, "teacher_comparisons": [], **changes}
    return of(bare)


def test_a_run_without_teachers_tells_the_students_alone(found: dict[str, Any]) -> None:
    results = without(found, baselines=found["baselines"][:1], teachers=[])
    assert part(results, Prose).paragraphs == (f"{serving.NO_TEACHER}.",)
    assert set(shown(results)) == {"minilm-full", "smollm2-lora"}
    keys = {column.key for column in part(results, Table).columns}
    assert not keys & {"kept", "difference", "cost"}
    asked = without(found, baselines=found["baselines"][:1])
    assert "baselines.teacher in the study asks it" in part(asked, Prose).paragraphs[0]


def test_an_older_run_has_dashes_or_no_section(found: dict[str, Any]) -> None:
    cells = [{k: v for k, v in cell.items() if k != "serving"} for cell in found["cells"]]
    baselines = [{k: v for k, v in one.items() if k != "serving"} for one in found["baselines"]]
    usage = {"cost": 0.08, "currency": "USD", "calls": 160}
    baselines[1]["usage"] = usage
    rows = shown(without(found, cells=cells, baselines=baselines, stages=[]))
    assert rows["minilm-full"]["latency_p50_ms"].title == "not measured"
    assert rows["minilm-full"]["kept"].text
    assert rows["teacher, zero-shot"]["cost"].raw == pytest.approx(0.5)
    assert stages_table(without(found, stages=[])) is None
    bare = without(found, cells=cells, baselines=found["baselines"][:1])
    assert list(serving.blocks(bare)) == []


def test_one_untuned_student_of_a_text_task() -> None:
    metrics = {"n": 20, "bleu": 12.5}
    timed = {"reading": "next_token", "latency_p50_ms": 3_210.0, "items": 2}
    cell = {
        "id": "asis/none/seed-0",
        "arm": "none",
        "student": "asis",
        "method": "base",
        "seed": 0,
        "splits": {"test": {"next_token": {"n": 20, "perplexity": 9.0}, "generation": metrics}},
        "serving": timed | {"memory_bytes": 2_000_000_000, "memory_of": "gpu"},
    }
    task = {"kind": "text", "score_by": ["next_token", "generation"]}
    results = of({"format": 1, "study": "t", "task": task, "cells": [cell]})
    row = shown(results)["asis"]
    assert row["score"].text == "12.5", "BLEU: what it writes"
    assert [row[key].text for key in ("latency_p50_ms", "latency_p95_ms")] == ["3.2 s", ""]
    assert row["memory_bytes"].under == "on the GPU"
    assert "nothing is written" in " ".join(part(results, Table).notes)
    assert part(results, Figure) is None, "one point is no figure"


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [
        (0.416, "0.42 ms"),
        (12.34, "12.3 ms"),
        (480.4, "480 ms"),
        (1200, "1.2 s"),
        (61e3, "1 min 01 s"),
    ],
)
def test_short_times(milliseconds: float, text: str) -> None:
    assert brief(milliseconds) == text


def test_time_and_cost_by_stage(found: dict[str, Any], tuned: Results) -> None:
    rows = fields(stages_table(of(found)))
    assert rows["Training students"]["seconds"].text == "3 min 50 s"
    assert rows["all"]["seconds"].raw == sum(one["seconds"] for one in STAGES)
    assert rows["all"]["share"].raw == 1.0
    assert "machine_cost" not in rows["all"]
    baselines = [
        {**one, "usage": {"cost": 0.25, "currency": "USD"}} for one in found["baselines"][1:]
    ]
    rows = fields(stages_table(of({**found, "baselines": baselines})))
    assert rows["Baselines"]["tokens_cost"].text == "1.00 USD"
    assert rows["all"]["tokens_cost"].text == "1.00 USD"
    assert rows["Training students"]["tokens_cost"].text == ""
    assert fields(stages_table(priced(of(found))))["all"]["machine_cost"].text == "0.4500 USD"
    assert tuned.report.hour_price == 0.36


def priced(results: Results) -> Results:
    report = results.report.model_copy(update={"hour_price": 3.6})
    return results.model_copy(update={"report": report})


def test_a_tuned_teacher_that_answers_in_process_has_its_time_and_no_zeros(
    tuned: Results,
) -> None:
    rows = fields(cost.usage_table(tuned))
    for name, seconds in (("annotate", 200.0), ("smollm2, whole run", 200.0)):
        counts = [rows[name][key] for key in ("calls", "cached", "failed", "prompt_tokens")]
        assert all(one.text == "" and one.title == cost.NOT_CALLED for one in counts)
        assert rows[name]["seconds"].raw == seconds
    assert rows["create"]["calls"].raw == 5 * 1_200


def test_a_teachers_baselines_have_their_row_of_cost(found: dict[str, Any]) -> None:
    usage = {"calls": 160, "prompt_tokens": 33_920, "seconds": 10.0, "cost": 0.5}
    baselines = [{**one, "usage": usage} for one in found["baselines"][1:]]
    rows = fields(cost.usage_table(of({**found, "baselines": baselines})))
    assert rows[TEACHER]["calls"].raw == 3 * 160
    assert rows[TEACHER]["cost"].raw == 1.5


def walked(results: Results) -> Iterator[str]:
    for block in serving.blocks(results):
        if isinstance(block, Table):
            yield from (value.text for row in block.rows for value in row.values)
            yield from block.notes
        elif isinstance(block, Bullets):
            yield from block.items


def test_numbers_that_are_none_are_dashes_and_never_printed(found: dict[str, Any]) -> None:
    cells = [
        {**cell, "serving": {"latency_p50_ms": float("nan"), "answers_per_second": 0.0}}
        for cell in found["cells"]
    ]
    for one in cells:
        for metrics in one["splits"]["test"].values():
            metrics["macro_f1"] = None
    told = " ".join(walked(without(found, cells=cells, scores=[])))
    assert "cannot be set beside that of" in told
    assert "nan" not in told
    assert "None" not in told


def test_the_run_folder_is_read_as_it_is_written(tmp_path: Path) -> None:
    assert load(build_served(tmp_path)).stages[0].stage == "data"

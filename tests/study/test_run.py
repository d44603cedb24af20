"""A run from study to report: whole, continued, refused, interrupted, predicted with."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from fixtures_models import saved, tiny_encoder
from llm.faulty import Reply, completion, error
from preceptor.store.atomic import UNFINISHED
from preceptor.store.fingerprint import fingerprint
from preceptor.store.tables import read_rows

from .conftest import Cli, Place, rows

# A shell that starts things in the background has Ctrl-C ignored; a terminal's has not.
PROGRAM = [
    sys.executable,
    "-c",
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler);"
    "from preceptor.cli import main; main()",
]

SMALL = (
    "--set", "students.bert.arms=[none]",
    "--set", "students.llama.grid={}",
    "--set", "baselines.teacher=[]",
    "--set", "seeds=1",
)  # fmt: skip


def files_below(folder: Path) -> dict[str, bytes]:
    """Everything that must not depend on when and how often a run was stopped."""
    kept = {}
    for path in sorted(folder.rglob("*")):
        if path.name in ("predictions.parquet", "train.parquet", "history.json"):
            kept[str(path.relative_to(folder))] = path.read_bytes()
    return kept


MEASURED = {"cost", "environment", "serving", "teacher", "training"}
"""tables of time, memory, money paid by now, and of the machine"""


def tables_below(run: Path) -> dict[str, Any]:
    """The report's tables, but for what was measured of time and memory."""
    found: dict[str, Any] = {
        path.stem: path.read_bytes()
        for path in sorted(run.glob("report/tables/*.csv"))
        if path.stem.rstrip("-0123456789") not in MEASURED
    }
    assert {"arms", "comparisons", "confusion", "methods", "settings"} <= set(found)
    rows = csv.DictReader(found["methods"].decode("utf-8").splitlines())
    measured = ("seconds", "peak_memory_bytes")
    found["methods"] = [{k: v for k, v in row.items() if k not in measured} for row in rows]
    return found


def used(results: dict[str, Any]) -> dict[str, Any]:
    """What the answers of every arm and baseline and of the run took, whenever they were paid."""
    told = {f"teacher {one['name']}": one["usage"] for one in results["teachers"]}
    told |= {
        f"{name} {one['seed']}": one["usage"]
        for name, arm in results["arms"].items()
        for one in arm["seeds"]
        if "usage" in one
    }
    told |= {
        f"{one['name']} {one['seed']}": one["usage"]
        for one in results["baselines"]
        if "usage" in one
    }
    names = ("failed", "prompt_tokens", "completion_tokens", "cost", "currency")
    return {
        part: [usage["calls"] + usage["cached"], *(usage[name] for name in names)]
        for part, usage in told.items()
    }


def test_a_whole_run_and_the_same_again(place: Place, cli: Cli) -> None:
    assert cli("run", place.study, "--out", "run") == 0
    results = place.results()
    assert results["finished"]
    assert len(results["cells"]) == 2 * 5 + 2
    assert {cell["arm"] for cell in results["cells"]} == {
        "none", "repeat", "rewrite", "create", "combined",
    }  # fmt: skip
    assert {cell["updates"] for cell in results["cells"]} == {3}
    assert results["best"] in {cell["id"] for cell in results["cells"]}
    assert (place.folder / "run/report/index.html").stat().st_size > 10_000
    calls = place.server.calls
    assert calls > 0
    before = {path: path.stat().st_mtime_ns for path in place.folder.glob("run/cells/**/*.json")}
    assert cli("run", place.study, "--out", "run") == 0
    assert place.server.calls == calls
    assert before == {path: path.stat().st_mtime_ns for path in before}
    assert cli("run", place.study, "--out", "other") == 0
    assert place.server.calls == calls, "another run folder is answered by the cache"
    assert files_below(place.folder / "run") == files_below(place.folder / "other")
    assert tables_below(place.folder / "run") == tables_below(place.folder / "other")


def test_every_candidate_is_kept_or_rejected_with_a_reason(place: Place, cli: Cli) -> None:
    """Every third answer is meta talk and every fifth is cut off."""
    for number in range(400):
        text = fingerprint(number)
        if number % 3 == 0:
            text = "Sure! Here is a new message."
        finish = "length" if number % 5 == 4 else "stop"
        place.server.replies.append(Reply(body=completion(text, finish)))
    assert cli("run", place.study, "--out", "run", "--set", "baselines.teacher=[]") == 0
    for arm in ("rewrite", "create"):
        for one in place.results()["arms"][arm]["seeds"]:
            made = read_rows(place.folder / "run" / one["path"] / "made.parquet")
            kept = [row for row in made if row["verdict"] == "kept"]
            rejected = [row for row in made if row["verdict"] == "rejected"]
            assert len(kept) == one["kept"] == one["wanted"] == 9
            assert len(rejected) == sum(one["rejected"].values())
            assert len(made) <= one["requests"] <= len(made) + len(rejected) + 9
            assert one["requests"] == one["usage"]["calls"] + one["usage"]["cached"]
            assert set(one["rejected"]) <= {"meta talk", "truncated"}
            assert all(row["reason"] and row["raw"] for row in rejected)
            train = read_rows(place.folder / "run" / one["path"] / "train.parquet")
            assert len(train) == one["human"] + one["kept"]


def test_a_shortfall_is_reported(place: Place, cli: Cli) -> None:
    place.server.always = Reply(body=completion("always the same"))
    assert cli("run", place.study, "--out", "run", "--set", "baselines.teacher=[]") == 0
    for one in place.results()["arms"]["rewrite"]["seeds"]:
        assert (one["wanted"], one["kept"], one["requests"], one["shortfall"]) == (9, 1, 27, 8)
        assert one["rejected"] == {"duplicate": 26}


def test_no_held_out_text_reaches_a_prompt_that_makes_data(place: Place, cli: Cli) -> None:
    assert cli("run", place.study, "--out", "run", "--set", "baselines.teacher=[]") == 0
    held_out = [
        json.loads(row["inputs"])["text"]
        for row in read_rows(place.folder / "run/data/examples.parquet")
        if row["split"] != "train"
    ]
    asked = json.dumps(place.server.bodies)
    assert len(held_out) == 36
    assert [text for text in held_out if text in asked] == []


def test_what_overlaps_a_test_example_is_rejected(place: Place, cli: Cli) -> None:
    texts = [row["text"] for row in rows()]
    place.server.replies.extend(Reply(body=completion(text)) for text in texts * 4)
    arguments = ("--set", "baselines.teacher=[]", "--set", "students.bert.arms=[rewrite]")
    assert cli("run", place.study, "--out", "run", *arguments) == 0
    rejected = {
        reason for one in place.results()["arms"]["rewrite"]["seeds"] for reason in one["rejected"]
    }
    assert rejected >= {"contamination", "duplicate"}


def test_seeds_draw_their_own_subsets_and_share_them_if_told(place: Place, cli: Cli) -> None:
    few = ("--set", "baselines.teacher=[]", "--set", "students.bert.arms=[none]")
    assert cli("run", place.study, "--out", "own", *few) == 0
    own = [read_rows(path) for path in sorted(place.folder.glob("own/arms/none/*/train.parquet"))]
    assert len(own) == 2
    assert {row["id"] for row in own[0]} != {row["id"] for row in own[1]}
    assert cli("run", place.study, "--out", "one", *few, "--set", "teacher_seeds=1") == 0
    assert len(list(place.folder.glob("one/arms/none/*/train.parquet"))) == 1
    assert len(place.results("one")["cells"]) == 2 + 2


def test_a_changed_study_is_refused_by_name_and_redone_when_asked(
    place: Place, cli: Cli, capsys: pytest.CaptureFixture[str]
) -> None:
    few = ("--set", "baselines.teacher=[]", "--out", "run")
    assert cli("run", place.study, *few) == 0
    untouched = (place.folder / "run/cells/llama/alpha=4/none/seed-0/result.json").stat()
    changed = (*few, "--set", "students.bert.method.learning_rate=0.01")
    assert cli("run", place.study, *changed) == 2
    told = capsys.readouterr().err
    assert "students.bert.method.learning_rate: 0.001 -> 0.01" in told
    assert "--redo" in told
    assert cli("run", place.study, *changed, "--redo") == 0
    again = (place.folder / "run/cells/llama/alpha=4/none/seed-0/result.json").stat()
    assert again.st_mtime_ns == untouched.st_mtime_ns
    assert (place.folder / "rows.jsonl").write_text(
        "".join(json.dumps({**row, "text": row["text"] + "!"}) + "\n" for row in rows())
    )
    assert cli("run", place.study, *changed) == 2
    assert "rows.jsonl" in capsys.readouterr().err


def test_killed_at_any_moment_it_continues_to_the_same_end(place: Place, cli: Cli) -> None:
    price = ("--set", "teachers.echo.price={input: 1000, output: 2000}")
    assert cli("run", place.study, "--out", "whole", *price) == 0
    calls = place.server.calls
    command = [*PROGRAM, "run", str(place.study), "--out", "killed", *price]
    environment = {
        **os.environ,
        "PRECEPTOR_CACHE": str(place.folder / "cold"),
        "OMP_NUM_THREADS": "1",
    }
    stages = ["arms/rewrite/seed-0", "cells/bert/default/rewrite/seed-0"]
    for stage in stages:
        process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
        while process.poll() is None and not (place.folder / "killed" / stage).exists():
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        process.wait()
    done = {path: path.stat().st_mtime_ns for path in place.folder.glob("killed/**/part.json")}
    assert len(done) > 8
    subprocess.run(command, env=environment, check=True, capture_output=True)
    assert {path: path.stat().st_mtime_ns for path in done} == done
    assert list(place.folder.glob(f"killed/**/{UNFINISHED}*")) == []
    assert files_below(place.folder / "killed") == files_below(place.folder / "whole")
    assert used(place.results("killed")) == used(place.results("whole"))
    (teacher,) = place.results("whole")["teachers"]
    assert teacher["usage"]["cost"] == pytest.approx(calls * (7 * 1000 + 3 * 2000) / 1e6)
    assert teacher["usage"]["cached_cost"] == 0, "nobody had asked before"
    in_flight = 8
    assert calls <= place.server.calls - calls <= calls + in_flight


def test_ctrl_c_ends_with_130_and_loses_nothing_finished(place: Place) -> None:
    command = [*PROGRAM, "run", str(place.study), "--out", "run", "--set", "budget.steps=400"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    while process.poll() is None and not (place.folder / "run/cells/bert").exists():
        time.sleep(0.01)
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "the same command continues" in told
    assert "Traceback" not in told
    assert not place.results()["finished"]
    assert list(place.folder.glob(f"run/**/{UNFINISHED}*")) == []


def test_one_failed_cell_does_not_stop_the_rest(place: Place, cli: Cli) -> None:
    arguments = ("--set", "students.bert.method.learning_rate=1.0e30", "--set", "seeds=1")
    assert cli("run", place.study, "--out", "run", "--set", "baselines.teacher=[]", *arguments) == 1
    results = place.results()
    assert {cell["student"] for cell in results["cells"]} == {"llama"}
    assert len(results["failed"]) == 5
    assert "lower the learning rate" in results["failed"][0]["error"]
    assert (place.folder / "run/report/index.html").is_file()


def test_a_teacher_that_is_not_there_leaves_nothing_half_made(
    place: Place, cli: Cli, capsys: pytest.CaptureFixture[str]
) -> None:
    away = (
        "--set",
        "teachers.echo.base_url=http://127.0.0.1:9/v1",
        "--set",
        "teachers.echo.retries=0",
    )
    assert cli("run", place.study, "--out", "run", *away) == 2
    assert "127.0.0.1:9" in capsys.readouterr().err
    assert list(place.folder.glob("run/arms/rewrite/*")) == []
    assert list(place.folder.glob(f"run/**/{UNFINISHED}*")) == []


def test_a_refused_key_stops_at_once(
    place: Place, cli: Cli, capsys: pytest.CaptureFixture[str]
) -> None:
    place.server.always = error(401, "no such key")
    assert cli("run", place.study, "--out", "run") == 2
    assert "401" in capsys.readouterr().err
    assert place.server.calls <= 8


def test_two_processes_do_not_share_a_run_folder(
    place: Place, cli: Cli, capsys: pytest.CaptureFixture[str]
) -> None:
    from filelock import FileLock

    (place.folder / "run").mkdir()
    with FileLock(place.folder / "run/.lock"):
        assert cli("run", place.study, "--out", "run") == 2
    assert "another process" in capsys.readouterr().err


def test_a_full_disk_is_said_and_the_run_continues_when_there_is_room(
    place: Place, cli: Cli, capsys: pytest.CaptureFixture[str]
) -> None:
    small = place.folder / "small"
    small.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(small)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("mounting a small file system needs root")
    try:
        assert cli("run", place.study, "--out", small / "run") == 3
        assert "the disk is full" in capsys.readouterr().err
        assert list(small.glob(f"run/**/{UNFINISHED}*")) == []
        subprocess.run(["mount", "-o", "remount,size=64m", str(small)], check=True)
        assert cli("run", place.study, "--out", small / "run") == 0
    finally:
        subprocess.run(["umount", str(small)], check=False)


def test_predict_labels_new_rows_as_the_run_did(
    place: Place, cli: Cli, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli("run", place.study, "--out", "run", "--set", "keep=all") == 0
    capsys.readouterr()
    for cell in ("bert/default/none/seed-1", "llama/alpha=8/none/seed-0"):
        recorded = {
            row["id"]: row
            for row in read_rows(place.folder / "run/cells" / cell / "predictions.parquet")
            if row["reading"] in ("classifier", "likelihood")
        }
        assert cli("predict", "run", "rows.jsonl", "--cell", cell) == 0
        told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        checked = [row for row in told if row["id"] in recorded]
        assert len(checked) == 36
        for row in checked:
            assert row["prediction"] == recorded[row["id"]]["prediction"]
            assert row["probability"] == pytest.approx(
                max(recorded[row["id"]]["probabilities"]), abs=1e-5
            )


def test_predict_takes_the_best_cell_and_writes_tables(place: Place, cli: Cli) -> None:
    assert cli("run", place.study, "--out", "run") == 0
    models = sorted(path.parent for path in place.folder.glob("run/cells/**/model/preceptor.json"))
    assert len(models) == 2, "the best cell of each student alone is kept"
    for name in ("out.csv", "out.parquet", "out.jsonl"):
        assert cli("predict", "run", "rows.jsonl", "--out", name) == 0
        assert (place.folder / name).stat().st_size > 100


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("predict", "run", "rows.jsonl"), "no finished run"),
        (("run", "none.yaml"), "not there"),
        (("report", "run"), "no results"),
        (("score", "--data", "pubmedqa:x.json"), "one of the two"),
        (("score", "--field", "f", "--data", "x.json"), "pubmedqa:PATH"),
        (("init", "none.csv", "--out", "new.yaml"), "none.csv"),
    ],
)
def test_commands_without_what_they_need(
    place: Place,
    cli: Cli,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    words: str,
) -> None:
    assert cli(*arguments) == 2
    assert words in capsys.readouterr().err


def test_an_encoder_given_as_decoder_is_refused_before_any_call(
    place: Place, cli: Cli, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    saved(tiny_encoder(), tmp_path / "encoder")
    capsys.readouterr()
    wrong = (
        "--set", "students.llama.weights=encoder",
        "--set", "students.bert.weights=nowhere",
        "--set", "arms.combined.of=[rewrit]",
        "--set", "students.llama.grid={alpa: [1]}",
    )  # fmt: skip
    assert cli("run", place.study, "--out", "run", *wrong) == 2
    told = capsys.readouterr().err
    assert told.startswith("error: 4 problems")
    lines = place.study.read_text().splitlines()
    line = 1 + lines.index("    weights: llama")
    for words in (f":{line}: students.llama.weights", "nowhere", "'rewrite'", "'alpha'"):
        assert words in told
    assert place.server.calls == 0


def test_a_server_that_is_not_this_machine_needs_leave(
    place: Place, cli: Cli, capsys: pytest.CaptureFixture[str]
) -> None:
    away = ("--set", "teachers.echo.base_url=https://api.example.org/v1")
    assert cli("run", place.study, "--out", "run", *away) == 2
    assert "data_may_leave" in capsys.readouterr().err


def test_plan_calls_nobody_and_loads_no_model(place: Place, cli: Cli) -> None:
    code = """
import sys
sys.argv = ["preceptor", "plan", "study.yaml", "--json"]
from preceptor.cli import main
try:
    main()
finally:
    loaded = {"torch", "transformers", "openai"} & set(sys.modules)
    print(sorted(loaded), file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert done.stderr.strip() == "[]"
    assert found["cells"] == 12
    assert found["total"]["calls"] == 4 * 9 + 24 + 2 * 24
    assert place.server.calls == 0


def test_preview_shows_prompts_answers_and_verdicts_and_the_run_pays_no_twice(
    place: Place, cli: Cli, capsys: pytest.CaptureFixture[str]
) -> None:
    place.server.replies.append(Reply(body=completion("Sure! Here is a new message.")))
    assert cli("preview", place.study, "-n", "2") == 0
    told = capsys.readouterr().out
    assert "=== arm rewrite: 1 of 2 kept" in told, told
    assert "rejected: meta talk" in told
    assert "Rewrite this text in other words" in told
    assert place.server.calls == 4
    assert cli("run", place.study, "--out", "run", "--set", "baselines.teacher=[]") == 0
    arms = place.results()["arms"]
    assert [arms[name]["seeds"][0]["usage"]["cached"] for name in ("rewrite", "create")] == [2, 2]
    made = arms["create"]["seeds"][0]
    assert made["usage"]["prompt_tokens"] == 7 * made["requests"]
    assert made["usage"]["cached_prompt_tokens"] == 7 * 2


def test_an_ended_run_needs_no_teacher_any_more(
    place: Place, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    keyed = ("--set", "teachers.echo.key_env=ECHO_KEY", "--out", "run")
    monkeypatch.setenv("ECHO_KEY", "k")
    assert cli("run", place.study, *keyed) == 0
    monkeypatch.delenv("ECHO_KEY")
    assert cli("run", place.study, *keyed) == 0
    assert cli("run", place.study, *keyed, "--set", "arms.rewrite.amount=2x", "--redo") == 2


def test_without_validation_nothing_is_chosen_and_every_model_stays(
    place: Place, cli: Cli, capsys: pytest.CaptureFixture[str]
) -> None:
    none = ("--set", "data.split.validation=null", "--set", "students.llama.grid={}")
    few = ("--set", "baselines.teacher=[]", "--set", "students.bert.arms=[none]", "--out", "run")
    assert cli("run", place.study, *none, *few) == 0
    assert place.results()["best"] is None
    assert len(list(place.folder.glob("run/cells/**/model/preceptor.json"))) == 3
    assert cli("predict", "run", "rows.jsonl") == 2
    assert "--cell" in capsys.readouterr().err
    assert cli("run", place.study, *none[:2], *few) == 2
    assert "no validation split" in capsys.readouterr().err


def test_what_does_not_fit_is_refused_before_a_call_or_cut_and_counted(
    place: Place, cli: Cli, capsys: pytest.CaptureFixture[str]
) -> None:
    long = [{**row, "text": row["text"] + " and so on" * 9} for row in rows()]
    (place.folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in long))
    few = ("--set", "baselines.teacher=[]", "--set", "students.bert.arms=[none]")
    short = (*few, "--set", "students.bert.fit.max_length=40", "--set", "seeds=1")
    assert cli("run", place.study, *short, "--out", "run") == 2
    said = capsys.readouterr().err
    assert "student bert, example r" in said
    assert "of 45 examples do not fit" in said
    assert "data.too_long" in said
    assert not place.server.bodies
    assert not (place.folder / "run" / "arms").exists()
    cut = (*short, "--set", "data.too_long=truncate_end")
    assert cli("run", place.study, *cut, "--out", "cut") == 0
    cells = [cell for cell in place.results("cut")["cells"] if cell["student"] == "bert"]
    assert [cell["cut"] for cell in cells] == [{"train": 9, "validation and test": 36}]


def test_controls_are_known_by_what_they_do_not_by_their_name(place: Place, cli: Cli) -> None:
    arms = "arms={plain: none, control: repeat, reworded: rewrite}"
    few = ("--set", "baselines.teacher=[]", "--set", "students.llama.arms=[plain]")
    assert cli("run", place.study, "--set", arms, *few, "--out", "run") == 0
    pairs = {(row["arm"], row["against"]) for row in place.results()["comparisons"]}
    assert pairs == {("control", "plain"), ("reworded", "plain"), ("reworded", "control")}


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("task.input={{ text }}", "put the value in quotes"),
        ("task.labels.0.x=1", "single value"),
        ("task.prompt={{ input }} {{ foo }}".replace("{{", "'{{", 1) + "'", "no other field"),
        ("students.llama.grid={alpha: []}", "at least 1 item"),
        ("students.llama.grid={alpha: [4, 8, 4.0]}", "4.0 stands there twice"),
        ("arms.combined.of={rewrite: 3x}", "more than the 9 rows"),
        ("baselines.teacher=[50]", "only 9 labelled"),
        ("data.validation.limit=1", "just one label"),
        ("data.path=nowhere.csv", "nowhere.csv"),
        ("teachers.echo.key_env=NOT_THERE", "NOT_THERE"),
        ("arms.rewrite.fields=[txt]", "did you mean 'text'?"),
        ("arms.rewrite.prompt=mine.jinja", "not there"),
        ("teachers.echo.parameters.model=x", "model"),
        ("students.llama.max_new_tokens=500", "no room"),
        ("task.labels=[yes, no]", "unknown label"),
    ],
)
def test_settings_that_cannot_work_are_refused_before_a_call(
    place: Place, cli: Cli, capsys: pytest.CaptureFixture[str], override: str, words: str
) -> None:
    assert cli("run", place.study, "--out", "run", "--set", "seeds=2", "--set", override) == 2
    assert words in capsys.readouterr().err
    assert place.server.calls == 0


def test_a_killed_run_needs_no_teacher_that_nothing_is_asked_of(
    place: Place, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    keyed = ("--set", "teachers.echo.key_env=ECHO_KEY", "--out", "run", *SMALL)
    monkeypatch.setenv("ECHO_KEY", "k")
    assert cli("run", place.study, *keyed, "--set", "students.bert.arms=[rewrite]") == 0
    # As a kill in the last cell leaves the folder.
    (place.folder / "run/results.json").unlink()
    shutil.rmtree(place.folder / "run/cells/llama")
    monkeypatch.delenv("ECHO_KEY")
    assert cli("run", place.study, *keyed, "--set", "students.bert.arms=[rewrite]") == 0


def test_a_student_that_memory_does_not_hold_is_one_failed_cell(place: Place, cli: Cli) -> None:
    large = ("--set", "students.llama.method.rank=1000000000000")
    assert cli("run", place.study, "--out", "run", *SMALL, *large) == 1
    results = place.results()
    assert [cell["student"] for cell in results["cells"]] == ["bert"]
    assert [cell["logits"] for cell in results["cells"]] == ["classifier"]
    assert "not enough memory" in results["failed"][0]["error"]
    assert "lower students.llama.fit.batch_tokens (now 2048)" in results["failed"][0]["error"]


def test_an_error_of_no_known_kind_leaves_the_results_of_finished_cells(
    place: Place, cli: Cli
) -> None:
    (place.folder / "run/cells").mkdir(parents=True)
    (place.folder / "run/cells/llama").touch()
    with pytest.raises((FileExistsError, NotADirectoryError)):
        cli("run", place.study, "--out", "run", *SMALL)
    assert [cell["student"] for cell in place.results()["cells"]] == ["bert"]
    assert not place.results()["finished"]
    assert (place.folder / "run/report/index.html").is_file()

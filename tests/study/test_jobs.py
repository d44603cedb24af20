"""Cells side by side: the results of one process, and what becomes of those that fail."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path
from threading import Thread

import psutil
import pytest

from preceptor.store.atomic import UNFINISHED
from preceptor.study import interrupts
from preceptor.study.file import load_study
from preceptor.study.grid import cells_of

from .conftest import Cli, Place
from .test_run import PROGRAM, files_below

FEW = (
    *("--set", "baselines.teacher=[]", "--set", "seeds=1"),
    *("--set", "students.bert.arms=[none, repeat]", "--set", "students.llama.grid={}"),
)
LONG = ("--set", "students.llama.budget={steps: 30}")


def unfinished(run: Path) -> list[Path]:
    return list(run.glob(f"**/{UNFINISHED}*"))


def workers() -> list[psutil.Process]:
    return [one for one in psutil.Process().children() if "spawn_main" in " ".join(one.cmdline())]


def kill_a_worker_on(cell: Path) -> None:
    """Kill one as soon as the cell is being made."""
    end = time.monotonic() + 120
    while not list(cell.parent.glob(f"{UNFINISHED}*")) and time.monotonic() < end:
        time.sleep(0.005)
    workers()[0].kill()


def test_two_jobs_give_what_one_gives_and_a_worker_that_dies_fails_its_cell_alone(
    place: Place, cli: Cli, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert cli("run", place.study, "--out", "alone", *FEW, *LONG) == 0
    last = place.folder / "jobs/cells/llama/default/none/seed-0"
    killer = Thread(target=kill_a_worker_on, args=[last])
    killer.start()
    assert cli("run", place.study, "--out", "jobs", "--jobs", "2", *FEW, *LONG) == 1
    killer.join()
    results = place.results("jobs")
    (failed,) = results["failed"]
    assert "SIGKILL" in failed["error"]
    assert (place.folder / "jobs/failed" / f"{failed['id']}.txt").is_file()
    assert len(results["cells"]) == 2
    assert unfinished(place.folder / "jobs") == []
    assert workers() == []
    told = capsys.readouterr().err
    assert told.count(" of 3: ") == 2 * 3, "a line a cell, in both runs"
    for cell in results["cells"]:
        assert (cell["environment"]["jobs"], cell["environment"]["threads"]) == (2, 1)
    assert results["environment"]["threads_per_job"] == 1
    assert cli("run", place.study, "--out", "jobs", *FEW, *LONG) == 0
    assert files_below(place.folder / "jobs") == files_below(place.folder / "alone")
    assert place.results("jobs")["scores"] == place.results("alone")["scores"]
    assert not (place.folder / "jobs/failed").exists()


def test_an_error_that_nobody_foresees_is_one_failed_cell_with_its_traceback(
    place: Place, cli: Cli
) -> None:
    one = ("--set", "students.llama.arms=[repeat]")
    assert cli("run", place.study, "--out", "run", *FEW, *one) == 0
    # As a disk that loses data leaves them: the library that reads the rows cannot.
    (place.folder / "run/arms/repeat/seed-0/train.parquet").write_bytes(b"PAR1 no more")
    for cell in place.folder.glob("run/cells/*/default/*"):
        cell.rename(place.folder / f"{cell.parent.parent.name}-{cell.name}")
    assert cli("run", place.study, "--out", "run", *FEW, *one) == 1
    results = place.results()
    assert [cell["id"] for cell in results["cells"]] == ["bert/default/none/seed-0"]
    names = ["bert/default/repeat/seed-0", "llama/default/repeat/seed-0"]
    assert [failed["id"] for failed in results["failed"]] == names
    kept = place.folder / f"run/failed/{names[0]}.txt"
    assert f"the traceback is in run/failed/{names[0]}.txt" in results["failed"][0]["error"]
    assert "ArrowInvalid" in results["failed"][0]["error"]
    assert kept.read_text().startswith("Traceback (most recent call last)")


def test_jobs_are_refused_beside_a_launcher_of_processes(
    place: Place, cli: Cli, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert cli("run", place.study, "--out", "run", "--jobs", "2") == 2
    told = capsys.readouterr().err
    assert "--jobs 2 under a launcher" in told
    assert "leave it out" in told
    assert not (place.folder / "run").exists()


def test_controls_come_first_and_a_comparison_is_whole_before_the_next_begins(
    place: Place,
) -> None:
    arms = "arms={rewrite: rewrite, none: none, create: {operation: create, shown: 1}}"
    study = load_study(place.study, [arms, "students.llama.arms=[rewrite, none]"])
    cells = [(cell.seed, cell.student, cell.arm, cell.setting_name) for cell in cells_of(study)]
    bert = [
        [(seed, "bert", arm, "default") for arm in ("none", "rewrite", "create")] for seed in (0, 1)
    ]
    llama = [(0, "llama", arm, f"alpha={alpha}") for arm in ("none", "rewrite") for alpha in (4, 8)]
    assert cells == [*bert[0], *llama, *bert[1]]


def test_a_ctrl_c_that_python_drops_strikes_again() -> None:
    class Struck:
        def __del__(self) -> None:
            signal.raise_signal(signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt), interrupts.kept():
            began = time.monotonic()
            del [Struck()][0]
            time.sleep(10)
        assert time.monotonic() - began < 5
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_workers_end_with_the_run_which_continues(
    place: Place, cli: Cli, how: signal.Signals
) -> None:
    sets = (*FEW, "--set", "budget.steps=2000")
    command = [*PROGRAM, "run", str(place.study), "--out", "run", "--jobs", "2", *sets]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    cells = place.folder / "run/cells"
    while process.poll() is None and len(list(cells.glob(f"**/{UNFINISHED}seed*"))) < 2:
        time.sleep(0.01)
    started = psutil.Process(process.pid).children()
    assert len(started) >= 2
    if how == signal.SIGINT:  # as a terminal sends it: to all of them
        for one in started:
            one.send_signal(how)
    process.send_signal(how)
    _, told = process.communicate(timeout=60)
    assert psutil.wait_procs(started, timeout=30)[1] == []
    if how == signal.SIGINT:
        assert process.returncode == 130
        assert "Traceback" not in told
        assert unfinished(place.folder / "run") == []
        assert not place.results()["finished"]
    few = (*FEW, "--set", "budget.steps=3", "--redo")
    assert cli("run", place.study, "--out", "run", "--jobs", "2", *few) == 0
    assert len(place.results()["cells"]) == 3
    assert unfinished(place.folder / "run") == []

"""Making an arm: what the server failed is asked again, not replaced by other rows."""

from __future__ import annotations

import pytest

from llm.faulty import error
from preceptor.store.tables import read_rows

from .conftest import Cli, Place

SETS = (
    "--set",
    "seeds=1",
    "--set",
    "students.bert.arms=[rewrite]",
    "--set",
    "baselines.teacher=[]",
)


def test_an_arm_does_not_depend_on_how_the_server_fared(
    place: Place, cli: Cli, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    place.server.replies.append(error(500, "broken"))
    study = (place.study, *SETS, "--set", "teachers.echo.retries=0", "--set", "budget.steps=1")
    assert cli("run", *study, "--out", "run") == 2
    assert "1 of 9 calls failed" in capsys.readouterr().err
    assert not list(place.folder.glob("run/arms/rewrite/*"))
    assert cli("run", *study, "--out", "run") == 0
    assert place.server.calls == 9 + 1
    monkeypatch.setenv("PRECEPTOR_CACHE", str(place.folder / "other cache"))
    assert cli("run", *study, "--out", "calm") == 0
    arm = "arms/rewrite/seed-0"
    for table in ("train.parquet", "made.parquet"):
        stormy, calm = (read_rows(place.folder / out / arm / table) for out in ("run", "calm"))
        assert stormy == calm

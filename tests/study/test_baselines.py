"""A teacher's calls that the server failed are no answers of the teacher."""

from __future__ import annotations

import pytest

from llm.faulty import error
from preceptor.store.tables import read_rows

from .conftest import Cli, Place

ONE = ("--set", "seeds=1", "--set", "students.bert.arms=[none]", "--set", "students.llama.grid={}")
ONCE = ("--set", "teachers.echo.retries=0", "--out", "run")


def test_failed_calls_are_asked_again_and_never_wrong_answers(
    place: Place, cli: Cli, capsys: pytest.CaptureFixture[str]
) -> None:
    place.server.replies.extend([error(503, "busy"), error(500, "broken")])
    study = (place.study, *ONE, *ONCE, "--set", "baselines.teacher=[0]")
    assert cli("run", *study) == 2
    told = capsys.readouterr().err
    assert "2 of 24 calls failed" in told
    assert "server_error (2)" in told
    assert "answers are kept" in told
    assert not (place.folder / "run/baselines").exists() or not list(
        place.folder.glob("run/baselines/seed-0*")
    )
    assert cli("predict", "run", "rows.jsonl") == 2
    assert "no trained student yet" in capsys.readouterr().err
    assert cli("run", *study) == 0
    assert place.server.calls == 24 + 2
    rows = read_rows(place.folder / "run/baselines/seed-0/echo-0-shot.parquet")
    assert not [row for row in rows if "broken" in row["text"] or "busy" in row["text"]]

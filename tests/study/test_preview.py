"""What `preview` pays: never more than a limit within itself, and told."""

from __future__ import annotations

import pytest

from .conftest import Cli, Place

PRICE = ("--set", "teachers.echo.price={input: 1000, output: 2000}")
CALL = (7 * 1000 + 3 * 2000) / 1e6


def limited(calls: int) -> tuple[str, str]:
    return ("--set", f"teachers.echo.limit={{calls: {calls}}}")


def test_a_limit_holds_for_all_arms_of_a_preview_together(
    place: Place, cli: Cli, capsys: pytest.CaptureFixture[str]
) -> None:
    ask = ("preview", place.study, "-n", "3")
    assert cli(*ask, *limited(4)) == 2
    assert place.server.calls == 4, "three of the first arm, one of the second"
    told = capsys.readouterr()
    assert "its limit (calls: 4) holds for this preview alone" in " ".join(told.out.split())
    assert "=== arm rewrite: 3 of 3 kept" in told.out
    assert "4 calls, 40 tokens since this start" in " ".join(told.err.split())
    assert "teachers.echo.limit.calls" in told.err, "under the teacher's own name"
    assert cli(*ask, *limited(2)) == 0, "the next one counts anew, and pays for what is left"
    assert place.server.calls == 6


def test_a_preview_says_what_it_paid(
    place: Place, cli: Cli, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli("preview", place.study, "-n", "2", *PRICE) == 0
    told = capsys.readouterr().out
    assert f"this preview made 4 calls, 40 tokens, {4 * CALL:.4f} USD; 0 answers" in told
    assert cli("preview", place.study, "-n", "2", *PRICE) == 0
    told = capsys.readouterr().out
    assert "this preview made 0 calls, 0 tokens, 0.0000 USD; 4 answers were there already" in told
    assert place.server.calls == 4


def test_a_preview_of_batches_says_what_they_take(
    place: Place, cli: Cli, capsys: pytest.CaptureFixture[str]
) -> None:
    batch = ("--set", "teachers.echo.batch={window: 24h}")
    assert cli("preview", place.study, "-n", "2", *PRICE, *batch) == 0
    told = capsys.readouterr().out
    assert "fewer than 10 calls at a time are made at once, at the full price" in told
    assert "up to 24h" in told
    assert f"{4 * CALL:.4f} USD" in told, "none of the four went into a batch"

"""What a run pays: capped, continued, counted once, and paid once whatever is curated."""

from __future__ import annotations

import json

import pytest

from preceptor.llm.ledger import read
from report.html import Page

from .conftest import Cli, Place

PRICE = ("--set", "teachers.echo.price={input: 1000, output: 2000}")
CALL = (7 * 1000 + 3 * 2000) / 1e6
SMALL = (
    "--set", "students.bert.arms=[rewrite,create,again]",
    "--set", "arms.again={operation: rewrite}",
    "--set", "students.llama.grid={}",
    "--set", "baselines.teacher=[]",
    "--set", "seeds=1",
)  # fmt: skip
BOTH = ("--set", "students.bert.arms=[rewrite,create]")


def test_a_run_stops_at_its_limit_and_continues_when_it_is_raised(
    place: Place, cli: Cli, capsys: pytest.CaptureFixture[str]
) -> None:
    run = ("run", place.study, "--out", "run", *PRICE, *SMALL, *BOTH)
    assert cli(*run, "--set", "teachers.echo.limit={calls: 12}") == 2
    told = capsys.readouterr().err
    assert "teachers.echo.limit.calls" in told
    assert f"12 calls, 120 tokens, {12 * CALL:.4f} USD in this run" in told
    assert place.server.calls == 12
    stopped = place.results()
    assert not stopped["finished"]
    assert stopped["teachers"][0]["usage"]["calls"] == 12, "what was spent stands in the report"
    assert cli(*run, "--set", "teachers.echo.limit={calls: 12}") == 2
    assert place.server.calls == 12
    assert cli(*run, "--set", "teachers.echo.limit={cost: 100}") == 0, "no --redo is asked for"
    (teacher,) = place.results()["teachers"]
    assert teacher["usage"]["calls"] == place.server.calls
    assert teacher["usage"]["cost"] == pytest.approx(place.server.calls * CALL)
    assert teacher["usage"]["cached_cost"] == 0, "all of it was paid by this run"


def test_a_limit_of_cost_without_a_price_is_refused_before_anything(
    place: Place, cli: Cli, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli("run", place.study, "--set", "teachers.echo.limit={cost: 1}") == 2
    assert "limit.cost: no price is known" in capsys.readouterr().err
    assert place.server.calls == 0


def test_other_settings_of_curation_pay_nothing_again(place: Place, cli: Cli) -> None:
    assert cli("run", place.study, "--out", "run", *SMALL, *BOTH) == 0
    calls = place.server.calls
    assert calls > 18, "some were rejected, and made anew"
    other = ("--set", "curation.meta=false", "--set", "curation.duplicates=false")
    assert cli("run", place.study, "--out", "run", *SMALL, *BOTH, *other, "--redo") == 0
    assert place.server.calls == calls
    assert cli("run", place.study, "--out", "fresh", *SMALL, *BOTH, *other) == 0
    assert place.server.calls == calls


def test_rounds_too_small_for_a_batch_are_counted_at_the_full_price(place: Place, cli: Cli) -> None:
    """9 rows are wanted and 10 calls make a batch, so that every call is a plain one."""
    batch = ("--set", "teachers.echo.batch={least: 10}", *PRICE)
    assert cli("run", place.study, "--out", "run", *SMALL, *batch) == 0
    results = place.results()
    (teacher,) = results["teachers"]
    assert teacher["usage"]["calls"] == place.server.calls >= 18
    assert teacher["usage"]["cost"] == pytest.approx(place.server.calls * CALL)
    used = results["arms"]["rewrite"]["seeds"][0]["usage"]
    assert used["cost"] == pytest.approx(used["calls"] * CALL)


def test_an_answer_that_two_arms_use_is_in_the_cost_of_each_and_once_in_all(
    place: Place, cli: Cli
) -> None:
    assert cli("run", place.study, "--out", "run", *SMALL, *PRICE) == 0
    results = place.results()
    used = {name: results["arms"][name]["seeds"][0] for name in ("rewrite", "again", "create")}
    assert used["again"]["usage"]["cost"] == used["rewrite"]["usage"]["cost"] > 0
    assert used["again"]["usage"]["cached_cost"] == used["again"]["usage"]["cost"]
    (teacher,) = results["teachers"]
    assert teacher["usage"]["cost"] == pytest.approx(place.server.calls * CALL)
    parts = sum(one["usage"]["cost"] for one in used.values())
    assert parts == pytest.approx(teacher["usage"]["cost"] + used["again"]["usage"]["cost"])
    assert len(list(read(place.folder / "run/spent/echo.jsonl"))) == place.server.calls

    table = Page.read(place.folder / "run/report/index.html").table("What the teacher was asked")
    per_row = used["create"]["usage"]["cost"] / used["create"]["kept"]
    assert table["create"][-1].replace("\xa0", " ") == f"{per_row:.4f} USD"
    page = (place.folder / "run/report/index.html").read_text()
    assert "1000 and 2000 USD per million tokens of prompts and answers, by the study" in page


def test_the_plan_says_whose_price_it_counts_with(
    place: Place, cli: Cli, capsys: pytest.CaptureFixture[str]
) -> None:
    known = (
        "--set", "teachers.echo.base_url=https://api.openai.com/v1",
        "--set", "teachers.echo.model=gpt-4.1-mini",
        "--set", "teachers.echo.data_may_leave=true",
    )  # fmt: skip
    assert cli("plan", place.study, "--json", *known) == 0
    found = json.loads(capsys.readouterr().out)
    price = found["prices"]["echo"]
    assert (price["input"], price["output"], price["currency"]) == (0.4, 1.6, "USD")
    assert price["source"].startswith("genai-prices")
    assert found["total"]["costs"]["USD"] > 0
    assert cli("plan", place.study, *known) == 0
    assert "echo: 0.4 / 1.6 USD per million" in capsys.readouterr().out
    assert cli("plan", place.study) == 0
    assert "echo: no price known (teachers.echo.price)" in capsys.readouterr().out

"""What `plan` says of calls, cost and time, held against what is really done."""

from __future__ import annotations

from typing import Any

import pytest

from preceptor.llm.calls.rates import WINDOW, Rates
from preceptor.llm.settings import Price
from preceptor.study.estimates.estimate import estimate
from preceptor.study.estimates.table import shown
from preceptor.study.file import load_study
from preceptor.study.plan import Plan

from .conftest import Cli, Place

PROBE = "trying a JSON schema"
REWRITE = ("students.bert.arms=[rewrite]", "students.llama.grid={}", "baselines.teacher=[]")
ARMS = (*REWRITE[1:], "students.bert.arms=[rewrite,create]")
PRICE = "teachers.echo.price={input: 1000, output: 2000}"


def estimated(place: Place, *sets: str) -> dict[str, Any]:
    study = load_study(place.study, sets)
    return estimate(Plan(study, place.folder, place.folder / "run"))


def teachers(place: Place, **more: str) -> str:
    told = f"engine: endpoint, model: echo, base_url: '{place.server.url}', key_env: null"
    return f"teachers={{{', '.join(f'{name}: {{{told}{one}}}' for name, one in more.items())}}}"


def waited(requests: int | None, tokens: int | None, calls: int, each: int = 0) -> float:
    """Seconds that a server's rates really hold back the last of so many calls."""
    now = [1000.0]
    rates = Rates(requests, tokens, clock=lambda: now[0])
    for _ in range(calls):
        while (wait := rates.wait(each)) > 0:
            now[0] += wait
        rates.start(each)
    return now[0] - 1000.0


def test_the_call_that_tries_a_schema_is_counted_once_a_teacher(place: Place) -> None:
    several = (
        "arms.create={operation: create, label: asked, teacher: one}",
        "arms.rewrite={operation: rewrite, structured: 'on', teacher: one}",
        "arms.again={operation: rewrite, structured: 'on', teacher: two}",
        "arms.combined={operation: mix, of: [rewrite]}",
        "students.bert.arms=[rewrite,create,again]",
        "students.llama.grid={}",
    )
    found = estimated(place, teachers(place, one="", two=""), *several)
    probes = [one for one in found["calls"] if one["for"] == PROBE]
    assert [one["teacher"] for one in probes] == ["one", "two"]
    assert all(one["calls"] == one["calls_at_most"] == 1 for one in probes)
    assert found["total"]["calls"] == sum(one["calls"] for one in found["calls"])


def test_no_call_tries_a_schema_where_none_is_wanted(place: Place) -> None:
    for arm in ("create", "{operation: create, label: asked, structured: 'off'}"):
        found = estimated(place, *ARMS, f"arms.create={arm}")
        assert PROBE not in [one["for"] for one in found["calls"]]


def test_what_the_cache_knows_of_a_servers_schema_is_not_counted(place: Place, cli: Cli) -> None:
    sets = ("arms.create={operation: create, label: asked}", "students.bert.arms=[create]")
    sets = (*sets, "arms.rewrite=none", "arms.combined=none")
    before = estimated(place, *sets)
    assert PROBE in [one["for"] for one in before["calls"]]
    asked = [part for one in sets for part in ("--set", one)]
    assert cli("preview", place.study, "-n", "1", *asked) == 0
    formats = [one.get("response_format") for one in place.server.bodies]
    assert sum(one is not None for one in formats) == 1, "that call was made"
    after = estimated(place, *sets)
    assert PROBE not in [one["for"] for one in after["calls"]]
    assert after["total"]["calls"] == before["total"]["calls"] - 1
    other = estimated(place, *sets, "teachers.echo.model=another")
    assert other["total"]["calls"] == before["total"]["calls"], "another model is tried anew"


@pytest.mark.parametrize("rate", [5, 9, 50, 107, 108])
def test_requests_a_minute_decide_the_time(place: Place, rate: int) -> None:
    found = estimated(place, f"teachers.echo.requests_per_minute={rate}")
    calls = found["total"]["calls"]
    assert calls == 4 * 9 + 24 + 2 * 24
    seconds = sum(one["seconds"] for one in found["calls"])
    least = waited(rate, None, calls)
    assert least <= seconds
    decided = [one for one in found["calls"] if one["decided_by"]]
    assert bool(decided) == (rate < calls)
    # Calls that no rate holds back take a few seconds here.
    assert seconds <= least + sum(one["seconds"] for one in estimated(place)["calls"])
    if decided:
        assert {one["decided_by"] for one in decided} == {"requests_per_minute"}
        told = " ".join(shown(found).split())
        assert f"{decided[-1]['seconds']:,} by rate" in told
        assert "echo: by rate = requests_per_minute decides the time" in told
        assert found["total"]["seconds"] >= least


def test_tokens_a_minute_decide_the_time(place: Place) -> None:
    (one,) = estimated(place, *REWRITE)["calls"]
    each = (one["prompt_tokens"] + one["answer_tokens"]) // one["calls"]
    rates = (f"teachers.echo.tokens_per_minute={4 * each}",)
    (limited,) = estimated(place, *REWRITE, *rates)["calls"]
    assert limited["decided_by"] == "tokens_per_minute"
    assert limited["seconds"] >= waited(None, 4 * each, one["calls"], each) >= 4 * WINDOW
    rates = (*rates, "teachers.echo.requests_per_minute=1")
    (both,) = estimated(place, *REWRITE, *rates)["calls"]
    assert both["decided_by"] == "requests_per_minute"
    assert both["seconds"] >= waited(1, 4 * each, one["calls"], each)


def test_a_call_larger_than_the_rate_takes_one_window(place: Place) -> None:
    (one,) = estimated(place, *REWRITE, "teachers.echo.tokens_per_minute=10")["calls"]
    assert one["seconds"] == waited(None, 10, one["calls"], 60)


def test_of_batches_only_the_window_is_told(place: Place) -> None:
    plain = estimated(place)
    found = estimated(place, "teachers.echo.batch={window: 24h}")
    rows = {one["for"]: one for one in found["calls"]}
    shots = rows["baseline echo, 2-shot"]
    assert (shots["seconds"], shots["batch_rounds"]) == (None, 2), "one round a seed"
    assert rows["baseline echo, 0-shot"]["batch_rounds"] == 1
    arm = rows["arm rewrite"]
    assert (arm["seconds"], arm["batch_rounds"]) == (plain["calls"][0]["seconds"], 0)
    assert found["total"]["batches"] == [
        {"teacher": "echo", "rounds": 3, "window": "24h", "least": 10}
    ]
    left_out = sum(one["seconds"] for one in plain["calls"][-2:])
    assert left_out > 0
    assert found["total"]["seconds"] == plain["total"]["seconds"] - left_out
    told = " ".join(shown(found).split())
    assert "≤ 2 × 24h" in told
    assert "at most 3 × 24h for batches of echo" in told
    assert "a round of 10 requests or more waits for its batch" in told


def test_votes_on_labels_are_rounds_of_their_own(place: Place) -> None:
    votes = "curation.labels={by: teacher, votes: 3, agree: 2, trial: 4}"
    sets = (*REWRITE, votes, "teachers.echo.batch={least: 5}", "seeds=1")
    rows = {one["for"]: one for one in estimated(place, *sets)["calls"]}
    voting = rows["labels of arm rewrite"]
    assert voting["calls"] == 3 * (4 + 9)
    # Two votes on 4 and on 9 examples, then a third on 9: the third on 4 is below 5.
    assert voting["batch_rounds"] == 3


def test_a_round_too_small_for_a_batch_costs_the_full_price(place: Place) -> None:
    plain = estimated(place, PRICE)
    half = estimated(place, PRICE, "teachers.echo.batch={least: 1}")
    found = estimated(place, PRICE, "teachers.echo.batch={least: 10}")
    for full, batched, one in zip(plain["calls"], half["calls"], found["calls"], strict=True):
        assert batched["cost"] == pytest.approx(full["cost"] / 2)
        expected = full if one["for"].startswith("arm") else batched
        assert one["cost"] == pytest.approx(expected["cost"])
    assert found["calls"][0]["calls"] == 2 * 9, "two rounds of 9"
    assert "at the full price" in " ".join(shown(found).split())


def test_currencies_are_kept_apart(place: Place) -> None:
    dollars = Price(input=1000, output=2000)
    euros = Price(input=30, output=40, currency="EUR")
    named = {
        name: f", price: {price.model_dump_json()}"
        for name, price in {"one": dollars, "two": euros}.items()
    }
    who = teachers(place, **named, three="")
    arms = (
        "arms.create={operation: create, teacher: two}",
        "arms.rewrite={operation: rewrite, teacher: one}",
        "arms.again={operation: rewrite, teacher: three}",
        "students.bert.arms=[rewrite,create,again]",
        "students.llama.grid={}",
        "baselines.teacher=[]",
    )
    found = estimated(place, who, *arms)
    costs = {one["for"]: one["cost"] for one in found["calls"]}
    assert found["total"]["costs"] == {
        "USD": pytest.approx(costs["arm rewrite"], abs=1e-4),
        "EUR": pytest.approx(costs["arm create"], abs=1e-4),
    }
    assert found["total"]["unpriced"] == ["three"]
    told = " ".join(shown(found).split())
    usd, eur = found["total"]["costs"].values()
    assert f"about {usd:.{2 if usd >= 1 else 4}f} USD + {eur:.{2 if eur >= 1 else 4}f} EUR" in told
    assert "no price known for three" in told


def test_an_arm_never_asks_more_than_it_may(place: Place) -> None:
    sets = (*REWRITE, "arms.rewrite={operation: rewrite, max_requests: 5}")
    (one,) = estimated(place, *sets)["calls"]
    assert one["calls"] == one["calls_at_most"] == 2 * 5

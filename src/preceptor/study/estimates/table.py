"""The estimate of a study as text for the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from preceptor.llm.calls.rates import WINDOW

if TYPE_CHECKING:
    from rich.table import Table

_WIDTH = 120


def shown(found: Mapping[str, Any]) -> str:
    """What :mod:`preceptor.study.estimates.estimate` found, as a table for the terminal."""
    from io import StringIO

    from rich.console import Console

    text = StringIO()
    console = Console(file=text, width=_WIDTH)
    console.print(f"study {found['study']}: {found['cells']} cells, seeds {found['seeds']}")
    console.print(_calls(found) if found["calls"] else "no teacher is called")
    if found["tuned"]:
        console.print(_tuned(found))
    if found["work"]:
        console.print(_work(found))
    console.print(_training(found))
    for line in (*_prices(found), *_rates(found), *_batches(found), _total(found)):
        console.print(line, highlight=False, markup=False)
    return text.getvalue()


def _calls(found: Mapping[str, Any]) -> Table:
    from rich.table import Table

    table = Table(
        "for", "teacher", "calls", "at most", "prompt tokens", "answer tokens", "cost", "~ s"
    )
    windows = {one["teacher"]: one["window"] for one in found["total"]["batches"]}
    for one in found["calls"]:
        cost = "–" if one["cost"] is None else _money(one["cost"], one["currency"])
        table.add_row(
            one["for"],
            one["teacher"],
            *(f"{one[key]:,}" for key in ("calls", "calls_at_most", "prompt_tokens")),
            f"{one['answer_tokens']:,}",
            cost,
            _time(one, windows.get(one["teacher"], "")),
        )
    return table


def _time(one: Mapping[str, Any], window: str) -> str:
    """Seconds of the calls made at once, and the most that batches may take."""
    parts = []
    if one["seconds"] is not None:
        by = " by rate" if one["decided_by"] else ""
        parts.append(f"{one['seconds']:,}{by}")
    if one["batch_rounds"]:
        parts.append(f"≤ {one['batch_rounds']} × {window}")
    return " + ".join(parts)


def _tuned(found: Mapping[str, Any]) -> Table:
    """The teachers that are tuned before anything is made."""
    from rich.table import Table

    columns = ("teacher", "roles", "tunings", "updates each", "tokens", "parameters", "~ s")
    table = Table(*columns, title="teachers that are tuned first", title_justify="left")
    for one in found["tuned"]:
        taken = f"taken from {one['tuned_from']}"
        table.add_row(
            one["teacher"],
            ", ".join(one["roles"]),
            taken if one["tuned_from"] else f"{one['tunings']:,}",
            f"{one['updates']:,}",
            f"{one['tokens']:,}",
            _size(one["parameters"]),
            _known(one["seconds"]),
        )
    return table


def _work(found: Mapping[str, Any]) -> Table:
    """What tuned teachers do; nothing of it is paid."""
    from rich.table import Table

    columns = ("for", "teacher", "texts", "at most", "tokens read", "tokens written", "~ s")
    table = Table(*columns, title="what tuned teachers do, unpaid", title_justify="left")
    keys = ("texts", "texts_at_most", "prompt_tokens", "answer_tokens")
    for one in found["work"]:
        counts = (f"{one[key]:,}" for key in keys)
        table.add_row(one["for"], one["teacher"], *counts, _known(one["seconds"]))
    return table


def _size(parameters: int | None) -> str:
    return "not known" if parameters is None else f"{parameters / 1e6:,.0f} M"


def _known(number: int | None) -> str:
    return "not known" if number is None else f"{number:,}"


def _training(found: Mapping[str, Any]) -> Table:
    from rich.table import Table

    table = Table("student", "cells", "updates each", "tokens", "parameters", "~ s")
    for one in found["training"]:
        table.add_row(
            one["student"],
            f"{one['cells']:,}",
            f"{one['updates']:,}",
            f"{one['tokens']:,}",
            _size(one["parameters"]),
            _known(one["seconds"]),
        )
    return table


def _prices(found: Mapping[str, Any]) -> Iterator[str]:
    """What each teacher's tokens cost, and who says so."""
    for name, price in found["prices"].items():
        if price is None:
            yield f"{name}: no price known (teachers.{name}.price)"
        else:
            yield (
                f"{name}: {price['input']:g} / {price['output']:g} {price['currency']} per million"
                f" prompt / answer tokens ({price['source']})"
            )


def _rates(found: Mapping[str, Any]) -> Iterator[str]:
    """Which rate decides where a line says that one does."""
    decided = dict.fromkeys(
        (one["teacher"], one["decided_by"]) for one in found["calls"] if one["decided_by"]
    )
    for name, rate in decided:
        yield (
            f"{name}: by rate = {rate} decides the time: each {WINDOW:.0f} seconds send no more"
            " than it allows"
        )


def _batches(found: Mapping[str, Any]) -> Iterator[str]:
    for one in found["total"]["batches"]:
        yield (
            f"{one['teacher']}: a round of {one['least']} requests or more waits for its batch,"
            f" which the server may give {one['window']}; what it leaves unanswered, and rows that"
            " are made anew, take further rounds. A smaller round is called at once, at the full"
            " price"
        )


def _total(found: Mapping[str, Any]) -> str:
    total = found["total"]
    waits = "".join(
        f", and at most {one['rounds']} × {one['window']} for batches of {one['teacher']}"
        for one in total["batches"]
        if one["rounds"]
    )
    return (
        f"in all {_counted(total)}, {_costs(total)}, and {total['seconds'] / 60:,.0f} minutes"
        f" on this machine{waits}. Rough: tokens are characters / 4; answers in the"
        " cache cost nothing."
    )


def _counted(total: Mapping[str, Any]) -> str:
    if not total["calls_at_most"]:
        return "no calls"
    return f"about {total['calls']:,} calls (at most {total['calls_at_most']:,})"


def _costs(total: Mapping[str, Any]) -> str:
    """A sum for each currency, and whose costs are in none of them."""
    known = [_money(cost, currency) for currency, cost in total["costs"].items()]
    unknown = total["unpriced"]
    parts = [f"about {' + '.join(known)}"] if known else []
    if unknown:
        parts.append(f"no price known for {', '.join(unknown)}")
    return ", ".join(parts) or "nothing to pay"


def _money(cost: float, currency: str) -> str:
    return f"{cost:,.{2 if cost >= 1 else 4}f} {currency}"

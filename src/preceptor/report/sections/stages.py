"""The table of what each stage of a run took."""

from __future__ import annotations

from collections.abc import Iterable

from preceptor.report.frame.blocks import Column, Row, Table, Value, missing, words
from preceptor.report.read.numbers import duration, money, share
from preceptor.report.read.results import Results
from preceptor.report.read.usage import Usage
from preceptor.report.sections.accounts import number

_TITLES = {
    "data": "Reading the data",
    "teachers": "Tuning teachers",
    "arms": "Making training sets",
    "baselines": "Baselines",
    "training": "Training students",
    "scoring": "Scoring students",
    "rest": "Loading, timing and saving students",
}
_HOUR = 3600


def stages_table(results: Results) -> Table | None:
    """Time and cost by stage; None of a run that did not record its stages."""
    known = [(one.stage, one.parts, one.seconds) for one in results.stages if one.seconds]
    if not known:
        return None
    whole = sum(seconds for *_, seconds in known)
    rows = [_row(results, *one, whole) for one in known]
    table = Table(
        name="cost",
        caption="What each stage of the run took.",
        columns=(
            Column("stage", "Stage", numeric=False),
            Column("parts", "Parts"),
            Column("seconds", "Time"),
            Column("share", "of all"),
            Column("tokens_cost", "Tokens", group="Cost"),
            Column("machine_cost", "Machine", group="Cost"),
        ),
        rows=(*rows, _total(results, whole)),
        notes=(
            "Time is that of the making of each part that came to its end, in whichever start of "
            "the run; parts that were made side by side count each.",
        ),
    )
    return table.without(*_idle(results))


def _idle(results: Results) -> list[str]:
    """Costs that nobody named a price of."""
    priced = any(_tokens(results, stage) for stage in _TITLES)
    idle = {"tokens_cost": not priced, "machine_cost": results.report.hour_price is None}
    return [key for key, is_idle in idle.items() if is_idle]


def _row(results: Results, stage: str, parts: int, seconds: float, whole: float) -> Row:
    paid = _tokens(results, stage)
    return Row(
        (
            words(_TITLES.get(stage, stage)),
            number(parts),
            number(seconds, duration),
            Value(share(seconds, whole), seconds / whole),
            Value(money(*paid), paid[0]) if paid else missing("it asks for no tokens with a price"),
            _machine(results, seconds),
        )
    )


def _total(results: Results, whole: float) -> Row:
    paid = [found for stage in _TITLES if (found := _tokens(results, stage))]
    cost = sum(amount for amount, _ in paid)
    return Row(
        (
            words("all"),
            missing("parts are of different kinds"),
            number(whole, duration),
            Value(share(1, 1), 1.0),
            Value(money(cost, paid[0][1]), cost) if paid else missing("no price was given"),
            _machine(results, whole),
        ),
        "total",
    )


def _machine(results: Results, seconds: float) -> Value:
    price = results.report.hour_price
    if price is None:
        return missing("no price of an hour was given")
    cost = seconds / _HOUR * price
    return Value(money(cost, results.report.currency), cost)


def _tokens(results: Results, stage: str) -> tuple[float, str | None] | None:
    """What the answers that a stage used cost, whenever they were paid."""
    used = {
        "arms": [seed.usage for arm in results.arms.values() for seed in arm.seeds],
        "baselines": [one.usage for one in results.baselines],
    }
    return _sum(used.get(stage, ()))


def _sum(usages: Iterable[Usage | None]) -> tuple[float, str | None] | None:
    known = [(one.cost, one.currency) for one in usages if one and one.cost is not None]
    return (sum(cost for cost, _ in known), known[0][1]) if known else None

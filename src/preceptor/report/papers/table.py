"""The paper's table: its own numbers, ours beside them with their interval, and the difference."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from preceptor.report.frame.blocks import Column, Row, Table, Value, missing, words
from preceptor.report.papers.exhibit import Exhibit, Measure
from preceptor.report.papers.found import Found, Number
from preceptor.report.read.numbers import LEVEL, MINUS, count
from preceptor.report.read.results import Results
from preceptor.report.read.sources import human_rows, made_rows


def paper_table(
    results: Results, exhibit: Exhibit, measures: Sequence[Measure], found: Sequence[Found]
) -> Table:
    """Every row of the paper; a dash where the paper or the run has nothing."""
    place = exhibit.name.replace(".", "-")
    by_test = exhibit.by_test and any(one.best for one in found)
    rows = [_row(results, exhibit, measures, one, by_test) for one in found]
    return Table(
        name=place,
        caption=f"{exhibit.title} ({exhibit.source}), and the run {results.study}.",
        columns=tuple(_columns(exhibit, measures, by_test)),
        rows=tuple(rows),
        notes=tuple(_notes(exhibit, found)),
    )


def _beside(exhibit: Exhibit, measure: Measure) -> bool:
    """Whether the paper's own numbers are known of a measure."""
    return exhibit.has_numbers and measure.printed


def _columns(exhibit: Exhibit, measures: Sequence[Measure], by_test: bool) -> Iterator[Column]:
    for number, title in enumerate(exhibit.heads):
        yield Column(f"row_{number + 1}" if number else "row", title, numeric=False)
    if exhibit.amounts:
        yield from (Column("human_rows", "Human rows"), Column("made_rows", "Rows beside"))
    for measure in measures:
        key = measure.name
        if _beside(exhibit, measure):
            yield Column(f"{key}_paper", "paper", group=measure.title)
            yield Column(f"{key}", "ours", group=measure.title)
            yield Column(f"{key}_difference", "ours less paper", group=measure.title)
            if by_test:
                yield Column(f"{key}_best_on_test", "ours, best on test", group=measure.title)
        else:
            yield Column(key, measure.title)


def _row(
    results: Results, exhibit: Exhibit, measures: Sequence[Measure], found: Found, by_test: bool
) -> Row:
    values = [words(head) for head in found.row.heads]
    if exhibit.amounts:
        values += [_count(results, found, "human"), _count(results, found, "made")]
    printed = iter(found.row.numbers)
    for measure in measures:
        ours = found.numbers.get(measure.name)
        shown = _ours(ours, measure, found.told)
        if _beside(exhibit, measure):
            paper = next(printed)
            values += [_paper(paper, measure), shown, _difference(ours, paper, measure)]
            values += [_best(found, measure)] if by_test else []
        else:
            values.append(shown)
    return Row(tuple(values))


def _count(results: Results, found: Found, kind: str) -> Value:
    counted = human_rows if kind == "human" else made_rows
    rows = counted(results, found.arm) if found.arm else None
    return missing(found.told or "not recorded") if rows is None else Value(count(rows), rows)


def _paper(value: float | None, measure: Measure) -> Value:
    return Value("NA", None, title="NA in the paper") if value is None else _value(value, measure)


def _ours(number: Number | None, measure: Measure, why: str) -> Value:
    if number is None:
        return missing(why or "not scored")
    text = _text(number.value, measure)
    if number.low is None or number.high is None:
        return Value(text, number.value, title="no interval in the results")
    under = f"{_text(number.low, measure)} to {_text(number.high, measure)}"
    return Value(text, number.value, number.low, number.high, under)


def _difference(ours: Number | None, paper: float | None, measure: Measure) -> Value:
    if ours is None or paper is None:
        return missing("nothing to set beside each other")
    apart = ours.value - paper
    text = _text(apart, measure)
    zero = not text.strip(f"{MINUS}0.")
    sign = "+" if apart > 0 and not zero else ""
    return Value(f"{sign}{text.lstrip(MINUS) if zero else text}", apart)


def _best(found: Found, measure: Measure) -> Value:
    best = found.best.get(measure.name)
    return missing("not one of several settings") if best is None else _value(best, measure)


def _value(value: float, measure: Measure) -> Value:
    return Value(_text(value, measure), value)


def _text(value: float, measure: Measure) -> str:
    """A number in the paper's own form."""
    return f"{value:.{measure.decimals}f}".replace("-", MINUS)


def _notes(exhibit: Exhibit, found: Sequence[Found]) -> Iterator[str]:
    """How to read the numbers, and which rows have none."""
    known = [one for one in found if one.numbers]
    spread = any(number.range for one in known for number in one.numbers.values())
    seeds = sorted({one.seeds for one in known if one.group})
    if seeds == [1]:
        ends = "" if spread else f", with the {LEVEL} interval over test items alone"
        yield f"Ours: one seed{ends}."
    elif seeds:
        over = str(seeds[0]) if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]}"
        ends = "the lowest and the highest seed" if spread else f"the {LEVEL} interval"
        yield f"Ours: means over {over} seeds, with {ends}."
    if exhibit.has_numbers:
        yield (
            "The paper gives its numbers without intervals: a difference to one of them is no "
            "test, and does not say which is right."
        )
    if lacking := [one for one in found if not one.numbers]:
        yield f"Missing from this run, {len(lacking)} of {len(found)} rows: {_lacking(lacking)}."


def _lacking(found: Sequence[Found]) -> str:
    """Rows under what they lack."""
    by: dict[str, list[Found]] = {}
    for one in found:
        by.setdefault(one.why, []).append(one)
    return "; ".join(_without(why, rows) for why, rows in by.items())


def _without(why: str, rows: Sequence[Found]) -> str:
    arms = ", ".join(dict.fromkeys(one.arm for one in rows if one.arm))
    named = ", ".join(rows[0].row.heads) if len(rows) == 1 else f"{len(rows)} rows"
    return f"{why} {arms} ({named})" if arms else f"{why} ({named})"

"""The pool: texts that a teacher may annotate, and what was taken out of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import fmean

from preceptor.report.frame.blocks import Block, Column, Heading, Prose, Row, Table, words
from preceptor.report.read.numbers import count, plural
from preceptor.report.read.results import Pool, Results
from preceptor.report.sections.accounts import number


def blocks(results: Results) -> Iterator[Block]:
    """How large the pool is under the seeds, and the rows that are not in it."""
    pools = results.data.pool
    if not pools:
        return
    yield Heading("The pool")
    yield Prose((_size(pools),))
    reasons = list(dict.fromkeys(reason for one in pools for reason in one.removed))
    if reasons:
        yield _removed(pools, reasons)


def _size(pools: Sequence[Pool]) -> str:
    rows = _span([one.rows for one in pools])
    each = f" under each of {plural(len(pools), 'seed')}" if len(pools) > 1 else ""
    line = f"The pool holds {rows} texts{each}, for teachers to annotate; none is in the test set."
    hidden = [one.hidden_labels for one in pools]
    if not any(hidden):
        return f"{line} No true label of theirs is known."
    known = "all" if hidden == [one.rows for one in pools] else _span(hidden)
    return f"{line} The true labels of {known} of them are known, and hidden."


def _span(numbers: Sequence[int]) -> str:
    low, high = min(numbers), max(numbers)
    return count(low) + (f" to {count(high)}" if high > low else "")


def _removed(pools: Sequence[Pool], reasons: Sequence[str]) -> Table:
    rows = []
    for reason in reasons:
        found = [one.removed.get(reason, 0) for one in pools]
        mean = number(fmean(found), lambda value: count(round(value, 1)))
        rows.append(Row((words(reason), mean, number(min(found)), number(max(found)))))
    table = Table(
        name="pool",
        caption="Rows taken out of the pool, by reason"
        f"{', means over seeds' if len(pools) > 1 else ''}.",
        columns=(
            Column("reason", "Reason", numeric=False),
            Column("rows", "Rows"),
            Column("lowest", "Lowest seed"),
            Column("highest", "Highest seed"),
        ),
        rows=tuple(rows),
    )
    same = all(one.removed == pools[0].removed for one in pools)
    return table.without("lowest", "highest") if same else table

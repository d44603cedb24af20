"""The settings that were tried, and which of them validation chose."""

from __future__ import annotations

from preceptor.report.frame.blocks import Column, Row, Table, Value, words
from preceptor.report.read.cell import Cell
from preceptor.report.read.groups import Group
from preceptor.report.read.measures import by_words, chosen_by, is_text, main_metrics
from preceptor.report.read.numbers import metric, plural, setting
from preceptor.report.read.results import Results
from preceptor.report.read.scores import Metrics
from preceptor.report.sections.tables import direction, mean_of
from preceptor.report.words.verdict import group_title


def settings_table(results: Results, group: Group) -> Table | None:
    """Every setting tried and how often validation chose it; None if there was one only."""
    cells = [c for c in results.cells if c.student == group[0] and group[1] in _test(c)]
    tried = list(dict.fromkeys((c.arm, c.method, setting(c.setting)) for c in cells))
    if len({(method, text) for _, method, text in tried}) < 2:
        return None
    names, by = main_metrics(results, group[1]), chosen_by(results, group[0])
    # Perplexity is the exponential of a text task's log-loss, so one of them is enough.
    checked = [by, *names] if by and not is_text(results) else names
    checked = list(dict.fromkeys(checked))
    columns = [Column("arm", "Arm", numeric=False), Column("setting", "Setting", numeric=False)]
    columns += [Column(f"validation_{n}", metric(n).heading, group="Validation") for n in checked]
    columns += [Column(f"test_{n}", metric(n).heading, group="Test") for n in names]
    student, reading = group
    return Table(
        name="settings",
        caption=f"{group_title(results, group)}: settings tried, means over seeds.",
        columns=(*columns, Column("chosen", "Chosen in")),
        rows=tuple(
            _setting_row(cells, group[1], key, {"validation": checked, "test": names})
            for key in tried
        ),
        context=(("student", student), ("reading", reading)),
        notes=(
            f"Validation chose{by_words(results, student)}; the test scores took no part in the "
            "choice.",
            "The best test score of this table is not a fair estimate of anything.",
            *direction(checked),
        ),
    )


def _test(cell: Cell) -> dict[str, Metrics]:
    return cell.splits.get("test", {})


def _setting_row(
    cells: list[Cell], reading: str, key: tuple[str, str, str], shown: dict[str, list[str]]
) -> Row:
    same = [c for c in cells if (c.arm, c.method, setting(c.setting)) == key]
    times = sum(cell.chosen for cell in same)
    scores = [
        mean_of(name, [m for c in same if (m := c.splits.get(split, {}).get(reading))])
        for split, names in shown.items()
        for name in names
    ]
    in_words = f"{times} of {plural(len(same), 'seed')}"
    text = f"{key[1]}, {key[2]}" if key[1] else key[2]
    fields = (words(key[0]), words(text), *scores, Value(in_words, times))
    return Row(fields, "chosen" if times else "")

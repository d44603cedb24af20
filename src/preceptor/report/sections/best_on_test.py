"""The numbers that a paper tells which chooses on the test set, named so, beside the fair ones."""

from __future__ import annotations

from preceptor.report.frame.blocks import Column, Fold, Row, Table, Value, missing, words
from preceptor.report.read.groups import Group, arms_of
from preceptor.report.read.measures import by_words, main_metrics
from preceptor.report.read.numbers import metric, setting
from preceptor.report.read.results import Results
from preceptor.report.read.scores import BestOnTest
from preceptor.report.sections.tables import direction
from preceptor.report.words.verdict import group_title

NAME = "Best on test, chosen on the test set as the paper did: not a fair estimate"


def best_fold(results: Results, group: Group) -> Fold | None:
    """The table of a student that had settings to choose among, folded; None of any other."""
    found = {
        (row.arm, row.metric): row
        for row in results.best_on_test
        if (row.student, row.reading) == group
    }
    known = {name for _, name in found}
    names = [name for name in main_metrics(results, group[1]) if name in known]
    if not names or max(row.settings for row in found.values()) < 2:
        return None
    title = f"{group_title(results, group)}. {NAME}"
    return Fold(title, (_table(results, group, names, found),))


def _table(
    results: Results, group: Group, names: list[str], found: dict[tuple[str, str], BestOnTest]
) -> Table:
    columns = [
        Column(f"{key}_{name}", title, group=metric(name).heading)
        for name in names
        for key, title in (
            ("validation", "Chosen on validation"),
            ("best", "Best on test"),
            ("highest", "Best of all cells"),
        )
    ]
    student, reading = group
    by = by_words(results, student)
    return Table(
        name="best-on-test",
        caption=f"{group_title(results, group)}. {NAME}. Beside it what validation chose.",
        columns=(Column("arm", "Arm", numeric=False), *columns),
        rows=tuple(_row(arm, names, found) for arm in arms_of(results, group)),
        context=(("student", student), ("reading", reading)),
        notes=(
            f"Chosen on validation{by}: the mean over seeds, as in the table of arms. Best on test:"
            " the mean over seeds of each seed's best setting by this very score, each metric by"
            " itself, so that two of them may be of different settings. Best of all cells: one"
            " seed and setting.",
            "Whoever chooses on the test set picks luck along with merit: the numbers rise with"
            " every setting and seed that is tried. They stand here to be set beside a paper's"
            " that were chosen so, and chose nothing in this run.",
            *direction(names),
        ),
    )


def _row(arm: str, names: list[str], found: dict[tuple[str, str], BestOnTest]) -> Row:
    rows = [found.get((arm, name), BestOnTest(arm=arm, metric=name)) for name in names]
    return Row((words(arm), *(field for row in rows for field in _fields(row))))


def _fields(row: BestOnTest) -> tuple[Value, Value, Value]:
    cell = f"{setting(row.setting)}, seed {row.seed}"
    return _score(row, row.chosen), _score(row, row.best), _score(row, row.highest, cell)


def _score(row: BestOnTest, value: float | None, under: str = "") -> Value:
    if value is None:
        return missing("not scored")
    return Value(metric(row.metric).show(value), value, under=under)

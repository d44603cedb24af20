"""The tables of runs side by side, for the page, the terminal, CSV and Markdown alike."""

from __future__ import annotations

from collections.abc import Sequence

from preceptor.report.frame.blocks import Column, Row, Table, Value, missing, words
from preceptor.report.read.numbers import LEVEL, count, date, metric
from preceptor.report.sections.tables import difference, direction
from preceptor.report.versus.found import Change, RunDifference, RunScore, Versus
from preceptor.report.versus.words import ABSENT

_Group = tuple[str, str]


def runs_table(found: Versus) -> Table:
    """The runs, a row each."""
    return Table(
        name="runs",
        caption="The runs; the others are held against the first.",
        columns=(
            Column("run", "Run", numeric=False),
            Column("study", "Study", numeric=False),
            Column("created", "Results of", numeric=False),
            Column("cells", "Cells"),
            Column("seeds", "Seeds", numeric=False),
            Column("folder", "Folder", numeric=False),
        ),
        rows=tuple(
            Row(
                (
                    words(run.name, tag="" if run.finished else "not finished"),
                    words(run.study),
                    Value(date(run.created), run.created),
                    Value(count(run.cells), run.cells),
                    words(", ".join(map(str, run.seeds))),
                    words(run.folder),
                )
            )
            for run in found.runs
        ),
    )


def changes_table(found: Versus) -> Table | None:
    """Settings that differ, those that cannot move a score last; None where none do."""
    ordered = sorted(found.changes, key=lambda change: not change.bears)
    note = "Settings without a tag can move a score." if not all(c.bears for c in ordered) else ""
    return _changes("changes", "Settings that differ, by their keys.", found, ordered, note)


def environment_table(found: Versus) -> Table | None:
    """What differs of versions, machine, threads and precision; None where nothing does."""
    caption = "Versions, machine, threads and precision, where they differ."
    return _changes("environment", caption, found, found.environment)


def _changes(
    name: str, caption: str, found: Versus, changes: Sequence[Change], note: str = ""
) -> Table | None:
    if not changes:
        return None
    rows = [
        Row(
            (
                words(change.key, tag="" if change.bears else "moves no score"),
                *(words(value) if value else missing(ABSENT) for value in change.values),
            )
        )
        for change in changes
    ]
    columns = (Column("key", "Key", numeric=False), *_of_runs(found))
    return Table(name, caption, columns, tuple(rows), notes=(note,) if note else ())


def _of_runs(found: Versus) -> list[Column]:
    return [Column(name, name, numeric=False) for name in found.names]


def data_table(found: Versus) -> Table | None:
    """Rows of every split, and how many of them the first run has too."""
    if not found.data:
        return None
    first, *others = found.names
    return Table(
        name="data",
        caption="Examples of the runs, and how many of them are the same: id, inputs, target and "
        "references.",
        columns=(
            Column("split", "Split", numeric=False),
            *(Column(f"rows_{name}", name, group="Rows") for name in found.names),
            *(Column(f"same_{name}", name, group=f"The same as in {first}") for name in others),
        ),
        rows=tuple(
            Row(
                (
                    words(line.split),
                    *(Value(count(n), n) for n in (*line.rows, *line.same[1:])),
                )
            )
            for line in found.data
        ),
    )


def groups(found: Versus) -> list[_Group]:
    """Every student and reading with a score in some run."""
    return list(dict.fromkeys((score.student, score.reading) for score in found.scores))


def scores_table(found: Versus, group: _Group, *, leading: bool = False) -> Table:
    """One student and reading: every arm that several runs have, with its differences.

    Args:
        found: the runs.
        group: the student and the reading.
        leading: whether the metric that the verdict speaks of is enough.
    """
    shared = [arm for arm in _arms(found, group) if len(_runs_of(found, group, arm)) > 1]
    names = _metrics(found, group)[: 1 if leading else None]
    first, *others = found.names
    columns = [Column("arm", "Arm", numeric=False)]
    for name in names:
        heading = metric(name).heading
        columns += [Column(f"{name}_{run}", run, group=heading) for run in found.names]
        columns += [
            Column(f"{name}_{run}_minus_{first}", _less(run, found), group=heading)
            for run in others
        ]
    rows = [
        Row((words(arm), *(value for name in names for value in _values(found, group, arm, name))))
        for arm in shared
    ]
    return Table(
        name="scores",
        caption=f"{group_title(found, group)}: scores on the test set, and differences paired by "
        "seed and test item.",
        columns=tuple(columns),
        rows=tuple(rows),
        context=(("student", group[0]), ("reading", group[1])),
        notes=(
            f"Means over each run's own seeds, below them the {LEVEL} interval; differences are "
            "over the seeds that both runs have: ▲ better, ▼ worse; without a mark there is no "
            "evidence either way.",
            *direction(names),
        ),
    )


def _less(run: str, found: Versus) -> str:
    return "difference" if len(found.runs) == 2 else f"{run} less {found.names[0]}"


def group_title(found: Versus, group: _Group) -> str:
    """The student, with the reading where the student has several."""
    student, reading = group
    several = sum(other == student for other, _ in groups(found)) > 1
    return f"{student}, {found.readings[reading].title}" if several else student


def _arms(found: Versus, group: _Group) -> list[str]:
    return list(dict.fromkeys(s.arm for s in found.scores if (s.student, s.reading) == group))


def _runs_of(found: Versus, group: _Group, arm: str) -> list[str]:
    key = (*group, arm)
    return list(dict.fromkeys(s.run for s in found.scores if (s.student, s.reading, s.arm) == key))


def _metrics(found: Versus, group: _Group) -> list[str]:
    names = dict.fromkeys(s.metric for s in found.scores if (s.student, s.reading) == group)
    leading = found.readings[group[1]].headline
    return sorted(names, key=lambda name: name != leading)


def _values(found: Versus, group: _Group, arm: str, name: str) -> list[Value]:
    """The runs' scores by one metric, then the differences to the first run."""
    values = [_score(found, run, (*group, arm), name) for run in found.names]
    return values + [_difference(found, run, (*group, arm), name) for run in found.names[1:]]


def _score(found: Versus, run: str, key: tuple[str, str, str], name: str) -> Value:
    score = next((s for s in found.scores if _is(s, run, key, name)), None)
    if score is None or score.mean is None:
        return missing("not scored in this run")
    show = metric(name)
    if score.low is None or score.high is None:
        return Value(show.show(score.mean), score.mean, title="no interval in the results")
    under = show.span(score.low, score.high)
    return Value(show.show(score.mean), score.mean, score.low, score.high, under)


def _difference(found: Versus, run: str, key: tuple[str, str, str], name: str) -> Value:
    fact = next((d for d in found.differences if _is(d, run, key, name)), None)
    if fact is not None:
        return difference(fact)
    student, reading, arm = key
    why = (
        one.why
        for one in found.apart
        if one.run == run
        and one.student in ("", student)
        and one.reading in ("", reading)
        and one.arm in ("", arm)
        and one.metric in ("", name)
    )
    return missing(f"not compared: {next(why, 'one of the runs does not have it')}")


def _is(one: RunScore | RunDifference, run: str, key: tuple[str, str, str], name: str) -> bool:
    return (one.run, one.student, one.reading, one.arm, one.metric) == (run, *key, name)


def alone_table(found: Versus) -> Table | None:
    """Arms and students that one run alone has, with their scores; None where there are none."""
    rows = [
        _alone_row(found, group, arm)
        for group in groups(found)
        for arm in _arms(found, group)
        if len(_runs_of(found, group, arm)) == 1
    ]
    if not rows:
        return None
    return Table(
        name="alone",
        caption="Students and arms that no other run has under these names: scores alone.",
        columns=(
            Column("student", "Student", numeric=False),
            Column("reading", "Read by", numeric=False),
            Column("arm", "Arm", numeric=False),
            Column("run", "Run", numeric=False),
            Column("metric", "Metric", numeric=False),
            Column("score", "Score"),
        ),
        rows=tuple(rows),
    )


def _alone_row(found: Versus, group: _Group, arm: str) -> Row:
    (run,) = _runs_of(found, group, arm)
    leading = found.readings[group[1]].headline
    return Row(
        (
            words(group[0]),
            words(found.readings[group[1]].title),
            words(arm),
            words(run),
            words(metric(leading).heading),
            _score(found, run, (*group, arm), leading),
        )
    )

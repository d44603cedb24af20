"""Student against teacher: how much of the score is kept, and at what size, speed and cost."""

from __future__ import annotations

from collections.abc import Iterator

from preceptor.report.frame.blocks import (
    Block,
    Bullets,
    Column,
    Prose,
    Row,
    Table,
    Value,
    missing,
    words,
)
from preceptor.report.read.numbers import LEVEL, Metric, count, duration, money, plural, short, size
from preceptor.report.read.results import Results
from preceptor.report.sections.accounts import number
from preceptor.report.sections.contenders import (
    ENOUGH,
    Contender,
    strongest,
    students_of,
    teachers_of,
)
from preceptor.report.sections.kept import fact_of, heading, in_words, kept_share
from preceptor.report.sections.tables import difference
from preceptor.report.sections.trade import trade_figure

NO_TEACHER = "No teacher answered the test items, so no student is held against one"
_OUTSIDE = "it answers outside of this run's machine"
_UNMEASURED = "not measured"
_FORESEEN = "next_token"


def blocks(results: Results) -> Iterator[Block | None]:
    """What the page has to say; nothing where nothing was measured and no teacher was scored."""
    students, teachers = students_of(results), teachers_of(results)
    measured = any(one.p50 or one.rate for one in students)
    if not students or not (measured or teachers):
        return
    reference = strongest(teachers)
    if reference is None:
        way = " (baselines.teacher in the study asks it)." if results.teachers else "."
        yield Prose((f"{NO_TEACHER}{way}",))
    else:
        yield Bullets(tuple(in_words(results, one, reference) for one in students))
    yield serving_table(results, students, teachers)
    yield trade_figure(results, students, teachers, heading(results, students))


def serving_table(results: Results, students: list[Contender], teachers: list[Contender]) -> Table:
    """A row for every student and every way that a teacher answered."""
    reference, show = strongest(teachers), heading(results, students)
    table = Table(
        name="serving",
        caption="Students against teachers: score on the test set, size, and what answers take.",
        columns=(
            Column("model", "Model", numeric=False),
            Column("arm", "Trained on", numeric=False),
            Column("reading", "Answers by", numeric=False),
            Column("seeds", "Seeds"),
            Column("score", show.heading),
            Column("kept", "Kept, %", group="To the teacher"),
            Column("difference", _changed(show), group="To the teacher"),
            Column("parameters", "Parameters", group="Size"),
            Column("weights_bytes", "On disk", group="Size"),
            Column("latency_p50_ms", "Median", group="Time of one answer"),
            Column("latency_p95_ms", "95 %", group="Time of one answer"),
            Column("answers_per_second", "Answers a second"),
            Column("memory_bytes", "Memory"),
            Column("machine_seconds", "Machine time", group="1,000 answers"),
            Column("cost", "Cost", group="1,000 answers"),
        ),
        rows=tuple(_row(results, one, reference) for one in [*students, *teachers]),
        notes=tuple(_notes(results, students, teachers)),
    )
    return table.without(*_idle(results, table, students))


def _changed(show: Metric) -> str:
    return f"Difference, {show.unit}" if show.unit else "Difference"


def _idle(results: Results, table: Table, students: list[Contender]) -> Iterator[str]:
    """Columns that would say nothing; what was not measured stays, as dashes."""
    keys = [column.key for column in table.columns]
    for key in ("kept", "difference", "parameters", "cost"):
        if not any(row.values[keys.index(key)].text for row in table.rows):
            yield key
    if len(results.arms) < 2:
        yield "arm"
    readings = {serving.reading for one in students for serving in one.servings}
    if len(readings) < 2 and _FORESEEN not in readings:
        yield "reading"


def _row(results: Results, one: Contender, reference: Contender | None) -> Row:
    cost, fact = one.cost(results), fact_of(results, one, reference)
    teacher = one.arm is None
    kept = None if teacher else kept_share(one, reference)
    return Row(
        (
            words(one.name, tag="teacher" if teacher else ""),
            missing("it is no student") if teacher else words(one.arm or ""),
            _reading(one),
            Value(str(one.seeds), one.seeds),
            one.score,
            number(kept, lambda share: f"{100 * share:.1f}", "not set beside a teacher"),
            difference(fact) if fact else missing("not compared"),
            number(one.parameters, short, "not known"),
            number(one.stored, size, "not known"),
            number(one.p50, brief, _UNMEASURED),
            number(one.p95, brief, f"fewer than {ENOUGH} answers were timed"),
            number(one.rate, _rate, _UNMEASURED),
            _memory(one),
            number(one.machine, duration, _UNMEASURED if one.own else _OUTSIDE),
            Value(money(*cost), cost[0]) if cost else missing("no price was given"),
        ),
        "baseline" if teacher else "",
    )


def _reading(one: Contender) -> Value:
    found = next((serving.reading for serving in one.servings if serving.reading), None)
    if found:
        return words(found)
    return words("calls") if one.arm is None else missing("not recorded")


def _memory(one: Contender) -> Value:
    of = {serving.memory_of for serving in one.servings}
    value = number(one.memory, size, _UNMEASURED if one.own else _OUTSIDE)
    return Value(value.text, value.raw, under="on the GPU") if of == {"gpu"} else value


def brief(milliseconds: float) -> str:
    """A short time as ``0.42 ms``, ``12.3 ms``, ``480 ms`` or ``1.2 s``."""
    if milliseconds >= 1000:
        return duration(milliseconds / 1000)
    places = 0 if milliseconds >= 100 else 1 if milliseconds >= 1 else 2
    return f"{milliseconds:.{places}f} ms"


def _rate(value: float) -> str:
    return count(round(value)) if value >= 10 else f"{value:.2g}"


def _notes(results: Results, students: list[Contender], teachers: list[Contender]) -> Iterator[str]:
    yield f"Means over seeds, below a score its {LEVEL} interval; memory is the most of any seed."
    if reference := strongest(teachers):
        yield f"Kept and difference are to {reference.name}, the teacher that scores highest."
    if results.teacher_comparisons:
        yield (
            f"The difference is paired by seed and test item, below it its {LEVEL} interval, which "
            "is not corrected for many comparisons."
        )
    if len({one.arm for one in students}) > 1 or len(results.arms) > 1:
        yield "Each student as trained on the arm that did best on validation."
    yield from _timed(results, students, teachers)
    yield from _priced(results, teachers)
    if any(one.stored for one in [*students, *teachers]):
        yield "On disk: what was trained, with the weights that it needs beside it."


def _timed(results: Results, students: list[Contender], teachers: list[Contender]) -> Iterator[str]:
    items = [s.items for one in students for s in one.servings if s.latency_p50_ms is not None]
    if items:
        yield (
            f"Time of one answer: asked for alone, from an example to its answer, on up to "
            f"{plural(max(items), 'test item')}. Answers a second: in the batches of scoring."
        )
    readings = {s.reading for one in students for s in one.servings}
    if _FORESEEN in readings:
        yield (
            "By next_token nothing is written: the time is that of reading a given answer, so it "
            "is less than that of writing one."
        )
    for one in teachers:
        yield from _called(one)
    if any(one.memory for one in [*students, *teachers]):
        yield (
            "Memory: the most that the answering process held (of an embedded teacher its "
            "server), libraries included; on a GPU what was allocated there."
        )
    jobs = results.environment.get("jobs")
    beside = f", of {jobs} cells side by side" if isinstance(jobs, int) and jobs > 1 else ""
    yield f"Times were measured in this run{beside}; they differ a little from run to run."


def _called(one: Contender) -> Iterator[str]:
    """How a teacher's calls were timed."""
    at_once = max((s.at_once for s in one.servings if s.at_once), default=None)
    if at_once is None:
        return
    untimed, timed = (
        sum(s.untimed for s in one.servings),
        sum(s.items for s in one.servings),
    )
    left = f"; of {plural(untimed, 'answer')} no time is known" if untimed else ""
    yield (
        f"{one.name}: the times of {plural(timed, 'call')}, up to {at_once} of them at once, "
        f"waiting for the server included{left}. An answer from the cache has the time of its "
        "call."
    )


def _priced(results: Results, teachers: list[Contender]) -> Iterator[str]:
    for one in teachers:
        tokens = [(s.prompt_tokens, s.completion_tokens) for s in one.servings]
        known = [(p, c) for p, c in tokens if p is not None and c is not None]
        if one.tokens_cost is not None and known:
            prompt, answer = (sum(side) / len(known) for side in zip(*known, strict=True))
            yield (
                f"{one.name}: {count(round(prompt))} tokens of prompt and {count(round(answer))} "
                "of answer a call, by the teacher's price."
            )
    if (price := results.report.hour_price) is not None:
        shown = money(price, results.report.currency)
        yield f"An hour of this machine is reckoned at {shown}, as the study says."

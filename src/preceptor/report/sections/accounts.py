"""The tables of counts: data, leakage, what was made and kept, cost and time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from preceptor.report.frame.blocks import Column, Row, Table, Value, missing, words
from preceptor.report.read.arms import Arm
from preceptor.report.read.measures import is_text
from preceptor.report.read.numbers import count, plural, share
from preceptor.report.read.results import Results

_NOT_ASKED = {
    "mix": "takes the kept rows of other arms",
    "gold": "takes the pool's true labels",
}
_TUNED = "a tuned teacher labels or answers without requests"
REASONS = {"unparseable": "not readable", "contamination": "overlaps held-out data"}


def reason_title(reason: str) -> str:
    """A reason of rejection in words."""
    return REASONS.get(reason, reason.replace("_", " "))


def number(value: float | None, show: Callable[[float], str] = count, why: str = "") -> Value:
    """A number as a field; a dash where it is not known."""
    return missing(why or "not recorded") if value is None else Value(show(value), value)


def made(results: Results) -> dict[str, Arm]:
    """The arms that hold made rows, those that mix the rows of others among them."""
    return {
        name: arm
        for name, arm in results.arms.items()
        if any(seed.wanted or seed.kept or seed.requests for seed in arm.seeds)
        and arm.operation != "repeat"
    }


def asked(results: Results) -> dict[str, Arm]:
    """The arms whose rows a teacher wrote, labelled or answered; a mix takes its from these."""
    return {
        name: arm
        for name, arm in made(results).items()
        if any(seed.requests or seed.annotated for seed in arm.seeds)
    }


def rejections_of(arm: Arm) -> Counter[str]:
    """How many answers were rejected for each reason, over all seeds."""
    total: Counter[str] = Counter()
    for seed in arm.seeds:
        total.update(seed.rejected)
    return total


def funnel_table(results: Results) -> Table | None:
    """From wanted rows to kept ones, per arm, summed over seeds; None if nothing was made."""
    arms = made(results)
    if not arms:
        return None
    reasons = list(dict.fromkeys(r for arm in arms.values() for r in rejections_of(arm)))
    return Table(
        name="made",
        caption="Made rows by arm, summed over seeds: what was asked for, rejected and kept.",
        columns=(
            Column("arm", "Arm", numeric=False),
            Column("seeds", "Seeds"),
            Column("human", "Human rows"),
            Column("wanted", "Wanted"),
            Column("requests", "Requests"),
            *(Column(f"rejected_{r}", reason_title(r), group="Rejected") for r in reasons),
            Column("kept", "Kept"),
            Column("kept_share", "Kept of answers"),
            Column("shortfall", "Short by"),
        ),
        rows=tuple(_funnel_row(name, arm, reasons) for name, arm in arms.items()),
    )


def _funnel_row(name: str, arm: Arm, reasons: list[str]) -> Row:
    rejected = rejections_of(arm)
    kept = sum(seed.kept for seed in arm.seeds)
    requests = sum(seed.requests for seed in arm.seeds)
    answers = kept + rejected.total()
    annotated = sum(seed.annotated for seed in arm.seeds)
    whole = missing(_NOT_ASKED.get(arm.operation, "no answers"))
    answered = bool((requests or annotated) and answers)
    return Row(
        (
            words(name),
            number(len(arm.seeds)),
            number(sum(seed.human for seed in arm.seeds)),
            number(sum(seed.wanted for seed in arm.seeds)),
            number(requests or None, why=_TUNED) if answered else whole,
            *(number(rejected[reason]) if answered else whole for reason in reasons),
            number(kept),
            Value(share(kept, answers), kept / answers) if answered else whole,
            number(sum(seed.shortfall for seed in arm.seeds)),
        )
    )


def shortfalls(results: Results) -> list[str]:
    """Which arms are smaller than the study asked for, in words."""
    lines = []
    for name, arm in made(results).items():
        short_by = {seed.seed: seed.shortfall for seed in arm.seeds if seed.shortfall}
        if short_by:
            each = ", ".join(f"seed {seed}: {lack}" for seed, lack in short_by.items())
            wanted = sum(seed.wanted for seed in arm.seeds)
            lines.append(
                f"{name} fell short of its {plural(wanted, 'wanted row')} by "
                f"{count(sum(short_by.values()))} ({each}){_short_labels(arm)}."
            )
    return lines


def _short_labels(arm: Arm) -> str:
    short = Counter[str]()
    for seed in arm.seeds:
        short.update({label: one.shortfall for label, one in seed.funnel.items()})
    each = [f"{label} {count(lack)}" for label, lack in short.most_common() if lack]
    return f"; by label: {', '.join(each)}" if each else ""


def smaller_arms(results: Results) -> list[str]:
    """The arms that did not get all the rows that they were to have."""
    return [n for n, arm in made(results).items() if any(seed.shortfall for seed in arm.seeds)]


def left_out_table(results: Results) -> Table | None:
    """Made rows that a student could not be trained on, by reason; None if all could be.

    Rows are those of the chosen cells, so that no row counts once for every setting tried.
    """
    counts: Counter[tuple[str, str, str]] = Counter()
    rows: Counter[tuple[str, str]] = Counter()
    for cell in results.cells:
        if cell.chosen:
            reasons = [one.reason.partition(":")[0] or "no reason" for one in cell.left_out]
            counts.update((cell.arm, cell.student, reason) for reason in reasons)
            rows[cell.arm, cell.student] += (cell.rows or 0) + len(cell.left_out)
    if not counts:
        return None
    return Table(
        name="left-out",
        caption="Made rows that were kept but not trained on, as they do not fit a student; "
        "summed over seeds.",
        columns=(
            Column("arm", "Arm", numeric=False),
            Column("student", "Student", numeric=False),
            Column("reason", "Reason", numeric=False),
            Column("count", "Left out"),
            Column("rows", "of the arm's rows"),
        ),
        rows=tuple(
            Row((*map(words, key), number(times), number(rows[key[:2]])))
            for key, times in counts.items()
        ),
        notes=("Their ids stand in result.json of each cell.",),
    )


def _sizes_table(results: Results) -> Table:
    """Examples by split, where targets are texts and no labels to count by."""
    sizes = {split: sum(part.values()) for split, part in results.data.counts.items()}
    return Table(
        name="data",
        caption=f"Examples by split{_under(results)}.",
        columns=(Column("split", "Split", numeric=False), Column("examples", "Examples")),
        rows=tuple(Row((words(split.capitalize()), number(n))) for split, n in sizes.items()),
    )


def _under(results: Results) -> str:
    """Whose splits are counted, where every seed has its own."""
    first = results.data.cross_validation and results.data.draw_seeds
    return f" under seed {first[0]}; every example is a test example in turn" if first else ""


def data_table(results: Results) -> Table | None:
    """Examples by label and split; by split alone for a task without labels."""
    counts = results.data.counts
    if not counts:
        return None
    if is_text(results):
        return _sizes_table(results)
    labels = results.task.labels or sorted({label for part in counts.values() for label in part})
    rows = [
        Row((words(label), *(number(part.get(label, 0)) for part in counts.values())))
        for label in labels
    ]
    total = Row((words("all"), *(number(sum(p.values())) for p in counts.values())), "total")
    return Table(
        name="data",
        caption=f"Examples by label and split{_under(results)}.",
        columns=(
            Column("label", "Label", numeric=False),
            *(Column(split, split.capitalize()) for split in counts),
        ),
        rows=(*rows, total),
    )


def dropped_table(results: Results) -> Table | None:
    """Rows of the input that were not used, by reason."""
    reasons = Counter(item.reason for item in results.data.dropped)
    if not reasons:
        return None
    places = {r: [d.where for d in results.data.dropped if d.reason == r] for r in reasons}
    rows = [
        Row((words(reason), number(times), words(_first(places[reason]))))
        for reason, times in reasons.most_common()
    ]
    columns = (
        Column("reason", "Reason", numeric=False),
        Column("count", "Rows"),
        Column("where", "Where", numeric=False),
    )
    return Table("dropped", "Rows of the input that were not used.", columns, tuple(rows))


def _first(places: list[str], limit: int = 3) -> str:
    more = f" and {count(len(places) - limit)} more" if len(places) > limit else ""
    return ", ".join(places[:limit]) + more


def leakage_tables(results: Results) -> list[Table]:
    """What stands in more than one split: counts, then examples by their ids."""
    leakage = results.data.leakage
    found = [row for row in leakage.rows if row.get("count")] if leakage else []
    if leakage is None or not found:
        return []
    columns = (
        Column("between", "Between", numeric=False),
        Column("kind", "Kind", numeric=False),
        Column("count", "Pairs"),
    )
    rows = tuple(
        Row((words(str(r["between"])), words(str(r["kind"])), number(r["count"]))) for r in found
    )
    tables = [Table("leakage", "Examples that stand in more than one split.", columns, rows)]
    if leakage.examples:
        tables.append(_leaked(leakage.examples, sum(int(row["count"]) for row in found)))
    return tables


def _leaked(examples: list[dict[str, object]], all_pairs: int, limit: int = 20) -> Table:
    rows = []
    for item in examples[:limit]:
        overlap = item.get("share")
        known = overlap if isinstance(overlap, int | float) else None
        rows.append(
            Row(
                (
                    words(f"{item.get('split_a', '')} {item.get('id_a', '')}".strip()),
                    words(f"{item.get('split_b', '')} {item.get('id_b', '')}".strip()),
                    words(str(item.get("kind", ""))),
                    number(known, lambda value: share(value, 1)),
                )
            )
        )
    columns = (
        Column("a", "Example", numeric=False),
        Column("b", "Also as", numeric=False),
        Column("kind", "Kind", numeric=False),
        Column("share", "Overlap"),
    )
    # The results hold the first pairs alone; the counts are of all.
    whole = len(rows) >= all_pairs
    caption = "The pairs found." if whole else f"The first {len(rows)} of {count(all_pairs)} pairs."
    return Table("leakage-examples", caption, columns, tuple(rows))

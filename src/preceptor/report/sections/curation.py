"""What curation did, arm by arm: the funnel by label and filter, notes, a person's decisions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from preceptor.report.frame.blocks import Column, Row, Table, Value, missing, words
from preceptor.report.read.arms import Arm, LabelFunnel
from preceptor.report.read.numbers import count, listed, plural, share
from preceptor.report.read.results import Results
from preceptor.report.sections.accounts import asked, number

_BEFORE = ("call", "parse", "keep", "decisions")
"""what may reject an answer before any filter sees it"""
_TITLES = {
    "call": "No whole answer",
    "parse": "Not readable",
    "keep": "Less sure than others",
    "decisions": "A person",
}
_NO_LABEL, _TEXTS = "no label read", "texts"


def filter_title(name: str) -> str:
    """A filter's name as a heading."""
    return _TITLES.get(name, name.replace("_", " ").capitalize())


def funnels(results: Results) -> Iterator[Table]:
    """For every arm that a teacher wrote: from candidates to kept rows, by label and filter."""
    for name, arm in asked(results).items():
        if any(seed.funnel for seed in arm.seeds):
            yield _funnel(name, arm, results.task.labels)


def _funnel(name: str, arm: Arm, labels: list[str]) -> Table:
    found = [(label, one) for seed in arm.seeds for label, one in seed.funnel.items()]
    met = [label for label, one in found if one.candidates or one.wanted]
    order = [label for label in dict.fromkeys([*labels, *met]) if label in met]
    rows = {label: [one for of, one in found if of == label] for label in order}
    rejecting, idle = _filters(arm, [one for _, one in found])
    nameless = _NO_LABEL if labels else _TEXTS
    balanced = any(one.wanted is not None for _, one in found)
    total = _row("all", [one for _, one in found], rejecting, balanced, "total")
    return Table(
        name="funnel",
        caption=f"{name}: from the teacher's answers to kept rows, by label, summed over seeds; "
        "filters in the order in which they judge. Every answer is kept or falls to one filter.",
        columns=(
            Column("label", "Label", numeric=False),
            Column("candidates", "Answers"),
            *(Column(f"rejected_{n}", filter_title(n), group="Rejected by") for n in rejecting),
            Column("kept", "Kept"),
            Column("kept_share", "Kept of answers"),
            *((Column("wanted", "Wanted"), Column("shortfall", "Short by")) if balanced else ()),
        ),
        rows=(
            *(_row(label or nameless, ones, rejecting, balanced) for label, ones in rows.items()),
            total,
        ),
        context=(("arm", name),),
        notes=(f"On, and rejected nothing: {listed(idle)}.",) if idle else (),
    )


def _filters(arm: Arm, found: Iterable[LabelFunnel]) -> tuple[list[str], list[str]]:
    """The filters that rejected something, in their order, and those that did not."""
    met = Counter[str]()
    for one in found:
        met.update(one.rejected)
    own = dict.fromkeys(name for seed in arm.seeds for name in seed.filters)
    order = list(dict.fromkeys([*_BEFORE, *own, *met]))
    return [n for n in order if met[n]], [n for n in own if not met[n]]


def _row(
    label: str, found: list[LabelFunnel], filters: list[str], balanced: bool, kind: str = ""
) -> Row:
    candidates, kept = (sum(getattr(o, key) for o in found) for key in ("candidates", "kept"))
    of_all = Value(share(kept, candidates), kept / candidates) if candidates else missing("none")
    wanted = [one.wanted for one in found if one.wanted is not None]
    lack = number(sum(one.shortfall for one in found))
    return Row(
        (
            words(label),
            number(candidates),
            *(number(sum(one.rejected.get(name, 0) for one in found)) for name in filters),
            number(kept),
            of_all,
            *((number(sum(wanted)) if wanted else missing("none"), lack) if balanced else ()),
        ),
        kind,
    )


def remarks(results: Results) -> list[str]:
    """What filters and a person's decisions say of every arm, in sentences."""
    return [
        line
        for name, arm in asked(results).items()
        for line in (*_structured(name, arm), *_decided(name, arm), *_notes(name, arm))
    ]


def _structured(name: str, arm: Arm) -> Iterator[str]:
    by = {seed.structured for seed in arm.seeds}
    if True in by:
        yield f"{name}: the teacher's server held it to a JSON schema."
    elif False in by:
        yield f"{name}: the teacher wrote plain text, read without a schema."


def _notes(name: str, arm: Arm) -> Iterator[str]:
    seeds: dict[tuple[str, str], list[str]] = {}
    for seed in arm.seeds:
        for by, notes in seed.notes.items():
            for note in notes:
                seeds.setdefault((by, note), []).append(str(seed.seed))
    for (by, note), of in seeds.items():
        where = "" if len(of) == len(arm.seeds) else f", seed {listed(of)}"
        yield f"{name}{where}, {filter_title(by).lower()}: {note.rstrip('.')}."


def _decided(name: str, arm: Arm) -> Iterator[str]:
    told = [seed.decisions for seed in arm.seeds]
    numbers = {
        "accepted": sum(one.accept for one in told),
        "rejected": sum(one.reject for one in told),
        "relabelled": sum(one.relabel for one in told),
    }
    if any(numbers.values()):
        each = ", ".join(f"{count(n)} {what}" for what, n in numbers.items() if n)
        rows = plural(sum(numbers.values()), "made row")
        yield f"{name}: a person decided about {rows} ({each})."
    unread = [id for one in told for id in one.unread]
    unmade = [id for one in told for id in one.unmade]
    if unread:
        yield (
            f"{name}: {plural(len(unread), 'decision')} to keep a row had no effect, as no example "
            f"could be read from the answer ({_first(unread)})."
        )
    if unmade:
        yield (
            f"{name}: {plural(len(unmade), 'decision')} had no effect, as this run did not ask for "
            f"these rows ({_first(unmade)})."
        )


def _first(ids: list[str], limit: int = 5) -> str:
    more = f" and {count(len(ids) - limit)} more" if len(ids) > limit else ""
    return ", ".join(ids[:limit]) + more

"""What must be known of texts that students wrote: how they were scored, and which did not end."""

from __future__ import annotations

from preceptor.report.frame.blocks import Column, Row, Table, words
from preceptor.report.read.groups import Group, chosen, groups
from preceptor.report.read.measures import is_written
from preceptor.report.read.numbers import metric, plural, share
from preceptor.report.read.results import Results

_SCORED = (
    "Students wrote a text for every test item, which was held against all of its references. BLEU "
    "and chrF (0 to 100) are of all texts together; ROUGE (F1, 0 to 100) and exact match are means "
    "over texts, each with the reference that it agrees with best. How they were counted stands in "
    "Settings."
)
_LENGTH = (
    "Length ratio: words written to words of the references nearest in length; neither more nor "
    "less is better."
)


def how_written(results: Results) -> list[str]:
    """How written texts were scored; nothing where none were written."""
    of = groups(results)
    if not any(is_written(results, reading) for _, reading in of):
        return []
    return [_SCORED, *_empty(results, of)]


def length_note(results: Results, of: list[Group]) -> list[str]:
    """What the length ratio is, where it is shown."""
    return [_LENGTH] if any(is_written(results, reading) for _, reading in of) else []


def _empty(results: Results, of: list[Group]) -> list[str]:
    found = {group[0]: _counted(results, group, "empty") for group in of}
    told = [f"{student} {plural(n, 'text')}" for student, (n, _) in found.items() if n]
    return [f"Left empty, and scored as such: {', '.join(told)}."] if told else []


def cut_off(results: Results, of: list[Group]) -> list[str]:
    """Students whose texts did not all end by themselves: their scores could be other ones."""
    return [
        f"{student}: {share(n, total)} of its texts were cut off at max_new_tokens, before the "
        "student ended them; a higher limit may change its scores."
        for student, reading in of
        if is_written(results, reading)
        for n, total in [_counted(results, (student, reading), "unended")]
        if n
    ]


def _counted(results: Results, group: Group, name: str) -> tuple[int, int]:
    """Test texts counted under a name, and all, over the chosen cells of a student."""
    found = [metrics for _, metrics in chosen(results, group)]
    written = found if is_written(results, group[1]) else []
    return sum(getattr(one, name) for one in written), sum(one.n for one in written)


def how_table(results: Results) -> Table | None:
    """The signatures of the scores, by which others can repeat them; None without any."""
    found = {
        (name, signature): None
        for group in groups(results)
        for _, metrics in chosen(results, group)
        for name, signature in metrics.signatures.items()
    }
    if not found:
        return None
    return Table(
        name="signatures",
        caption="How written texts were scored: sacrebleu's signatures, and the same of ROUGE.",
        columns=(
            Column("metric", "Metric", numeric=False),
            Column("signature", "Signature", numeric=False),
        ),
        rows=tuple(Row((words(_title(name)), words(text))) for name, text in found),
        notes=(
            "nrefs is the number of references of each text (var: unequal numbers; best: the one "
            "that scores highest), tok how words are told apart.",
        ),
    )


def _title(name: str) -> str:
    return "ROUGE" if name == "rouge" else metric(name).title

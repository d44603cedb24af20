"""Which figures a run's task is measured by, which one leads, and what they count."""

from __future__ import annotations

from collections.abc import Sequence

from preceptor.report.read.groups import Group, chosen
from preceptor.report.read.numbers import ALL, count, listed, metric, plural
from preceptor.report.read.results import Results
from preceptor.report.read.scores import Comparison, Score

_CHOICE, _FORESEEN, _WRITTEN = "choice", "next_token", "generation"
_USUAL = {
    _CHOICE: ("macro_f1", "accuracy"),
    _FORESEEN: ("perplexity", "next_token_accuracy"),
    _WRITTEN: ("bleu", "chrf", "rougeL"),
}
"""by the kind of task, of a text task by its reading: the figures that its study compares by, the
leading one first"""


def is_text(results: Results) -> bool:
    """Whether the task is a free answer, which has no labels."""
    return results.task.kind == "text"


def _score_by(results: Results) -> list[str]:
    return results.task.score_by or [_FORESEEN]


def is_written(results: Results, reading: str) -> bool:
    """Whether a reading is of texts that students wrote, held against references."""
    return is_text(results) and reading == _WRITTEN


def _kind(results: Results, reading: str | None) -> str:
    """What the figures hang on: the task, of a text task the reading (else its first)."""
    return (reading or _score_by(results)[0]) if is_text(results) else _CHOICE


def _usual(results: Results, reading: str | None) -> tuple[str, ...]:
    return _USUAL.get(_kind(results, reading), _USUAL[_CHOICE])


def _named(results: Results, items: Sequence[Comparison | Score], reading: str | None) -> list[str]:
    """The metrics of some scores; of a text task those of one reading."""
    kind = _kind(results, reading)
    return [item.metric for item in items if kind in (_CHOICE, item.reading)]


def headline(results: Results, reading: str | None = None) -> str:
    """The metric that the verdict speaks of: the task's own, else the first one compared.

    Args:
        results: the run.
        reading: of a text task; the first that it is scored by if not given.
    """
    items: list[Comparison | Score] = [*results.comparisons, *results.scores]
    names, first = _named(results, items, reading), _usual(results, reading)[0]
    return first if first in names or not names else names[0]


def metrics_of(results: Results, reading: str | None = None) -> list[str]:
    """The metrics that the arms are scored by, the headline's first."""
    names = _named(results, results.scores, reading) or list(_usual(results, reading))
    return list(dict.fromkeys([headline(results, reading), *names]))


def main_metrics(results: Results, reading: str | None = None) -> list[str]:
    """Those that figures are drawn of: the best known ones, and what counts over answers alone."""
    names = metrics_of(results, reading)
    if _kind(results, reading) == _WRITTEN:
        return [name for name in names if name in _USUAL[_WRITTEN]]
    return [name for name in names if metric(name).over != ALL]


def chosen_by(results: Results, student: str) -> str | None:
    """The validation figure that settings and checkpoints of a student are chosen by.

    As the study does it: a text task has log-loss, or BLEU where it is scored by what is written
    alone; a student that only writes labels has no log-loss and is chosen by accuracy.
    """
    if is_text(results):
        return "log_loss" if _FORESEEN in _score_by(results) else "bleu"
    cells = [cell for cell in results.cells if cell.student == student]
    readings = {reading for cell in cells for reading in cell.splits.get("validation", {})}
    only_writes = results.choose_by == "log_loss" and readings == {"generation"}
    return "accuracy" if only_writes else results.choose_by


def by_words(results: Results, student: str) -> str:
    """`` (by log-loss)``, or nothing where it is not known."""
    by = chosen_by(results, student)
    return f" (by {metric(by).title})" if by else ""


def tokens_of(results: Results, group: Group) -> tuple[int, int, int]:
    """How many test texts, tokens of answers and tokens in all a student was scored on."""
    found = [metrics for _, metrics in chosen(results, group)]
    return max(((m.n, m.tokens, m.tokens_all) for m in found), default=(0, 0, 0))


def _foreseen(results: Results, groups: list[Group]) -> list[Group]:
    return [group for group in groups if is_text(results) and group[1] == _FORESEEN]


def counted(results: Results, groups: list[Group]) -> list[str]:
    """Which tokens figures of foreseen texts count, in words; nothing where there are none."""
    groups = _foreseen(results, groups)
    if not groups:
        return []
    sizes = {group: tokens_of(results, group) for group in groups}
    texts, answers, whole = next(iter(sizes.values()))
    same = len(set(sizes.values())) == 1
    size = f": {count(answers)} in {plural(texts, 'test text')}" if same and answers else ""
    line = "Perplexity and next-token accuracy count the answers' tokens and one end token each"
    if not any(found[2] for found in sizes.values()):  # a seq2seq student foresees no prompt
        return [f"{line}{size}."]
    rest = f" ({count(whole)})" if same else ""
    return [
        f"{line}{size}. Over all tokens, those of the prompts count too, all but each text's "
        f"first{rest}."
    ]


def other_tokens(results: Results, groups: list[Group]) -> list[str]:
    """What must be known where students do not foresee the same tokens."""
    foreseen = _foreseen(results, groups)
    sizes = {student: tokens_of(results, (student, reading))[1] for student, reading in foreseen}
    if len(set(sizes.values())) < 2:
        return []
    each = listed([f"{student} {count(tokens)}" for student, tokens in sizes.items()])
    return [
        f"The students cut the test texts into other tokens, or cut off more of them ({each} "
        "tokens of answers): their perplexities and next-token accuracies are of other things, "
        "and differences between them say little."
    ]

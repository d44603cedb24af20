"""Which figures a run's task is measured by, which one leads, and what they count."""

from __future__ import annotations

from preceptor.report.groups import Group, chosen
from preceptor.report.numbers import ALL, count, listed, metric, plural
from preceptor.report.results import Results

_USUAL = {
    "choice": ("macro_f1", "accuracy"),
    "text": ("perplexity", "next_token_accuracy"),
}
"""by the kind of task: the figures that its study compares by, the leading one first"""


def is_text(results: Results) -> bool:
    """Whether the task is a free answer, which has no labels."""
    return results.task.kind == "text"


def _usual(results: Results) -> tuple[str, ...]:
    return _USUAL.get(results.task.kind, _USUAL["choice"])


def headline(results: Results) -> str:
    """The metric that the verdict speaks of: the task's own, else the first one compared."""
    names = [item.metric for item in results.comparisons]
    names += [item.metric for item in results.scores]
    first = _usual(results)[0]
    return first if first in names or not names else names[0]


def metrics_of(results: Results) -> list[str]:
    """The metrics that the arms are scored by, the headline's first."""
    names = [score.metric for score in results.scores] or list(_usual(results))
    return list(dict.fromkeys([headline(results), *names]))


def main_metrics(results: Results) -> list[str]:
    """Those without the ones that only count over more than the answers."""
    return [name for name in metrics_of(results) if metric(name).over != ALL]


def chosen_by(results: Results, student: str) -> str | None:
    """The validation figure that settings and checkpoints of a student are chosen by.

    As the study does it: a text task has log-loss alone, and a student that only writes labels
    has none and is chosen by accuracy.
    """
    if is_text(results):
        return "log_loss"
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


def counted(results: Results, groups: list[Group]) -> list[str]:
    """Which tokens a text task's figures count, in words; nothing for another task."""
    if not is_text(results) or not groups:
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
    sizes = {student: tokens_of(results, (student, reading))[1] for student, reading in groups}
    if not is_text(results) or len(set(sizes.values())) < 2:
        return []
    each = listed([f"{student} {count(tokens)}" for student, tokens in sizes.items()])
    return [
        f"The students cut the test texts into other tokens, or cut off more of them ({each} "
        "tokens of answers): their perplexities and next-token accuracies are of other things, "
        "and differences between them say little."
    ]

"""What the numbers show and what they cannot show, in sentences that follow from the results."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import fmean

from preceptor.report.read.groups import Group, arms_of, chosen, groups, untuned
from preceptor.report.read.measures import chosen_by, counted, headline, is_text, other_tokens
from preceptor.report.read.numbers import count, listed, metric, plural, share
from preceptor.report.read.results import Results
from preceptor.report.read.sources import CONTROLS
from preceptor.report.sections.accounts import smaller_arms
from preceptor.report.sections.tables import budget_words
from preceptor.report.sections.written import cut_off, how_written
from preceptor.report.words import folds
from preceptor.report.words.control import Beside, beside
from preceptor.report.words.verdict import compared, group_title, made_arms, named, reading_title


def shown(results: Results) -> list[str]:
    """What was measured, on how much, and what an interval means here."""
    lines = [*_measured(results), _trained(results), *_control(results)]
    if results.best:
        student = next((c.student for c in results.cells if c.id == results.best), "")
        name = chosen_by(results, student)
        by = f", by {metric(name).title}," if name else ""
        lines.append(
            f"The best cell on validation{by} is {results.best}; test scores chose nothing."
        )
    return lines


def _measured(results: Results) -> list[str]:
    items = _test_items(results)
    if not items:
        return []
    seeds = plural(len({cell.seed for cell in results.cells}), "seed")
    noun = "test text" if is_text(results) else "test item"
    line = f"Scores are over {folds.tested(results, noun) or f'{plural(items, noun)} and {seeds}'}"
    if is_text(results):
        return [f"{line}.", *_counted(results)]
    return [f"{line}; one item is {100 / items:.1f} points of accuracy."]


def _counted(results: Results) -> list[str]:
    trained = "all tokens" if results.task.loss == "all" else "the answers' tokens alone"
    weight = "Every token weighs the same, so long texts weigh more than short ones."
    lines = [f"{line} {weight}" for line in counted(results, groups(results))]
    lines += how_written(results)
    return [*lines, f"Students were trained on {trained}."]


def _test_items(results: Results) -> int:
    if results.data.cross_validation:
        return results.data.cross_validation.rows
    return max((m.n for g in groups(results) for _, m in chosen(results, g)), default=0)


def _trained(results: Results) -> str:
    line = budget_words(results)
    return f"{line[:1].upper()}{line[1:]}{_drawn(results)}."


def _drawn(results: Results) -> str:
    """What every seed was trained on, in words that follow those of the budget."""
    labelled = results.data.labelled_per_seed
    if not labelled:
        return ""
    name = "training example" if is_text(results) else "labelled example"
    if results.data.cross_validation:
        return f", each seed on {plural(labelled, name)} from outside its test fold"
    if labelled == sum(results.data.counts.get("train", {}).values()):
        return f", each seed on all {plural(labelled, name)}"
    own = "" if _shared(results) else " of its own"
    return f", each seed on {plural(labelled, name)}{own}"


def _shared(results: Results) -> int:
    """How many labelled subsets and made sets the seeds share; 0 where each has its own."""
    drawn, seeds = len(results.data.draw_seeds), {cell.seed for cell in results.cells}
    return drawn if 0 < drawn < len(seeds) else 0


def _control(results: Results) -> list[str]:
    """What beating the control means for each student, by the sizes that were trained on."""
    of = dict.fromkeys(student for student, _ in groups(results))
    said: dict[str, list[str]] = {}
    for student in of:
        group = next(group for group in groups(results) if group[0] == student)
        if words := _controlled(results, group):
            said.setdefault(words, []).append(student)
    return [*_twins(results, list(of))] + [
        words if len(students) == len(of) else f"{listed(students)}: {words[:1].lower()}{words[1:]}"
        for words, students in said.items()
    ]


def _twins(results: Results, students: list[str]) -> Iterator[str]:
    for student, twin in results.hard_twins.items():
        if student in students:
            yield (
                f"{student} differs from {twin} in learning soft labels alone. Rows that have none "
                f"are learnt by both alike, so {listed(list(CONTROLS))} of {twin} stand for its "
                "own where it was not trained on them."
            )


def _controlled(results: Results, group: Group) -> str:
    versus = compared(results, group, "repeat", headline(results, group[1]))
    sizes: dict[str, dict[Beside, list[str]]] = {}
    for arm in made_arms(results, group):
        control = versus[arm].against if arm in versus else named(results, "repeat")
        if found := beside(results, group, arm, control):
            sizes.setdefault(control, {}).setdefault(found, []).append(arm)
    return " ".join(
        f"The arm {control} repeats the human data. "
        + " ".join(_sized(control, names, found) for found, names in arms.items())
        for control, arms in sizes.items()
    )


def _sized(control: str, arms: list[str], found: Beside) -> str:
    """The sizes; made data are named as the reason only where the training was as long."""
    have = "has" if len(arms) == 1 else "have"
    known = found.rows and found.control_rows
    size = f"{found.rows} to its {found.control_rows}" if known else "a size that is not recorded"
    lead = f"{listed(arms)} {have} {'the same size' if found.same_rows else size}"
    if found.same_updates:
        other = "the larger training set" if found.same_rows else "more training"
        why = f"what beats {control} is due to the made data, not to {other}."
        return f"{lead} and as many updates: {why}"
    if found.same_updates is None:
        return f"{lead}; the number of updates is not recorded."
    return (
        f"{lead}, and {found.updates} to its {found.control_updates}: a difference may come from "
        "the length of training."
    )


def limits(results: Results) -> list[str]:
    """What this run cannot show: its size, what went wrong, and the study's own words."""
    lines = [*folds.limits(results), *_seed_limits(results), *_comparison_limits(results)]
    lines += _not_compared(results)
    lines += [line for group in groups(results) for line in _weak(results, group)]
    lines += [*other_tokens(results, groups(results)), *cut_off(results, groups(results))]
    lines += _smaller(results)
    lines += _leaks(results)
    if results.failed:
        lines.append(f"{plural(len(results.failed), 'cell')} failed and {_is(results)} missing.")
    return [*lines, *results.limits] or ["The results name no limit."]


def _smaller(results: Results) -> list[str]:
    arms = smaller_arms(results)
    held = "holds" if len(arms) == 1 else "hold"
    return (
        [f"{listed(arms)} {held} fewer made rows than wanted (see Made and kept)."] if arms else []
    )


def _is(results: Results) -> str:
    return "is" if len(results.failed) == 1 else "are"


def _seed_limits(results: Results) -> list[str]:
    bare = untuned(results)  # the same under every seed
    tuned = [group for group in groups(results) if group[0] not in bare]
    seeds = {g: len({c.seed for c, _ in chosen(results, g)}) for g in tuned}
    single = list(dict.fromkeys(student for (student, _), n in seeds.items() if n == 1))
    lines = []
    if single:
        lines.append(
            f"One seed only for {listed(single)}: an interval there covers the test items alone. "
            "How far another draw of the labelled examples, the made data or the training would "
            "move the result is not known."
        )
    if drawn := _shared(results):
        lines.append(
            f"All seeds share {plural(drawn, 'labelled subset')} and what was made from "
            f"{'it' if drawn == 1 else 'them'}: the intervals hold for "
            f"{'that set' if drawn == 1 else 'those sets'} alone."
        )
    most = max(seeds.values(), default=0)
    if 1 < most < 5:
        lines.append(
            f"{plural(most, 'seed')} are few: the intervals are wide, and an effect that is "
            "smaller than they are cannot be seen. No evidence is not evidence of no effect."
        )
    return lines


def _comparison_limits(results: Results) -> list[str]:
    pairs = [*results.comparisons, *results.method_comparisons]
    told = [pair for pair in pairs if pair.metric == headline(results)]
    if len(told) < 2:
        return []
    lead = f"{count(len(told))} comparisons are made in {metric(headline(results)).title}. Each "
    if any(pair.p_holm is not None for pair in told):
        return [
            f"{lead}interval stands for itself; verdicts and marks follow p-values that are "
            "corrected for the number of comparisons against the same kind of control (Holm, 1979)."
        ]
    return [f"{lead}interval stands for itself; none is widened for the number of them."]


def _not_compared(results: Results) -> list[str]:
    """Pairs that a study of this kind compares, and this run could not."""
    return [
        f"{one.arm} is not compared with {one.against} ({one.student}, "
        f"{reading_title(results, one.reading)}): {one.why}."
        if one.reading
        else f"{one.student} is not compared with {one.against} (trained on {one.arm}): {one.why}."
        for one in results.not_compared
    ]


def _weak(results: Results, group: Group) -> list[str]:
    """Arms that do no better than the commonest label: differences among them say little."""
    majority = [b.metrics.accuracy for b in results.baselines if b.name == "majority"]
    floor = max((value for value in majority if value is not None), default=None)
    if floor is None:
        return []
    weak = [arm for arm in arms_of(results, group) if _accuracy(results, group, arm) <= floor]
    if not weak:
        return []
    return [
        f"{group_title(results, group)}: {listed(weak)} did not beat the accuracy of always "
        f"answering the commonest label ({share(floor, 1)}); differences among these "
        "arms say little."
    ]


def _accuracy(results: Results, group: Group, arm: str) -> float:
    known = [m.accuracy for _, m in chosen(results, group, arm) if m.accuracy is not None]
    return fmean(known) if known else float("inf")


def _leaks(results: Results) -> list[str]:
    leakage = results.data.leakage
    found = sum(int(row.get("count") or 0) for row in leakage.rows) if leakage else 0
    if not found:
        return []
    stand = "stands" if found == 1 else "stand"
    return [f"{plural(found, 'pair')} of examples {stand} in two splits (see Data and leakage)."]


def data_notes(results: Results) -> list[str]:
    """The reader's notes, and what was dropped or cut."""
    data = results.data
    source = f" from {listed(data.files)}" if data.files else ""
    lines = [*([f"Read by {data.reader}{source}."] if data.reader else []), *data.notes]
    if data.labelled_per_seed:
        name = "training example" if is_text(results) else "labelled example"
        lines.append(f"{plural(data.labelled_per_seed, name)} for each seed.")
    if data.dropped:
        lines.append(f"{plural(len(data.dropped), 'row')} of the input not used.")
    return lines + _cut(results)


def _cut(results: Results) -> list[str]:
    """Inputs that were cut to fit a student: the most that any of its cells met."""
    most: dict[tuple[str, str], int] = {}
    for cell in results.cells:
        for where, number in cell.cut.items():
            key = (cell.student, where)
            most[key] = max(most.get(key, 0), number)
    return [
        f"{plural(number, 'input')} of {where} cut to fit {student}."
        for (student, where), number in most.items()
        if number
    ]

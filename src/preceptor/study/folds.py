"""What a study with cross-validation must be like."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from preceptor.data.dividing import CrossValidation
from preceptor.study.spec import Study


def cross_validation(study: Study) -> CrossValidation | None:
    """How the study's data are divided anew for every seed; None where one test split is."""
    split = getattr(study.data, "split", None)
    return split if isinstance(split, CrossValidation) else None


def fold_problems(study: Study) -> Iterator[str]:
    """What keeps every example from being a test example once, and from that alone."""
    split = cross_validation(study)
    if split is None:
        return
    yield from _whole("seeds", study.seeds, split.folds)
    for name, student in study.students.items():
        if student.seeds is not None:
            yield from _whole(f"students.{name}.seeds", study.seeds[: student.seeds], split.folds)
    if study.teacher_seeds is not None:
        yield (
            "teacher_seeds: not with data.split.by: cross_validation, where the training examples"
            " of one fold are the test examples of another: a set made once would be made from"
            " what it is tested on; leave it out"
        )
    if study.data.test.limit is not None or study.data.test.per_label is not None:
        yield "data.test: cross-validation tests every example; leave its limit out"


def _whole(where: str, seeds: Sequence[int], folds: int) -> Iterator[str]:
    """Seeds must come as whole rounds: r * folds up to r * folds + folds - 1."""
    rounds = [sorted(seeds[start : start + folds]) for start in range(0, len(seeds), folds)]
    firsts = [one[0] // folds * folds for one in rounds]
    if rounds == [list(range(first, first + folds)) for first in firsts]:
        return
    found = ", ".join(map(str, seeds[:10])) + (", ..." if len(seeds) > 10 else "")
    yield (
        f"{where}: {len(seeds)} ({found}) do not test every example once: seed s tests on fold s"
        f" mod {folds} (data.split.folds); set it to {folds}, or to a multiple of {folds} for"
        " several divisions into folds"
    )

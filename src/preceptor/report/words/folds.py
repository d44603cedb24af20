"""What must be said of a study that was tested on every fold in turn."""

from __future__ import annotations

from preceptor.report.read.numbers import count, plural
from preceptor.report.read.results import Results


def tested(results: Results, noun: str) -> str:
    """How much was tested on, as ``all 1,000 test items, each once, in 5 folds``.

    Args:
        results: the run.
        noun: what one of them is (test item, test text).

    Returns:
        The words; empty where all seeds share one test split.
    """
    folds = results.data.cross_validation
    if folds is None:
        return ""
    done = len({cell.seed for cell in results.cells}) / folds.folds
    times = "once" if done == 1 else f"{count(done)} times, every time in other folds"
    if not float(done).is_integer():
        return f"{count(folds.rows)} {noun}s in {folds.folds} folds, not all of which are done yet"
    return f"all {plural(folds.rows, noun)}, each {times}, in {folds.folds} folds"


def limits(results: Results) -> list[str]:
    """What cross-validation cannot show."""
    folds = results.data.cross_validation
    if folds is None:
        return []
    return [
        f"Cross-validation in {folds.folds} folds: each seed tests on a fold of its own and learns"
        " from the others, so training sets overlap and seeds are not independent. The intervals"
        " are corrected for that (Nadeau and Bengio, 2003), which is an approximation.",
        "Every seed has a validation split of its own too, so the best cell on validation may owe"
        " its place to an easy one.",
    ]

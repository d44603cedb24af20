"""Whether a run still says what it said: its data, parts, scores and tables, and one cell anew."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from preceptor.data.example import Example, read_examples
from preceptor.data.problems import listed
from preceptor.errors import PreceptorError
from preceptor.report.read.results import load
from preceptor.store.tables import read_rows
from preceptor.study.again import made_again
from preceptor.study.differences import differences
from preceptor.study.file import load_study
from preceptor.study.measures import MEASURES
from preceptor.study.plan import Plan
from preceptor.study.results import collect
from preceptor.study.run import told_changes

if TYPE_CHECKING:
    from rich.table import Table

_TABLES = ("scores", "comparisons", "method_comparisons", "teacher_comparisons", "best")
"""what of results.json is reckoned from predictions of several cells"""
_WORDS = {True: "same", False: "DIFFERS", None: "not checked"}
_NAMED = 5


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked of a verification.

    Attributes:
        cell: the id of the cell that is made again; None for the quickest.
        rerun: whether one is made again.
        base: the folder that the study's paths start from; None for where the run's was.
    """

    cell: str | None = None
    rerun: bool = True
    base: Path | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """One check.

    Attributes:
        check: what was looked at.
        same: whether it is as the run said; None where it could not be looked at.
        told: in words.
    """

    check: str
    same: bool | None
    told: str


def verify(run: Path, wanted: Wanted, say: Callable[[str], None]) -> list[Finding]:
    """Hold a run's results against its data, its predictions, and one cell made again.

    Nothing in the run folder is changed.

    Args:
        run: the run folder.
        wanted: what is asked.
        say: where progress is told, a line at a time.

    Raises:
        DataError: there are no results, or they are damaged.
        SpecError: the run's study cannot be read.
        PreceptorError: it is not known what the study's paths start from, or there is no such
            cell.
    """
    load(run)
    results = json.loads((run / "results.json").read_text("utf-8"))
    plan = _opened(run, results, wanted.base)
    found = [_told_data(plan)]
    found.append(_told_parts(plan) if found[0].same else _skipped("parts", "the data differ"))
    found.append(_told_scores(run, results, plan))
    whole = found[1].same and found[2].same
    found.append(
        _told_tables(results, plan) if whole else _skipped("tables", "what they rest on differs")
    )
    if wanted.rerun:
        same, told = made_again(plan, wanted.cell, say)
        found.append(Finding("a cell made again", same, told))
    return found


def _opened(run: Path, results: Mapping[str, Any], base: Path | None) -> Plan:
    """The study as it was run."""
    fix = "--base with the folder that the study's file lay in: its paths start from there"
    if base is None and "base" not in results:
        what = "this run does not say what its study's paths start from"
        raise PreceptorError(what, where=str(run), fix=fix)
    folder = (base or run / results["base"]).resolve()
    if not folder.is_dir():
        what = "the folder that the study's paths start from is not there"
        raise PreceptorError(what, where=str(folder), fix=fix)
    file = run / "study.yaml"
    return Plan(load_study(file), folder, run, results.get("command") or "", file)


def _skipped(check: str, why: str) -> Finding:
    return Finding(check, None, why)


def _told_data(plan: Plan) -> Finding:
    """Whether the data are those that the run read."""
    try:
        changes = plan.data_part.differences()
    except PreceptorError as error:
        return Finding("data", False, f"cannot be read any more: {error}")
    files = [one.partition(": ")[0][6:] for one in changes if one.startswith("files.")]
    if files:
        return Finding("data", False, f"changed since the run: {listed(files)}")
    if changes:
        return Finding("data", False, told_changes({"data": changes}).strip())
    if not plan.data_part.exists():
        return _skipped("data", "the run has not read its data yet")
    names = listed([path.name for path in plan.splits.files])
    return Finding("data", True, names or "the data set of the hub")


def _told_parts(plan: Plan) -> Finding:
    """Whether what lies in the run folder was made from the study, data and weights at hand."""
    try:
        parts = plan.parts()
        stale = {name: found for name, part in parts.items() if (found := part.differences())}
        absent = [name for name, part in parts.items() if name not in stale and not part.exists()]
    except PreceptorError as error:
        return Finding("parts", False, f"cannot be looked up: {error}")
    lack = f"; not there (yet): {listed(absent)}" if absent else ""
    if stale:
        told = f"{len(stale)} of {len(parts)} were made from something else: {told_changes(stale)}"
        return Finding("parts", False, told + lack)
    return Finding("parts", True, f"{len(parts) - len(absent)} of {len(parts)} fit the study{lack}")


def _told_scores(run: Path, results: Mapping[str, Any], plan: Plan) -> Finding:
    """Whether predictions give the metrics that the results say, cell by cell."""
    examples: dict[str, Example] = {}
    wrong: list[str] = []
    cells = results.get("cells", [])
    for cell in cells:
        try:
            examples = examples or _examples(run)
            wrong += [f"{cell['id']}: {one}" for one in _rescored(run, cell, plan, examples)]
        except (OSError, ValueError, LookupError, TypeError, PreceptorError) as error:
            wrong.append(f"{cell['id']}: cannot be scored: {type(error).__name__}: {error}")
    if wrong:
        return Finding("scores", False, _some(wrong))
    count = sum(len(readings) for cell in cells for readings in cell["splits"].values())
    told = f"{len(cells)} cells, {count} splits and readings reckoned again"
    return Finding("scores", True, told) if count else _skipped("scores", "no cell is scored yet")


def _examples(run: Path) -> dict[str, Example]:
    return {one.id: one for one in read_examples(run / "data" / "examples.parquet")}


def _rescored(
    run: Path, cell: Mapping[str, Any], plan: Plan, examples: Mapping[str, Example]
) -> Iterator[str]:
    """What differs between a cell's predictions and what is told of them in two places."""
    folder = run / cell["path"]
    rows: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in read_rows(folder / "predictions.parquet"):
        rows.setdefault((row["split"], row["reading"]), []).append(row)
    task = plan.study.task
    found: dict[str, dict[str, Any]] = {split: {} for split, _ in rows}
    for (split, reading), its in rows.items():
        found[split][reading] = MEASURES[task.kind].rescored(its, examples, task.labels)
    record = json.loads((folder / "result.json").read_text("utf-8"))
    for name, told in (("results.json", cell["splits"]), ("result.json", record["splits"])):
        yield from (f"{name}: {one}" for one in differences(told, found))


def _told_tables(results: Mapping[str, Any], plan: Plan) -> Finding:
    """Whether the same predictions give the same means, intervals and comparisons."""
    now = collect(plan, results.get("failed", []), results.get("finished", True))
    names = [name for name in _TABLES if name in results and name in now]
    wrong = list(
        differences({name: results[name] for name in names}, {name: now[name] for name in names})
    )
    if wrong:
        return Finding("tables", False, _some(wrong))
    lists = {name: results[name] for name in names if isinstance(results[name], list)}
    counts = [f"{len(rows)} {name.replace('_', ' ')}" for name, rows in lists.items() if rows]
    return Finding("tables", True, listed(counts) or "nothing is reckoned yet")


def _some(lines: Sequence[str]) -> str:
    more = [f"and {len(lines) - _NAMED} more"] if len(lines) > _NAMED else []
    return "\n".join([*lines[:_NAMED], *more])


def table(found: Sequence[Finding]) -> Table:
    """The findings for the terminal."""
    from rich.table import Table
    from rich.text import Text

    shown = Table("Check", "Result", "")
    for one in found:
        style = {True: "green", False: "bold red", None: "dim"}[one.same]
        shown.add_row(one.check, Text(_WORDS[one.same], style), Text(one.told))
    return shown


def as_json(found: Sequence[Finding]) -> str:
    """The findings as one JSON object; ``same`` is false where anything differs."""
    same = all(one.same is not False for one in found)
    return json.dumps({"same": same, "findings": [asdict(one) for one in found]}, indent=2)

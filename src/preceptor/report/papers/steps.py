"""Kaddour and Liu's figure 1: the three steps of a run with a tuned teacher, in numbers."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import fmean

from preceptor.report.frame.blocks import Column, Row, Table, missing, words
from preceptor.report.papers.exhibit import Exhibit
from preceptor.report.read.groups import arms_of, groups
from preceptor.report.read.numbers import count, listed, plural, share
from preceptor.report.read.results import Results, Teacher

_PAPER = (
    ("1. Fine-tune a large language model", "GPT-NeoX-20B, on as few as 125 examples (5 %)"),
    ("2a. Annotate unlabelled instances", "by the tuned teacher"),
    ("2b. Generate entirely new ones", "by the tuned teacher"),
    ("3. Train a small downstream model", "RoBERTa-Large or BART-Large, on human and made rows"),
)


def steps_table(results: Results, exhibit: Exhibit) -> Table:
    """The paper's steps, and what the run did in each."""
    did = (
        _tuned(results),
        _made(results, "annotate", "annotated"),
        _made(results, "create", "created"),
        _students(results),
    )
    rows = [
        Row((words(step), words(paper), words(said) if said else missing("not in this run")))
        for (step, paper), said in zip(_PAPER, did, strict=True)
    ]
    return Table(
        name=exhibit.name.replace(".", "-"),
        caption=f"{exhibit.title} ({exhibit.source}), and the run {results.study}.",
        columns=(
            *(Column(f"head_{n}", title, numeric=False) for n, title in enumerate(exhibit.heads)),
            Column("run", "In this run", numeric=False),
        ),
        rows=tuple(rows),
    )


def _tuned(results: Results) -> str:
    return "; ".join(_teacher(one) for one in results.teachers if one.tunings)


def _teacher(teacher: Teacher) -> str:
    first = teacher.tunings[0]
    right = [one.calibration.accuracy for one in teacher.tunings]
    known = [value for value in right if value is not None]
    told = f", {share(fmean(known), 1)} right on validation" if known else ""
    weights = teacher.identity.get("weights") or teacher.engine
    return f"{teacher.name} ({weights}) on {plural(first.rows, 'human row')}{told}"


def _made(results: Results, operation: str, done: str) -> str:
    told = []
    for name, arm in results.arms.items():
        if arm.operation == operation and arm.seeds:
            kept = fmean(seed.kept for seed in arm.seeds)
            told.append(f"{name}: {count(round(kept, 1))} rows {done} and kept a seed")
    return "; ".join(told)


def _students(results: Results) -> str:
    told = list(_trained(results))
    return "; ".join(dict.fromkeys(told))


def _trained(results: Results) -> Iterator[str]:
    for group in groups(results):
        cells = [cell for cell in results.cells if cell.student == group[0]]
        weights = next((cell.weights.ref for cell in cells if cell.weights), "weights not told")
        yield f"{group[0]} ({weights}) on {listed(arms_of(results, group))}"

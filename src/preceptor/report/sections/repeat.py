"""The section that says what it takes to repeat the run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from preceptor.report.frame.blocks import (
    Block,
    Bullets,
    Code,
    Column,
    Fold,
    Prose,
    Row,
    Table,
    words,
)
from preceptor.report.read.condition import DataFile, data_files
from preceptor.report.read.numbers import listed, plural
from preceptor.report.read.results import Results
from preceptor.report.sections.cost import environment_table

STUDY = "study.yaml"
_ASIDE = ("python", "platform", "processor", "device")
"""what of an environment is told in words and no package"""


def blocks(run: Path, results: Results) -> Iterator[Block | None]:
    """Command, study, data, versions, machine, precision, processes and teachers."""
    command = results.command or f"preceptor run {STUDY} --out {run.name}"
    yield Prose(
        (
            "With the study file below, which holds every change made on the command line, the "
            "data files and the versions of the tables, this command repeats the run:",
        )
    )
    yield Code(command, "Command")
    yield Bullets(tuple(_told(results)))
    yield _study(run)
    yield _files_table(data_files(run, results))
    yield environment_table(results)
    yield from _pins(results.environment)
    for teacher in results.teachers:
        identity = json.dumps(teacher.identity, indent=2, ensure_ascii=False)
        yield Fold(f"The teacher {teacher.name}", (Code(identity, f"Identity of {teacher.name}"),))


def _study(run: Path) -> Block:
    path = run / STUDY
    if not path.is_file():
        return Prose((f"The run folder holds no {STUDY}.",))
    text = path.read_text("utf-8", errors="replace")
    title = f"The study file, {plural(len(text.splitlines()), 'line')}"
    return Fold(title, (Code(text, STUDY),))


def _told(results: Results) -> Iterator[str]:
    """What versions do not say: seeds, precision, processes, and where answers come from."""
    seeds = sorted({cell.seed for cell in results.cells})
    if seeds:
        yield f"Seeds: {', '.join(map(str, seeds))}."
    precisions = sorted({cell.precision for cell in results.cells if cell.precision})
    if precisions:
        yield f"Students were trained in {listed(precisions)}."
    shared = max((cell.processes or 1 for cell in results.cells), default=1)
    if shared > 1:
        yield f"{shared} processes shared every update."
    yield from _elsewhere(results)
    if results.teachers:
        yield (
            "The teachers' answers are taken from the cache where they stand in it; without it a "
            "teacher is asked anew, and what it writes may differ."
        )
    if results.cells:
        yield (
            "On this machine, with as many threads and the same precision, predictions are the "
            "same byte for byte; on another processor sums are rounded otherwise."
        )


def _elsewhere(results: Results) -> Iterator[str]:
    """Cells that were not made where the results were put together."""
    for name, here in results.environment.items():
        others: dict[str, list[str]] = {}
        for cell in results.cells:
            there = cell.environment.get(name, here)
            if there != here:
                others.setdefault(str(there), []).append(cell.id)
        for there, cells in others.items():
            some = ", ".join(cells[:3]) + (" and others" if len(cells) > 3 else "")
            yield (
                f"{plural(len(cells), 'cell')} ({some}) came about with {name} {there}, not "
                f"{here}: the table below is that of the results."
            )


def _files_table(files: list[DataFile]) -> Table | None:
    if not files:
        return None
    return Table(
        name="data-files",
        caption="The data files that the run read, with the SHA-256 of their bytes.",
        columns=(
            Column("file", "File", numeric=False),
            Column("sha256", "SHA-256", numeric=False),
        ),
        rows=tuple(Row((words(one.name), words(one.sha256))) for one in files),
    )


def _pins(environment: dict[str, Any]) -> Iterator[Block]:
    """The packages as pip takes them."""
    packages = {
        name: value
        for name, value in environment.items()
        if name not in _ASIDE and isinstance(value, str) and value[:1].isdigit()
    }
    if packages:
        pins = "\n".join(f"{name}=={version}" for name, version in packages.items())
        yield Fold("The packages as constraints for pip", (Code(pins, "Constraints"),))

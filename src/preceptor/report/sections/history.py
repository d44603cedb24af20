"""A cell's training history, as the run folder has it."""

from __future__ import annotations

import json
import math
from pathlib import Path

from preceptor.report.read.cell import Cell
from preceptor.report.sections.curves import Curve

_CURVE_POINTS = 300  # more than a figure of this width can show


def read_curve(run: Path, cell: Cell, problems: list[str]) -> Curve | None:
    """A cell's losses by update; None where it has none.

    Args:
        run: the run's folder.
        cell: whose history.
        problems: told here in words, where the history is damaged or holds no numbers.
    """
    path = run / (cell.path or f"cells/{cell.id}") / "history.json"
    if not path.is_file():
        return None
    try:
        steps = json.loads(path.read_text("utf-8"))
        points = [(float(s["update"]), float(s["loss"])) for s in steps if s["loss"] is not None]
    except (OSError, ValueError, KeyError, TypeError) as error:
        problems.append(f"The training history of {cell.id} cannot be read: {error!r}")
        return None
    finite = [(x, y) for x, y in points if math.isfinite(y)]
    if len(finite) < len(points):
        problems.append(f"{cell.id}: the loss was not a number at some updates.")
    shown = finite[:: math.ceil(len(finite) / _CURVE_POINTS)] if finite else []
    return Curve(cell, [x for x, _ in shown], [y for _, y in shown]) if shown else None

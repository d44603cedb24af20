"""Runs laid out as the papers' tables and figures, with the papers' own numbers beside."""

from __future__ import annotations

from preceptor.data.problems import did_you_mean
from preceptor.errors import PreceptorError
from preceptor.report.papers import drllama, teachers, unfreezing
from preceptor.report.papers.exhibit import Exhibit

EXHIBITS: dict[str, Exhibit] = {
    one.name: one for paper in (drllama, unfreezing, teachers) for one in paper.EXHIBITS
}
"""every table and figure that the texts of the three papers contain, by its name"""

ABSENT = {
    f"teachers.{part}": "the text at hand, a summary, does not hold it: not even its caption"
    for part in ("table1", "figure4", "figure7")
}
"""what the papers have beside, and why it is not here"""


def exhibit(name: str) -> Exhibit:
    """The table or figure of a name (``drllama.table3``).

    Raises:
        PreceptorError: there is none of that name.
    """
    if name in EXHIBITS:
        return EXHIBITS[name]
    if name in ABSENT:
        raise PreceptorError(f"{name} is in the paper, and {ABSENT[name]}")
    raise PreceptorError(
        "no table or figure has this name",
        found=name,
        expected=", ".join(EXHIBITS),
        fix=did_you_mean(name, list(EXHIBITS)) or "preceptor report --paper list",
    )

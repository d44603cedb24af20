"""What a teacher's answer becomes: an example that was kept, or a rejection with its reason."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from preceptor.data.example import COLUMNS, Example, to_row
from preceptor.store.tables import write_rows


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why a candidate is not used.

    Attributes:
        reason: a word or two; counted in the report.
        detail: what was found (the overlapping words, the unknown label).
        figures: what was measured, by name (a share, a similarity).
        filter: the filter that rejected it; "call" where the teacher gave no whole answer,
            "parse" where no example could be read from it.
    """

    reason: str
    detail: str = ""
    figures: Mapping[str, float] = field(default_factory=dict)
    filter: str = "parse"


@dataclass(frozen=True, slots=True)
class Candidate:
    """One answer of a teacher on its way into an arm.

    Attributes:
        example: what was read from the answer; where nothing could be read, an example
            with empty inputs that names its parents alone.
        raw: the teacher's text as it came; for a failed call, the failure's words.
        rejection: why it is not used; None while it is kept.
        decision: what a person decided about it (accept, reject, relabel); empty where nobody did.
        figures: what filters measured that let it pass, by name (a judge's score).
    """

    example: Example
    raw: str
    rejection: Rejection | None = None
    decision: str = ""
    figures: Mapping[str, float] = field(default_factory=dict)

    def reject(self, rejection: Rejection) -> Candidate:
        """The same candidate, rejected."""
        return replace(self, rejection=rejection)


VERDICT_COLUMNS = (
    *(*COLUMNS, "verdict", "filter", "reason"),
    *("detail", "figures", "raw", "decision"),
)


def write_candidates(path: Path, candidates: Iterable[Candidate]) -> None:
    """Write candidates as Parquet: the example's columns, then :data:`VERDICT_COLUMNS`."""
    write_rows(path, [_row(candidate) for candidate in candidates], VERDICT_COLUMNS)


def _row(candidate: Candidate) -> dict[str, Any]:
    rejection = candidate.rejection
    figures = {**candidate.figures, **(rejection.figures if rejection else {})}
    return {
        **to_row(candidate.example),
        "verdict": "rejected" if rejection else "kept",
        "filter": rejection.filter if rejection else "",
        "reason": rejection.reason if rejection else "",
        "detail": rejection.detail if rejection else "",
        "figures": json.dumps(figures),
        "raw": candidate.raw,
        "decision": candidate.decision,
    }

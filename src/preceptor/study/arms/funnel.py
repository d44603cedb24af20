"""What became of an arm's candidates: for every label, how many came, fell to what, and stayed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from preceptor.curate import FILTERS
from preceptor.curate.decisions import PERSON, Decision
from preceptor.curate.judge import agreement
from preceptor.data.candidate import Candidate
from preceptor.data.sampling import label_of

ORDER = ("call", "parse", PERSON, *FILTERS)
"""in which a candidate meets what may reject it"""


def funnel(
    candidates: Sequence[Candidate], quotas: Mapping[str, int] | None, labels: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """Candidates, rejected by filter, kept; by label, "" for answers of which none could be read.

    Where targets are texts there are no labels, and all stand under "".

    Args:
        candidates: all of one arm and seed. ``candidates`` of a label are always its ``kept`` and
            what is ``rejected`` of it.
        quotas: rows wanted of each label; None where labels are not balanced.
        labels: the task's labels, in the order in which they are told.
    """
    of: dict[str, list[Candidate]] = {label: [] for label in labels}
    for candidate in candidates:
        label = label_of(candidate.example) if labels else ""
        of.setdefault(label, []).append(candidate)
    return {label: _counted(ones) | _wanted(ones, quotas, label) for label, ones in of.items()}


def _counted(candidates: Sequence[Candidate]) -> dict[str, Any]:
    rejected = Counter(one.rejection.filter for one in candidates if one.rejection)
    return {
        "candidates": len(candidates),
        "rejected": {name: rejected[name] for name in in_order(rejected)},
        "kept": _kept(candidates),
    }


def _wanted(
    candidates: Sequence[Candidate], quotas: Mapping[str, int] | None, label: str
) -> dict[str, int]:
    if quotas is None:
        return {}
    wanted = quotas.get(label, 0)
    return {"wanted": wanted, "shortfall": max(0, wanted - _kept(candidates))}


def _kept(candidates: Iterable[Candidate]) -> int:
    return sum(one.rejection is None for one in candidates)


def in_order(filters: Iterable[str]) -> list[str]:
    """Names of filters in the order in which they judge; names from elsewhere last."""
    known = list(ORDER)
    return sorted(
        dict.fromkeys(filters), key=lambda name: known.index(name) if name in known else len(known)
    )


def reasons(candidates: Iterable[Candidate]) -> dict[str, int]:
    """How many were rejected for which reason: by filter in their order, the commonest first."""
    counts = Counter(
        (one.rejection.filter, one.rejection.reason) for one in candidates if one.rejection
    )
    found: Counter[str] = Counter()
    for name in in_order(by for by, _ in counts):
        for (by, reason), number in counts.most_common():
            if by == name:
                found[reason] += number
    return dict(found)


def decisions_told(
    candidates: Sequence[Candidate], decisions: Mapping[str, Decision]
) -> dict[str, int | list[str]]:
    """How many decisions of each kind held, and the ids of those that changed nothing.

    ``unread``: accepted or relabelled, but no example could be read from the answer. ``unmade``:
    ids that no call was made for.
    """
    met = [one for one in candidates if one.decision]
    unread = [one.example.id for one in met if one.rejection and one.decision != "reject"]
    made = {one.example.id for one in met}
    return {
        **Counter(one.decision for one in met if one.example.id not in unread),
        "unread": unread,
        "unmade": [id for id in decisions if id not in made],
    }


def judged_beside(candidates: Iterable[Candidate], at_least: float) -> list[str]:
    """How far the quality judge agrees with a person, in words; nothing where no row has both."""
    of = list(candidates)
    decisions = {one.example.id: one.decision for one in of if one.decision in ("accept", "reject")}
    scores = {one.example.id: one.figures["score"] for one in of if "score" in one.figures}
    found = agreement(decisions, scores, at_least)
    if found.share is None:
        return []
    kappa = "" if found.kappa is None else f", kappa {found.kappa:.2f}"
    same = round(found.share * found.n)
    return [f"agrees with a person on {same} of {found.n} decided rows{kappa}"]

"""Dialogue acts of Schema-Guided Dialogue (Rastogi et al., 2020), and how they are written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pydantic import Field

from preceptor.data.grouped import Item, Text
from preceptor.data.problems import Problems, did_you_mean, listed, short

ACTS: Mapping[str, bool] = {
    "INFORM": True,
    "REQUEST": True,
    "CONFIRM": True,
    "OFFER": True,
    "INFORM_COUNT": True,
    "OFFER_INTENT": True,
    "NOTIFY_SUCCESS": False,
    "NOTIFY_FAILURE": False,
    "REQ_MORE": False,
    "GOODBYE": False,
}
"""the acts of a system, and whether each needs a slot (the data set's README)"""


class Act(Item):
    """One act: what the system does, with which slot, with which values."""

    act: Text
    slot: str = ""
    values: list[str] = Field([])


def linearised(acts: Iterable[Act]) -> str:
    """Acts as one line: ``act( slot = value )``, with ``, `` between acts.

    The act is in lower case. Several values of a slot have `` | `` between them; a slot without
    a value stands alone, ``request( date )``, and so does an act without a slot,
    ``notify_success``. Order and spelling are those of the data (``values``, not
    ``canonical_values``), nothing is escaped.
    """
    return ", ".join(_written(act) for act in acts)


def _written(act: Act) -> str:
    values = " | ".join(act.values)
    inner = " = ".join(part for part in (act.slot, values) if part)
    return f"{act.act.lower()}( {inner} )" if inner else act.act.lower()


def check_acts(acts: Iterable[Act], place: str, problems: Problems) -> bool:
    """Whether all acts are a system's, with a slot where they need one; adds what is wrong.

    Args:
        acts: the acts of one turn.
        place: the turn.
        problems: what is wrong.
    """
    is_sound = True
    for act in acts:
        if act.act not in ACTS:
            is_sound = False
            problems.add(
                "an act that is none of a system's",
                where=place,
                found=short(act.act),
                expected=f"one of: {listed(ACTS)}",
                fix=did_you_mean(act.act, ACTS),
            )
        elif ACTS[act.act] and not act.slot:
            is_sound = False
            problems.add(
                "an act without its slot",
                where=place,
                found=f"{act.act} with the values {short(act.values)}",
                expected="the slot that it is about",
                fix="name the slot, or delete the act",
            )
    return is_sound

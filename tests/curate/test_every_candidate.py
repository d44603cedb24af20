"""Whatever comes, every candidate is kept or rejected by one filter, and the counts add up."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from pathlib import Path
from typing import Any, get_args

import pytest

from curate.material import material
from curate.teacher import teacher_who
from preceptor.curate import FILTERS, CurationSettings, curate, filters
from preceptor.curate.decisions import CHOICES, PERSON, Decision
from preceptor.data.candidate import Candidate, Rejection
from preceptor.data.example import Example, Origin
from preceptor.llm.chat import FailureCause, Teacher
from preceptor.store.fingerprint import fingerprint
from preceptor.study.arms.funnel import ORDER, decisions_told, funnel, reasons

LABELS = ("refill", "billing", "visit")
SUBJECTS = ["my tablets", "the bill for the scan", "my visit on Friday", "the cream", "an invoice"]
VERBS = [
    "ran out",
    "never came",
    "is not right",
    "must be moved",
    "cost 40 dollars",
    "made me dizzy",
]
ENDS = ["since last week", "again", "and nobody answers the phone", "before my trip", "please help"]
ODD = [
    "Sure! Here is another message: my tablets ran out.",
    "as I said as I said as I said as I said as I said as I said as I said",
    "Meine Tabletten sind seit letzter Woche alle, bitte helfen Sie mir weiter.",
    "👍",
    "?!",
    "word " * 400,
]
HUMAN = [
    Example(f"h{n}", {"text": f"{subject} {verb} {end}."}, LABELS[n % 3])
    for n, (subject, verb, end) in enumerate(itertools.product(SUBJECTS, VERBS[:3], ENDS[:2]))
]
HELD_OUT = [
    Example(f"t{n}", {"text": f"{subject} {verb} {end}"}, None)
    for n, (subject, verb, end) in enumerate(itertools.product(SUBJECTS, VERBS[3:], ENDS[2:3]))
]


def settings(chance: random.Random) -> CurationSettings:
    """Each filter on as it comes, or off; at least one in four off."""
    given: dict[str, Any] = {name: {} for name in FILTERS} | {"slots": False}  # these are labels
    given["labels"] = {"by": chance.choice(["teacher", "student"])}
    given["balance"] = {"to": chance.choice(["human", "even", {"refill": 2, "visit": 1}])}
    off = chance.sample(list(FILTERS), chance.randrange(len(FILTERS) // 4 + 1))
    return CurationSettings.model_validate({**given, **dict.fromkeys(off, False)})


SAID = (*LABELS, "5", "1", '{"score": 4}', "I do not know", "")


def says(prompt: str) -> str:
    """A teacher whose answers make no sense, the same to the same prompt; one in eight is empty."""
    return SAID[int(fingerprint(prompt), 16) % len(SAID)]


def candidate(chance: random.Random, number: int, operation: str) -> Candidate:
    id = f"{operation}-0-{number:05d}"
    parent = chance.choice(HUMAN)
    origin = Origin("t", operation, (parent.id,))
    label = str(parent.target) if operation == "rewrite" else chance.choice(LABELS)
    if chance.random() < 0.1:
        cause = chance.choice([*get_args(FailureCause), "unparseable"])
        by = "parse" if cause == "unparseable" else "call"
        unread = Example(id, {}, chance.choice([label, None]), origin=origin)
        return Candidate(unread, "?", Rejection(cause, filter=by))
    texts = [
        f"{chance.choice(SUBJECTS)} {chance.choice(VERBS)} {chance.choice(ENDS)}",
        f"{chance.choice(SUBJECTS)} {chance.choice(VERBS)}, {chance.choice(ENDS)}: {number}",
        parent.inputs["text"],
        chance.choice(ODD),
        chance.choice(HELD_OUT).inputs["text"],
    ]
    text = chance.choices(texts, weights=[5, 5, 1, 1, 1])[0]
    return Candidate(Example(id, {"text": text}, label, origin=origin), text)


@pytest.mark.parametrize("seed", range(12))
def test_every_candidate_is_kept_or_rejected_once_and_the_counts_add_up(
    seed: int, tmp_path: Path
) -> None:
    with teacher_who(says, tmp_path) as (teacher, _):
        check(random.Random(seed), teacher)


def check(chance: random.Random, teacher: Teacher) -> None:
    operation = chance.choice(["rewrite", "create"])
    chosen_settings = settings(chance)
    about = material(
        HUMAN,
        HELD_OUT,
        labels=LABELS,
        operation=operation,
        wanted=chance.randrange(1, 60),
        ask=teacher.ask,
    )
    chosen = filters(chosen_settings, about)
    numbers = itertools.count(1)
    decisions = {
        f"{operation}-0-{number:05d}": Decision(chance.choice(CHOICES), chance.choice(LABELS))
        for number in chance.sample(range(1, 120), 8)
    }
    decisions = {
        id: Decision(one.choice, one.label if one.choice == "relabel" else "")
        for id, one in decisions.items()
    }
    judged: list[Candidate] = []
    for _ in range(chance.randrange(1, 6)):
        size = chance.randrange(25)
        fresh = [candidate(chance, next(numbers), operation) for _ in range(size)]
        done = curate(fresh, chosen, decisions)
        assert [one.example.id for one in done] == [one.example.id for one in fresh]
        for before, after in zip(fresh, done, strict=True):
            if before.rejection is not None:
                assert after.rejection == before.rejection, "what could not be read stays so"
        judged += done

    kept = [one for one in judged if one.rejection is None]
    rejected = [one for one in judged if one.rejection is not None]
    for one in rejected:
        assert one.rejection is not None
        assert one.rejection.filter in {"call", "parse", PERSON, *chosen}
        assert one.rejection.reason
        json_values = (*one.rejection.figures.values(), *one.figures.values())
        assert all(isinstance(value, int | float) for value in json_values)
    assert all(one.example.inputs for one in kept)
    told = decisions_told(judged, decisions)
    for one in judged:
        choice = one.decision
        if choice and one.example.inputs:
            by = one.rejection and one.rejection.filter
            assert by == (PERSON if choice == "reject" else None), "a person wins over all filters"

    balance = chosen.get("balance")
    quotas = getattr(balance, "quotas", None)
    counts = funnel(judged, quotas, LABELS)
    assert sum(one["candidates"] for one in counts.values()) == len(judged)
    assert sum(one["kept"] for one in counts.values()) == len(kept)
    for label, one in counts.items():
        own = [c for c in judged if (c.example.target or "") == label]
        assert one["candidates"] == len(own) == one["kept"] + sum(one["rejected"].values())
        assert list(one["rejected"]) == [name for name in ORDER if name in one["rejected"]]
        if quotas is not None:
            undecided = [c for c in own if c.rejection is None and not c.decision]
            assert len(undecided) <= quotas.get(label, 0)
    assert sum(reasons(judged).values()) == len(rejected)
    assert reasons(judged) == Counter(c.rejection.reason for c in rejected if c.rejection)
    met = [one.example.id for one in judged]
    assert told["unmade"] == [id for id in decisions if id not in met]
    assert len(decisions) == len(told["unmade"]) + len([one for one in judged if one.decision])

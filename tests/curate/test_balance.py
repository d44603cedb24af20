"""Label balance: quotas, and what comes beyond them."""

from __future__ import annotations

import random

import pytest
from pydantic import ValidationError

from curate.material import material
from preceptor.curate.balance import BalanceSettings, make, quotas
from preceptor.data.example import Example

LABELS = ("yes", "no", "maybe")


def examples(*labels: str) -> list[Example]:
    return [Example(f"e{n}", {"text": f"text {n}"}, label) for n, label in enumerate(labels)]


HUMAN = examples(*["yes"] * 6, *["no"] * 3, "maybe")


@pytest.mark.parametrize(
    ("to", "wanted", "expected"),
    [
        ("human", 20, (12, 6, 2)),
        ("human", 5, (3, 2, 0)),  # 3, 1.5 and 0.5: one of the halves is settled by the seed
        ("even", 30, (10, 10, 10)),
        ({"yes": 1, "no": 1}, 10, (5, 5, 0)),
        ({"maybe": 0.2, "no": 0.3, "yes": 0.5}, 10, (5, 3, 2)),
    ],
)
def test_quotas_are_the_shares_of_the_wanted_rows(
    to: str | dict[str, float], wanted: int, expected: tuple[int, ...]
) -> None:
    found = quotas(BalanceSettings(to=to), material(HUMAN, labels=LABELS, wanted=wanted))
    assert sum(found.values()) == wanted
    if wanted == 5:
        assert found["yes"] == 3
        assert sorted((found["no"], found["maybe"])) in ([0, 2], [1, 1])
    else:
        assert tuple(found[label] for label in LABELS) == expected


@pytest.mark.parametrize("seed", range(20))
def test_every_quota_is_its_share_rounded_up_or_down(seed: int) -> None:
    chance = random.Random(seed)
    human = examples(*chance.choices(LABELS, k=chance.randrange(1, 30)))
    wanted = chance.randrange(1, 200)
    found = quotas(BalanceSettings(), material(human, labels=LABELS, wanted=wanted))
    assert sum(found.values()) == wanted
    for label in LABELS:
        share = wanted * sum(one.target == label for one in human) / len(human)
        assert abs(found[label] - share) < 1


def test_what_comes_beyond_a_label_s_share_is_rejected_with_figures() -> None:
    balance = make(BalanceSettings(), material(HUMAN, labels=LABELS, wanted=10))
    first = balance.judge(examples(*["no"] * 4, "yes"))
    assert [one is None for one in first] == [True, True, True, False, True]
    assert first[3] is not None
    assert first[3].reason == "over its share"
    assert first[3].figures == {"quota": 3, "wanted": 10}
    assert balance.lacking() == {"yes": 5, "no": 0, "maybe": 1}
    second = balance.judge(examples("no", "maybe", "maybe"))
    assert [one is None for one in second] == [False, True, False], "a later round knows the first"


@pytest.mark.parametrize("to", [{}, {"yes": 0}, {"yes": -1, "no": 2}, "uneven", 3])
def test_shares_that_mean_nothing_are_refused(to: object) -> None:
    with pytest.raises(ValidationError):
        BalanceSettings.model_validate({"to": to})

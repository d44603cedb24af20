import json
import math

import pytest
from sklearn.metrics import f1_score

from preceptor.evaluate.metrics import majority, score

LABELS = ("yes", "no", "maybe")


def test_scores_by_hand():
    targets = ["yes", "yes", "yes", "no", "no", "maybe"]
    given = ["yes", "yes", "no", "no", None, "yes"]
    found = score(targets, given, LABELS)
    assert found["accuracy"] == pytest.approx(3 / 6)
    assert found["macro_f1"] == pytest.approx((2 / 3 + 1 / 2 + 0) / 3)
    assert (found["n"], found["unparsed"], found["absent"]) == (6, 1, [])
    assert found["confusion"] == [[2, 1, 0, 0], [0, 1, 0, 1], [1, 0, 0, 0]]
    yes = {"precision": 2 / 3, "recall": 2 / 3, "f1": 2 / 3, "support": 3, "predicted": 3}
    assert found["per_label"]["yes"] == pytest.approx(yes)
    assert found["per_label"]["maybe"]["predicted"] == 0


def test_it_is_json_without_nan_whatever_is_given():
    found = score(["yes", "yes"], [None, None], LABELS)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert (found["accuracy"], found["macro_f1"], found["unparsed"]) == (0.0, 0.0, 2)


def test_a_label_that_no_target_has_counts_as_zero_and_is_named():
    found = score(["yes", "no"], ["yes", "no"], LABELS)
    assert found["macro_f1"] == pytest.approx(2 / 3)
    assert found["absent"] == ["maybe"]


def test_unparsed_answers_are_no_label_of_their_own():
    targets = ["yes", "no", "maybe"] * 4
    given = ["yes", None, "maybe", "no"] * 3
    read = [label or "unparsed" for label in given]
    expected = f1_score(targets, read, labels=LABELS, average="macro", zero_division=0)
    assert score(targets, given, LABELS)["macro_f1"] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("targets", "given", "message"),
    [
        ([], [], "0 targets"),
        (["yes"], ["yes", "no"], "1 targets and 2"),
        (["yes"], ["Yes"], "'Yes'"),
        (["ja"], ["yes"], "'ja'"),
    ],
)
def test_what_cannot_be_scored_is_refused(targets, given, message):
    with pytest.raises(ValueError, match=message):
        score(targets, given, LABELS)


def test_majority():
    assert majority(["no", "yes", "no"], 3) == ["no"] * 3
    assert majority(["no", "maybe"], 1) == ["maybe"]
    with pytest.raises(ValueError, match="no training labels"):
        majority([], 1)


def test_always_yes_on_the_official_test():
    found = score(["yes"] * 276 + ["no"] * 169 + ["maybe"] * 55, majority(["yes"], 500), LABELS)
    assert found["accuracy"] == 0.552
    assert math.isclose(found["macro_f1"], 2 * 276 / (276 + 500) / 3)

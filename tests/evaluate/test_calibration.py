"""Calibration, against figures worked out by hand."""

from __future__ import annotations

import json

import numpy as np
import pytest

from preceptor.evaluate.calibration import calibration


def test_the_figures_of_four_rows() -> None:
    rows = [[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.45, 0.55]]
    found = calibration(rows, ["a", "b", "b", "a"], ["a", "b"], bins=2)
    assert found["n"] == 4
    assert found["accuracy"] == 0.5
    assert found["confidence"] == pytest.approx((0.9 + 0.8 + 0.7 + 0.55) / 4)
    # All in the upper bin: |0.7375 - 0.5|.
    assert found["expected_calibration_error"] == pytest.approx(0.2375)
    # 2 * (0.1^2 + 0.8^2 + 0.3^2 + 0.55^2) / 4
    assert found["brier"] == pytest.approx(2 * (0.01 + 0.64 + 0.09 + 0.3025) / 4)
    assert found["bins"][0] == {
        "low": 0.0,
        "high": 0.5,
        "count": 0,
        "confidence": None,
        "accuracy": None,
    }
    assert json.loads(json.dumps(found)) == found


def test_bins_are_weighed_by_their_rows() -> None:
    rows = [[0.6, 0.4]] * 3 + [[1.0, 0.0]]
    found = calibration(rows, ["a", "a", "b", "a"], ["a", "b"])
    counts = {one["low"]: one["count"] for one in found["bins"] if one["count"]}
    assert counts == {0.5: 3, 0.9: 1}
    assert found["bins"][5]["accuracy"] == pytest.approx(2 / 3)
    assert found["expected_calibration_error"] == pytest.approx(3 / 4 * (2 / 3 - 0.6))


@pytest.mark.parametrize("tenths", range(5, 11))
def test_a_confidence_on_an_edge_belongs_to_the_bin_below(tenths: int) -> None:
    found = calibration([[tenths / 10, 1 - tenths / 10]], ["a"], ["a", "b"])
    assert found["bins"][tenths - 1]["count"] == 1


def test_sure_and_right_is_perfect_and_sure_and_wrong_the_worst() -> None:
    labels = ["a", "b", "c"]
    right = calibration(np.eye(3), labels, labels)
    assert (right["expected_calibration_error"], right["brier"], right["accuracy"]) == (0, 0, 1)
    wrong = calibration(np.eye(3), ["b", "c", "a"], labels)
    assert (wrong["expected_calibration_error"], wrong["brier"], wrong["accuracy"]) == (1, 2, 0)


def test_probability_a_little_above_one_is_rounding() -> None:
    assert calibration([[1 + 1e-12, 0.0]], ["a"], ["a", "b"])["bins"][9]["count"] == 1


@pytest.mark.parametrize(
    ("rows", "targets", "message"),
    [
        ([], [], "probabilities"),
        ([[1.0]], ["a"], "1 targets, 2 labels"),
        ([[0.5, 0.5]], ["c"], "not a label: 'c'"),
        ([[0.5, 0.2]], ["a"], "no probabilities"),
        ([[float("nan"), 1.0]], ["a"], "no probabilities"),
        ([[-0.5, 1.5]], ["a"], "no probabilities"),
    ],
)
def test_what_cannot_be_scored_is_refused(
    rows: list[list[float]], targets: list[str], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        calibration(rows, targets, ["a", "b"])

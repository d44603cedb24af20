"""What an arm's record says: counts by label, and the judge beside a person."""

from __future__ import annotations

from pathlib import Path

import pytest

from curate.material import made_of, material
from curate.teacher import teacher_who
from preceptor.curate import CurationSettings, curate, filters
from preceptor.curate.decisions import Decision
from preceptor.data.candidate import Candidate, Rejection, write_candidates
from preceptor.data.example import Example
from preceptor.store.tables import read_rows
from preceptor.study.arms.funnel import funnel, judged_beside, reasons

HUMAN = [Example("h1", {"text": "My knee hurts."}, "a"), Example("h2", {"text": "My arm."}, "b")]


def test_candidates_are_counted_by_label_and_filter_in_their_order() -> None:
    def one(label: str | None, *rejection: str) -> Candidate:
        bad = Rejection(rejection[0], filter=rejection[1]) if rejection else None
        return Candidate(Example("c", {}, label), "", bad)

    made = [
        one("a", "over its share", "balance"),
        one("a", "meta talk", "meta"),
        one("a"),
        one(None, "unknown label", "parse"),
        one("a", "repeats itself", "meta"),
        one("a", "meta talk", "meta"),
    ]
    found = funnel(made, {"a": 2, "b": 1}, ["a", "b"])
    assert found == {
        "a": {
            "candidates": 5,
            "rejected": {"meta": 3, "balance": 1},
            "kept": 1,
            "wanted": 2,
            "shortfall": 1,
        },
        "b": {"candidates": 0, "rejected": {}, "kept": 0, "wanted": 1, "shortfall": 1},
        "": {"candidates": 1, "rejected": {"parse": 1}, "kept": 0, "wanted": 0, "shortfall": 0},
    }
    assert list(found["a"]["rejected"]) == ["meta", "balance"]
    assert list(reasons(made).items()) == [
        ("unknown label", 1), ("meta talk", 2), ("repeats itself", 1), ("over its share", 1),
    ]  # fmt: skip


def test_answers_in_words_are_no_labels() -> None:
    made = [
        Candidate(Example("c1", {}, "One answer."), ""),
        Candidate(Example("c2", {}, "Another."), "", Rejection("meta talk", filter="meta")),
        Candidate(Example("c3", {}), "", Rejection("unparseable")),
    ]
    rejected = {"parse": 1, "meta": 1}
    assert funnel(made, None, []) == {"": {"candidates": 3, "rejected": rejected, "kept": 1}}


def test_a_judge_is_held_against_a_person_on_what_either_rejected(tmp_path: Path) -> None:
    texts = [
        "my hip is sore since the fall",
        "please renew my inhaler",
        "the bill came twice this month",
        "can I see the doctor on Friday",
    ]

    def scores(prompt: str) -> str:
        return "2" if "inhaler" in prompt or "Friday" in prompt else "5"

    decisions = {"c0": Decision("reject"), "c1": Decision("accept"), "c2": Decision("accept")}
    with teacher_who(scores, tmp_path) as (teacher, _):
        chosen = filters(CurationSettings(judge={}), material(HUMAN, ask=teacher.ask))
        done = curate(made_of(texts), chosen, decisions)
    assert [one.rejection and one.rejection.filter for one in done] == [
        "decisions", None, None, "judge",
    ]  # fmt: skip
    assert [one.figures["score"] for one in done] == [5, 2, 5, 2]
    assert judged_beside(done, 3) == ["agrees with a person on 1 of 3 decided rows, kappa -0.50"]
    assert judged_beside(done[3:], 3) == []
    write_candidates(tmp_path / "made.parquet", done)
    kept = read_rows(tmp_path / "made.parquet")[1]
    assert (kept["verdict"], kept["figures"], kept["decision"]) == (
        "kept", '{"score": 2.0}', "accept",
    )  # fmt: skip


@pytest.mark.parametrize("labels", [["a"], ["b", "a"]])
def test_labels_stand_in_the_order_of_the_task(labels: list[str]) -> None:
    made = [Candidate(Example("c", {"text": "x"}, "a"), "x")]
    assert list(funnel(made, None, labels)) == labels
    assert "wanted" not in funnel(made, None, labels)["a"]

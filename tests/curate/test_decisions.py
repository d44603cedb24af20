"""A person's decisions: how they are read, and that they win."""

from __future__ import annotations

from pathlib import Path

import pytest

from curate.material import made_of, material
from preceptor.curate import CurationSettings, curate, filters
from preceptor.curate.decisions import Decision, mark_of, part_of, read_decisions
from preceptor.data.candidate import Candidate, Rejection
from preceptor.data.example import Example, Origin
from preceptor.errors import DataError

ARMS = ["rewrite", "create", "a-1"]
HEAD = "id,decision,label\n"


def read(folder: Path, text: str) -> dict[str, Decision]:
    (folder / "decisions.csv").write_text(text, encoding="utf-8")
    return read_decisions("decisions.csv", folder, ["yes", "no"], ARMS)


def test_a_sheet_is_read_and_rows_without_a_decision_are_left_open(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        "\ufeffmade text,id,decision,label\n"
        '"two\nlines, and a comma",rewrite-0-00001, Accept ,no\n'
        "b,rewrite-0-00002,,no\n"
        "c,create-1-00003,relabel,yes\n"
        "d,a-1-2-00004,reject,\n",
    )
    assert {id: (one.choice, one.label) for id, one in found.items()} == {
        "rewrite-0-00001": ("accept", "no"),
        "create-1-00003": ("relabel", "yes"),
        "a-1-2-00004": ("reject", ""),
    }
    assert [part_of(id) for id in found] == ["rewrite-0", "create-1", "a-1-2"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            HEAD + "rewrite-0-00001,acept,\n",
            ["row 2, decision", "'acept'", "did you mean 'accept'"],
        ),
        (HEAD + "rewrite-0-00001,relabel,yess\n", ["row 2, label", "'yess'", "did you mean 'yes'"]),
        (HEAD + "rewrite-0-00001,relabel,\n", ["row 2, label", "without a label", "yes, no"]),
        (HEAD + "rewite-0-00001,accept,\n", ["row 2, id", "did you mean 'rewrite'"]),
        (HEAD + "m001,accept,\n", ["row 2, id", "'m001'", "ARM-SEED-NUMBER"]),
        (
            HEAD + "rewrite-0-00001,accept,\nrewrite-0-00001,reject,\n",
            ["decided twice", "row 3, id", "decisions.csv, row 2"],
        ),
        (HEAD + "x,accept,\ny,refuse,\n", ["2 problems", "row 2", "row 3"]),
        ("name,verdict\na,b\n", ["without a column id and decision", "name, verdict"]),
    ],
)
def test_what_is_wrong_is_told_with_file_row_and_field(
    tmp_path: Path, text: str, words: list[str]
) -> None:
    with pytest.raises(DataError) as caught:
        read(tmp_path, text)
    for word in ("decisions.csv", *words):
        assert word in str(caught.value)


def test_a_file_that_is_not_there_is_named_with_what_is(tmp_path: Path) -> None:
    (tmp_path / "decision.csv").write_text(HEAD)
    with pytest.raises(DataError, match=r"did you mean decision\.csv"):
        read_decisions("decisions.csv", tmp_path, ["yes", "no"], ARMS)


HUMAN = [Example("h1", {"text": "My knee hurts."}, "a"), Example("h2", {"text": "My arm."}, "b")]


def verdicts(decisions: dict[str, Decision], *texts: str) -> list[tuple[str | None, str]]:
    chosen = filters(CurationSettings(), material(HUMAN))
    done = curate(made_of(texts), chosen, decisions)
    return [(one.rejection and one.rejection.filter, one.decision) for one in done]


def test_accept_keeps_what_filters_reject_and_reject_what_they_keep() -> None:
    texts = ("Sure! Here is a new message.", "my knee hurts", "my hip is sore since the fall")
    assert verdicts({}, *texts) == [("meta", ""), ("duplicates", ""), (None, "")]
    decided = {
        "c0": Decision("accept"),
        "c1": Decision("relabel", "b"),
        "c2": Decision("reject"),
    }
    assert verdicts(decided, *texts) == [
        (None, "accept"),
        (None, "relabel"),
        ("decisions", "reject"),
    ]


def test_what_a_person_accepted_is_known_to_the_filters() -> None:
    text = "Sure! I shall come at nine."
    assert verdicts({"c0": Decision("accept")}, text, "my toe", text)[2] == ("meta", "")
    assert verdicts({"c0": Decision("accept")}, "My knee hurts.", "my toe", "MY TOE")[2] == (
        "duplicates",
        "",
    )
    about = material(HUMAN, wanted=2)
    chosen = filters(CurationSettings(), about)
    made = made_of(["my knee hurts", "my hip is sore since the fall"])
    done = curate(made, chosen, {"c0": Decision("accept")})
    assert [one.rejection and one.rejection.filter for one in done] == [None, "balance"]


def test_relabel_changes_the_label_and_not_who_made_it() -> None:
    origin = Origin("gpt", "create", ("h1",))
    made = Candidate(Example("c0", {"text": "my hip is sore"}, "a", origin=origin), "raw")
    (done,) = curate([made], {}, {"c0": Decision("relabel", "b")})
    assert done.example.target == "b"
    assert done.example.origin == origin


def test_what_could_not_be_read_cannot_be_accepted() -> None:
    made = Candidate(Example("c0", {}, "a"), "???", Rejection("unparseable"))
    for choice in ("accept", "relabel", "reject"):
        (done,) = curate([made], {}, {"c0": Decision(choice, "b")})
        assert done.rejection == Rejection("unparseable")
        assert done.decision == choice


def test_a_decision_about_another_answer_is_refused() -> None:
    (made,) = made_of(["my hip is sore"])
    where = "decisions.csv, row 7"
    (done,) = curate([made], {}, {"c0": Decision("reject", "a", mark_of(made.raw), where)})
    assert done.rejection is not None
    with pytest.raises(DataError, match="row 7") as caught:
        curate([made], {}, {"c0": Decision("reject", "a", mark_of("my toe"), where)})
    assert "had written something else" in str(caught.value)


def test_accept_under_another_label_must_say_relabel() -> None:
    made = made_of(["my hip is sore"])
    with pytest.raises(DataError, match="write relabel"):
        curate(made, {}, {"c0": Decision("accept", "b", where="decisions.csv, row 2")})
    (done,) = curate(made, {}, {"c0": Decision("accept", "a")})
    assert done.rejection is None

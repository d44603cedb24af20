"""Amounts, label balance and a person's decisions, from study to training set."""

from __future__ import annotations

import csv
import itertools
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from llm.faulty import FaultyServer
from preceptor.curate import FILTERS
from preceptor.data.example import read_examples
from preceptor.errors import SpecError
from preceptor.store.fingerprint import fingerprint
from preceptor.store.tables import read_rows
from preceptor.study.file import parse_study

from .conftest import STUDY, Cli, Place

META = "Sure! Here is a new message."


def sets(*values: str) -> list[str]:
    return [part for value in values for part in ("--set", value)]


FEW = sets("seeds=1", "budget.steps=1", "baselines.teacher=[]", "students.llama.grid={}")
CREATE = [*FEW, *sets("students.bert.arms=[create]")]
BOTH = [*FEW, *sets("students.bert.arms=[create, rewrite]")]
ASKED = sets("arms.create={operation: create, label: asked, structured: 'off'}")


def unlike(server: FaultyServer, text: str = "{}") -> None:
    """Let the server write another text with every answer."""
    numbers = itertools.count()

    def compose(body: dict[str, Any]) -> str:
        drawn = fingerprint(f"text {next(numbers)}")
        return text.format(" ".join(drawn[place : place + 6] for place in range(0, 30, 6)))

    server.compose = compose


def prompts(server: FaultyServer) -> list[str]:
    return [body["messages"][-1]["content"] for body in server.bodies]


def arm(place: Place, name: str = "create", out: str = "run") -> dict[str, Any]:
    (one,) = place.results(out)["arms"][name]["seeds"]
    found: dict[str, Any] = one
    return found


def made(place: Place, name: str = "create", out: str = "run") -> list[dict[str, Any]]:
    return read_rows(place.folder / out / f"arms/{name}/seed-0/made.parquet")


def check_sums(one: dict[str, Any], rows: list[dict[str, Any]]) -> None:
    """Every candidate is kept or rejected by one filter, by label and in all."""
    kept = [row for row in rows if row["verdict"] == "kept"]
    assert len(kept) == one["kept"]
    assert sum(one["rejected"].values()) == len(rows) - len(kept)
    for label, told in one["funnel"].items():
        own = [row for row in rows if (row["target"] or "") == label]
        assert told["candidates"] == len(own) == told["kept"] + sum(told["rejected"].values())
        assert told["kept"] == sum(row["verdict"] == "kept" for row in own)
        assert told["rejected"] == Counter(row["filter"] for row in own if row["filter"])
    assert sum(told["candidates"] for told in one["funnel"].values()) == len(rows)
    assert one["shortfall"] == one["wanted"] - one["kept"]


def test_rounds_ask_for_labels_that_are_short_and_a_shortfall_is_told_by_label(
    place: Place, cli: Cli
) -> None:
    unlike(place.server)
    varied = place.server.compose

    def compose(body: dict[str, Any]) -> str:
        return META if '"no"' in body["messages"][-1]["content"] else varied(body)

    place.server.compose = compose
    assert cli("run", place.study, "--out", "run", *CREATE) == 0
    one = arm(place)
    assert (one["wanted"], one["kept"], one["requests"], one["shortfall"]) == (9, 6, 27, 3)
    assert {label: told["shortfall"] for label, told in one["funnel"].items()} == {
        "yes": 0, "no": 3, "maybe": 0,
    }  # fmt: skip
    assert one["funnel"]["no"] == {
        "candidates": 21, "rejected": {"meta": 21}, "kept": 0, "wanted": 3, "shortfall": 3,
    }  # fmt: skip
    asked = prompts(place.server)
    assert len(asked) == 27
    assert all('"no"' in prompt for prompt in asked[9:]), "no call is spent on full labels"
    check_sums(one, made(place))
    assert "by label: no 3" in (place.folder / "run/report/index.html").read_text()


def test_where_the_teacher_decides_the_label_what_comes_beyond_its_share_is_rejected(
    place: Place, cli: Cli
) -> None:
    unlike(place.server, "Text: {}\nLabel: yes")
    assert cli("run", place.study, "--out", "run", *CREATE, *ASKED) == 0
    one = arm(place)
    assert (one["kept"], one["requests"]) == (3, 27)
    assert one["rejected"] == {"over its share": 24}
    assert one["funnel"]["yes"]["rejected"] == {"balance": 24}
    check_sums(one, made(place))
    off = sets("curation.balance=false")
    assert cli("run", place.study, "--out", "off", *CREATE, *ASKED, *off) == 0
    one = arm(place, out="off")
    assert (one["kept"], one["requests"], one["shortfall"]) == (9, 9, 0)
    assert "wanted" not in one["funnel"]["yes"]


@pytest.mark.parametrize(
    ("to", "kept"),
    [
        ("even", {"yes": 3, "no": 3, "maybe": 3}),
        ("{yes: 2, maybe: 1}", {"yes": 6, "no": 0, "maybe": 3}),
    ],
)
def test_labels_are_balanced_to_a_named_distribution(
    place: Place, cli: Cli, to: str, kept: dict[str, int]
) -> None:
    unlike(place.server)
    named = sets(f"curation.balance.to={to}")
    assert cli("run", place.study, "--out", "run", *CREATE, *named) == 0
    one = arm(place)
    assert {label: told["kept"] for label, told in one["funnel"].items()} == kept
    assert one["requests"] == 9, "no call is made for rows that would be rejected"


def test_a_rewrite_is_balanced_by_the_examples_it_takes(place: Place, cli: Cli) -> None:
    unlike(place.server)
    less = sets("arms.rewrite.amount=6", "students.bert.arms=[rewrite]")
    assert cli("run", place.study, "--out", "run", *FEW, *less) == 0
    one = arm(place, "rewrite")
    assert {label: told["kept"] for label, told in one["funnel"].items()} == {
        "yes": 2, "no": 2, "maybe": 2,
    }  # fmt: skip
    assert one["requests"] == 6
    check_sums(one, made(place, "rewrite"))


def test_a_label_that_no_example_has_ends_the_rounds_and_not_the_run(
    place: Place, cli: Cli
) -> None:
    """Rewrites keep their label: of a label that no human example has there can be none."""
    unlike(place.server)
    four = sets("data.train={limit: 4}", "arms.rewrite.amount=4", "students.bert.arms=[rewrite]")
    even = sets("curation.balance.to=even", "task.labels=[yes, no, maybe, never]")
    assert cli("run", place.study, "--out", "run", *FEW, *four, *even) == 0
    one = arm(place, "rewrite")
    assert (one["kept"], one["shortfall"], one["requests"]) == (3, 1, 3)
    assert {label: told["shortfall"] for label, told in one["funnel"].items()} == {
        "yes": 0,
        "no": 0,
        "maybe": 0,
        "never": 1,
    }
    check_sums(one, made(place, "rewrite"))


def sheet(place: Place, name: str) -> list[dict[str, str]]:
    with (place.folder / name).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def write(path: Path, rows: list[dict[str, str]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def run_with_meta(place: Place, cli: Cli) -> None:
    """A run of two arms in which every fourth answer is meta talk."""
    unlike(place.server)
    varied, numbers = place.server.compose, itertools.count()
    place.server.compose = lambda body: META if next(numbers) % 4 == 3 else varied(body)
    assert cli("run", place.study, "--out", "run", *BOTH) == 0


def decide(place: Place, decisions: dict[str, str], label: str = "") -> None:
    """Fill in the sheet."""
    rows = sheet(place, "decisions.csv")
    for row in rows:
        row["decision"] = decisions.get(row["id"], row["decision"])
        row["label"] = label if row["decision"] == "relabel" else row["label"]
    write(place.folder / "decisions.csv", rows)


def test_decisions_win_over_every_filter_and_no_answer_is_asked_for_again(
    place: Place, cli: Cli, capsys: pytest.CaptureFixture[str]
) -> None:
    run_with_meta(place, cli)
    assert cli("inspect", "run", "--arm", "create", "--csv", "decisions.csv") == 0
    rows = sheet(place, "decisions.csv")
    assert {row["decision"] for row in rows} == {""}
    bad = next(row for row in rows if row["verdict"] == "rejected")
    good = next(r for r in rows if r["verdict"] == "kept" and r["label"] == bad["label"])
    decide(place, {bad["id"]: "accept", good["id"]: "reject"})
    calls = place.server.calls
    untouched = (place.folder / "run/arms/rewrite/seed-0/part.json").stat().st_mtime_ns
    decided = [*BOTH, *sets("curation.decisions=decisions.csv"), "--out", "run"]
    capsys.readouterr()
    assert cli("run", place.study, *decided) == 2
    told = capsys.readouterr().err
    assert f"decisions.{bad['id']}" in told
    assert "arms/rewrite" not in told, "only the arm that was decided about is made anew"
    assert cli("run", place.study, *decided, "--redo") == 0
    assert place.server.calls == calls
    assert (place.folder / "run/arms/rewrite/seed-0/part.json").stat().st_mtime_ns == untouched
    one = arm(place)
    check_sums(one, made(place))
    assert one["decisions"] == {"accept": 1, "reject": 1, "unread": [], "unmade": []}
    train = {e.id: e for e in read_examples(place.folder / "run/arms/create/seed-0/train.parquet")}
    assert train[bad["id"]].inputs == {"text": META}
    assert good["id"] not in train
    by = {row["id"]: row["filter"] for row in made(place)}
    assert by[good["id"]] == "decisions"
    page = (place.folder / "run/report/index.html").read_text()
    assert "a person decided about 2 made rows (1 accepted, 1 rejected)" in page


def test_a_relabelled_row_counts_for_its_new_label(place: Place, cli: Cli) -> None:
    run_with_meta(place, cli)
    assert cli("inspect", "run", "--arm", "create", "--csv", "decisions.csv") == 0
    row = next(r for r in sheet(place, "decisions.csv") if r["verdict"] == "kept")
    new = "no" if row["label"] == "yes" else "yes"
    decide(place, {row["id"]: "relabel"}, new)
    calls, before = place.server.calls, arm(place)["requests"]
    decided = [*BOTH, *sets("curation.decisions=decisions.csv"), "--out", "run"]
    assert cli("run", place.study, *decided, "--redo") == 0
    one = arm(place)
    check_sums(one, made(place))
    assert {label: told["kept"] for label, told in one["funnel"].items()} == {
        "yes": 3, "no": 3, "maybe": 3,
    }  # fmt: skip
    assert one["usage"]["calls"] == place.server.calls - calls, "of the label that is short now"
    assert one["usage"]["cached"] == one["requests"] - one["usage"]["calls"]
    assert one["usage"]["cached"] >= before - 1
    train = {e.id: e for e in read_examples(place.folder / "run/arms/create/seed-0/train.parquet")}
    assert train[row["id"]].target == new
    assert train[row["id"]].origin.teacher == "echo"
    assert cli("inspect", "run", "--arm", "create", "--csv", "again.csv") == 0
    again = {one["id"]: one for one in sheet(place, "again.csv")}
    assert (again[row["id"]]["decision"], again[row["id"]]["label"]) == ("relabel", new)
    (place.folder / "again.csv").replace(place.folder / "decisions.csv")
    assert cli("run", place.study, *decided) == 0, "the new sheet says the same"


def test_decisions_about_other_answers_than_are_there_stop_the_run(
    place: Place, cli: Cli, capsys: pytest.CaptureFixture[str]
) -> None:
    run_with_meta(place, cli)
    assert cli("inspect", "run", "--csv", "decisions.csv") == 0
    rows = sheet(place, "decisions.csv")
    rows[0]["decision"] = "reject"
    write(place.folder / "decisions.csv", rows)
    changed = sets("curation.decisions=decisions.csv", "arms.create.parameters={temperature: 1}")
    assert cli("run", place.study, "--out", "other", *BOTH, *changed) == 2
    assert f"{rows[0]['id']} was decided about when" in capsys.readouterr().err


def test_decisions_that_cannot_be_right_are_refused_before_a_call(
    place: Place, cli: Cli, capsys: pytest.CaptureFixture[str]
) -> None:
    (place.folder / "decisions.csv").write_text(
        "id,decision,label\nreword-0-00001,accept,\ncreate-0-00001,relabel,perhaps\n"
    )
    file = sets("curation.decisions=decisions.csv", "curation.balance.to={yess: 1}")
    assert cli("run", place.study, "--out", "run", *CREATE, *file) == 2
    told = capsys.readouterr().err
    for words in (
        "curation.decisions: ",
        "row 2, id",
        "'reword-0-00001'",
        "row 3, label",
        "curation.balance.to: no label 'yess' (did you mean 'yes'?)",
    ):
        assert words in told
    assert place.server.calls == 0


@pytest.mark.parametrize(
    ("curation", "words"),
    [
        (
            "{labels: {by: student, ods: 4}}",
            "curation.labels.ods: no such key (did you mean 'odds'",
        ),
        ("{labels: {by: anyone}}", "curation.labels: 'anyone' is not one of teacher, student"),
        ("{balance: {to: uneven}}", "curation.balance.to: human, even, or shares of labels"),
        ("{meta: {repeats: 1}}", "curation.meta.repeats: Input should be greater than or equal"),
        ("{mets: false}", "curation.mets: no such key (did you mean 'meta'?)"),
        ("{meta: {repeats: 1}, duplicates: 3}", "2 problems"),
    ],
)
def test_a_wrong_setting_of_a_filter_is_one_problem_with_its_key(curation: str, words: str) -> None:
    study = STUDY.format(url="http://127.0.0.1:1/v1")
    with pytest.raises(SpecError) as caught:
        parse_study(re.sub("(?m)^curation: .*", f"curation: {curation}", study), "s")
    assert words in str(caught.value)
    assert "2 problems" in words or "1 problem " in str(caught.value)


def test_decisions_that_came_to_nothing_are_told(place: Place, cli: Cli) -> None:
    (place.folder / "decisions.csv").write_text(
        "id,decision,label\ncreate-0-99999,reject,\nrewrite-0-00001,reject,\n"
    )
    unlike(place.server)
    file = sets("curation.decisions=decisions.csv")
    assert cli("run", place.study, "--out", "run", *CREATE, *file) == 0
    assert arm(place)["decisions"] == {"unread": [], "unmade": ["create-0-99999"]}
    page = (place.folder / "run/report/index.html").read_text()
    assert "1 decision had no effect" in page


def test_the_record_of_an_arm_names_its_filters_in_order_and_its_diversity(
    place: Place, cli: Cli
) -> None:
    unlike(place.server)
    assert cli("run", place.study, "--out", "run", *CREATE) == 0
    one = arm(place)
    assert one["filters"] == [name for name in FILTERS if name in one["filters"]]
    assert one["filters"][-1] == "balance"
    found = one["diversity"]
    assert found["texts"] == 9
    assert found["made"]["distinct_1"] == 1.0
    assert found["made"]["self_bleu"] == 0.0
    assert 0 < found["human"]["self_bleu"] < 1
    assert 0 < found["made"]["spread"] < 2

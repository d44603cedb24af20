"""How calls are put: by a schema where the server obeys, again where nothing could be read."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from llm.faulty import FaultyServer, Reply, completion, error
from preceptor.augment.operation import Call
from preceptor.curate import FILTERS
from preceptor.data.candidate import Candidate, Rejection
from preceptor.data.example import Example
from preceptor.errors import TeacherError
from preceptor.llm import open_teacher
from preceptor.llm.chat import Answer, Failure, FailureCause, Message, Request
from preceptor.store.fingerprint import fingerprint
from preceptor.store.tables import read_rows
from preceptor.study.arms.asking import Attempt, ask_until_read
from preceptor.study.arms.fill import fill_arm
from preceptor.study.file import load_study
from preceptor.study.plan import Plan
from preceptor.study.teachers.staff import Staff

from .conftest import STUDY, rows

CREATE = "arms.create={operation: create, label: asked, shown: 1}"
OFF = "arms.create={operation: create, label: asked, structured: off}"
ON = "arms.rewrite={operation: rewrite, structured: on, tries: 1}"


@dataclass(frozen=True)
class Desk:
    """Where single arms are made, with a teacher on loopback and no student."""

    folder: Path
    server: FaultyServer

    def make(self, arm: str, *sets: str, cache: str = "answers") -> dict[str, Any]:
        """Make an arm; its record."""
        told = (*(f"curation.{name}=false" for name in FILTERS), *sets)
        study = load_study(self.folder / "study.yaml", told)
        folder = self.folder / arm
        folder.mkdir(exist_ok=True)
        with open_teacher(study.teachers["echo"], self.folder / f"{cache}.sqlite") as teacher:
            plan = Plan(study, self.folder, folder)
            fill_arm(plan, arm, 0, Staff(plan, opened={"echo": teacher}), folder)
        record: dict[str, Any] = json.loads((folder / "arm.json").read_text())
        return record

    def made(self, arm: str) -> list[dict[str, Any]]:
        return read_rows(self.folder / arm / "made.parquet")


@pytest.fixture
def desk(tmp_path: Path, server: FaultyServer, monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.setenv("PRECEPTOR_CACHE", str(tmp_path / "cache"))
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows()))
    (tmp_path / "study.yaml").write_text(STUDY.format(url=server.url))
    return Desk(tmp_path, server)


def obeying(body: dict[str, Any]) -> str:
    """A text of its own for every conversation: by the schema, or by name where there is none."""
    text = fingerprint([body["messages"], body.get("seed")])[:24]
    if "response_format" not in body:
        return f"Text: {text}\nLabel: maybe"
    keys = body["response_format"]["json_schema"]["schema"]["properties"]
    return json.dumps({key: told.get("enum", [text])[-1] for key, told in keys.items()})


def passing_over(body: dict[str, Any]) -> str:
    return obeying({"messages": body["messages"]})


def test_several_things_are_asked_by_schema_where_the_server_obeys(desk: Desk) -> None:
    desk.server.compose = obeying
    assert desk.make("create", CREATE)["structured"] is True
    probe, *calls = desk.server.bodies
    assert "zq7" in json.dumps(probe)
    for body in calls:
        properties = body["response_format"]["json_schema"]["schema"]["properties"]
        assert properties == {
            "text": {"type": "string"},
            "label": {"type": "string", "enum": ["yes", "no", "maybe"]},
        }
        assert 'a JSON object with the keys "text", "label"' in body["messages"][-1]["content"]
    assert {row["target"] for row in desk.made("create")} == {"maybe"}


@pytest.mark.parametrize("refusing", [True, False])
def test_by_name_where_it_does_not(desk: Desk, refusing: bool) -> None:
    desk.server.compose = passing_over
    if refusing:
        message = "Unknown parameter: 'response_format'."
        desk.server.replies.append(error(400, message, param="response_format"))
    assert desk.make("create", CREATE)["structured"] is False
    for body in desk.server.bodies[-9:]:
        assert "response_format" not in body
        assert body["messages"][-1]["content"].endswith("Text: ...\nLabel: ...")


def test_a_lone_text_is_asked_for_without_any_trial(desk: Desk) -> None:
    assert desk.make("rewrite")["structured"] is False
    assert all("response_format" not in body for body in desk.server.bodies)


def test_on_refuses_a_server_that_cannot_before_other_calls(desk: Desk) -> None:
    desk.server.compose = passing_over
    with pytest.raises(TeacherError, match="does not write by a JSON schema"):
        desk.make("rewrite", ON)
    assert desk.server.calls == 1
    desk.server.compose = obeying
    assert desk.make("rewrite", ON, cache="other")["structured"] is True


def test_off_makes_no_trial(desk: Desk) -> None:
    desk.server.compose = obeying
    assert desk.make("create", OFF)["structured"] is False
    assert all("response_format" not in body for body in desk.server.bodies)


VOID = [
    Reply(body=completion("I went on and", "length")),
    Reply(body=completion("", "stop")),
    Reply(body=completion(None, refusal="I cannot help with that")),
    Reply(body=completion("   \n")),
]


def test_what_came_to_nothing_is_asked_again_for_another_sample(desk: Desk) -> None:
    desk.server.replies.extend(VOID)
    told = desk.make("rewrite")
    assert (told["kept"], told["requests"], told["rejected"]) == (9, 9 + 4, {})
    assert desk.server.calls == 9 + 4
    first = desk.made("rewrite")
    assert desk.make("rewrite")["requests"] == 9 + 4
    assert desk.made("rewrite") == first
    assert desk.server.calls == 9 + 4, "the voids are kept too, and asked for no second time"


def test_what_cannot_be_read_is_asked_again(desk: Desk) -> None:
    desk.server.compose = obeying
    no_label = Reply(body=completion(json.dumps({"text": "something"})))
    desk.server.replies.extend([Reply(), no_label, no_label, no_label])
    told = desk.make("create", CREATE)
    assert (told["kept"], told["requests"], told["rejected"]) == (9, 9 + 3, {})


def test_every_try_counts_against_the_limit_and_the_last_text_is_kept(desk: Desk) -> None:
    desk.server.always = VOID[0]
    told = desk.make("rewrite")
    assert (told["kept"], told["requests"], told["rejected"]) == (0, 27, {"truncated": 18})
    assert desk.server.calls == 27
    rows = desk.made("rewrite")
    assert [row["id"] for row in rows] == [f"rewrite-0-{n:05d}" for n in range(1, 19)]
    assert [row["detail"] for row in rows] == ["2 tries"] * 9 + ["1 try"] * 9
    assert {row["raw"] for row in rows} == {"I went on and"}


@pytest.mark.parametrize("tries", [1, 3])
def test_a_study_says_how_often(desk: Desk, tries: int) -> None:
    desk.server.always = VOID[1]
    often = f"arms.rewrite={{operation: rewrite, tries: {tries}, max_requests: 27}}"
    assert desk.make("rewrite", often)["requests"] == 27
    details = Counter(row["detail"] for row in desk.made("rewrite"))
    assert details == ({"1 try": 27} if tries == 1 else {"3 tries": 9})


def call(name: str) -> Call:
    return Call(Request((Message("user", name),), sample=5), None, (name,), None)


def reading(names: list[str], place: int, answer: Answer | Failure) -> Candidate:
    """Reads all but "?"; the id is that of the call's place, whatever the try."""
    example = Example(f"made-{place}", {}, None)
    if isinstance(answer, Failure):
        return Candidate(example, answer.detail, Rejection(answer.cause, filter="call"))
    unread = Rejection("unparseable", "no text in the answer") if answer.text == "?" else None
    return Candidate(example, f"{names[place]}: {answer.text}", unread)


class Script:
    """Answers by name and try, as told; everything else is answered well."""

    def __init__(self, **told: list[str]) -> None:
        self.told = told
        self.asked: list[tuple[str, int]] = []

    def __call__(self, requests: list[Request]) -> list[Answer | Failure]:
        return [self._answer(one.messages[0].content, one.sample) for one in requests]

    def _answer(self, name: str, sample: int) -> Answer | Failure:
        before = [one for one in self.asked if one[0] == name]
        self.asked.append((name, sample))
        text = ([*self.told.get(name, []), "fine"])[len(before)]
        cause: dict[str, FailureCause] = {"cut": "truncated", "late": "timeout", "long": "too_long"}
        if text in cause:
            return Failure(cause[text], text)
        return Answer(text, 1, 1, 0.1, cached=False)


def attempts(script: Script, names: list[str], tries: int = 2, allowed: int = 99) -> list[Attempt]:
    calls = [call(name) for name in names]
    return ask_until_read(
        calls, script, lambda place, one: reading(names, place, one), tries, allowed
    )


def test_the_order_is_that_of_the_calls_whatever_was_asked_again() -> None:
    script = Script(a=["?"], c=["cut", "?"])
    found = attempts(script, ["a", "b", "c", "d"])
    assert [one.candidate.example.id for one in found] == [f"made-{n}" for n in range(4)]
    assert [one.tries for one in found] == [2, 1, 2, 1]
    assert [one.told().raw for one in found] == ["a: fine", "b: fine", "c: ?", "d: fine"]
    rejections = [one.told().rejection for one in found]
    assert rejections[:2] + rejections[3:] == [None] * 3
    assert rejections[2] == Rejection("unparseable", "no text in the answer (2 tries)")
    assert [name for name, _ in script.asked] == ["a", "b", "c", "d", "a", "c"]
    assert len(set(script.asked)) == 6, "each try is another sample"


def test_what_another_sample_cannot_mend_is_asked_once() -> None:
    script = Script(a=["late"], b=["long"])
    found = attempts(script, ["a", "b"], tries=3)
    assert [one.tries for one in found] == [1, 1]
    assert [one.told().rejection for one in found] == [
        Rejection("timeout", filter="call"),
        Rejection("too_long", filter="call"),
    ]


def test_the_first_calls_have_the_tries_that_are_left() -> None:
    script = Script(a=["?", "?"], b=["?", "?"], c=["?"])
    found = attempts(script, ["a", "b", "c"], tries=3, allowed=6)
    assert [one.tries for one in found] == [2, 2, 2]
    found = attempts(Script(a=["?"], b=["?"]), ["a", "b"], allowed=3)
    assert [one.tries for one in found] == [2, 1]
    assert [one.is_void for one in found] == [False, True]
    assert attempts(Script(), [], allowed=0) == []

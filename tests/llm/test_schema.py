"""Answers by JSON schema: which servers can, and how that is found out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from preceptor.augment import rewrite
from preceptor.data.example import Example
from preceptor.data.files import locate
from preceptor.errors import TeacherError
from preceptor.llm.cache import AnswerCache
from preceptor.llm.chat import Answer
from preceptor.llm.embedded import EmbeddedTeacher
from preceptor.llm.requantise import fast_weights
from preceptor.llm.schema import first_object, probe, response_format, takes_schema
from preceptor.llm.settings import EmbeddedSettings
from preceptor.store.fingerprint import file_hash
from preceptor.tasks.choice import ChoiceTask

from .conftest import MakeTeacher, ask_for
from .faulty import FaultyServer, Reply, completion, error


def obeying(body: dict[str, Any]) -> str:
    """The first value that the schema allows for every key, or a sentence without a schema."""
    if "response_format" not in body:
        return "Hello."
    keys = body["response_format"]["json_schema"]["schema"]["properties"]
    return json.dumps({key: told.get("enum", ["some text"])[0] for key, told in keys.items()})


def test_a_server_that_obeys_is_asked_once(make_teacher: MakeTeacher, server: FaultyServer) -> None:
    server.compose = obeying
    assert takes_schema(make_teacher())
    assert takes_schema(make_teacher())
    assert server.calls == 1


def test_nobody_obeys_by_chance() -> None:
    request = probe()
    (key,) = request.parameters["response_format"]["json_schema"]["schema"]["required"]
    assert all(key not in message.content for message in request.messages)


@pytest.mark.parametrize(
    "reply",
    [
        Reply(body=completion("Sure, here is a JSON object: {}")),
        Reply(body=completion('{"name": "John", "age": 30}')),
        Reply(body=completion('{"zq7": "value"}')),
        Reply(body=completion('{"zq7": "vx', "length")),
        Reply(body=completion(None, refusal="I cannot")),
        Reply(body=completion("")),
    ],
)
def test_a_server_that_takes_the_parameter_and_passes_it_over_does_not(
    make_teacher: MakeTeacher, server: FaultyServer, reply: Reply
) -> None:
    server.always = reply
    assert not takes_schema(make_teacher())


@pytest.mark.parametrize("status", [400, 422])
def test_a_server_that_refuses_the_parameter_does_not(
    make_teacher: MakeTeacher, server: FaultyServer, status: int
) -> None:
    message = "Unknown parameter: 'response_format'."
    server.always = error(status, message, param="response_format")
    assert not takes_schema(make_teacher())


@pytest.mark.parametrize("status", [401, 404, 503])
def test_where_nothing_can_be_known_nothing_is_said(
    make_teacher: MakeTeacher, server: FaultyServer, status: int
) -> None:
    server.always = error(status, "no")
    with pytest.raises(TeacherError):
        takes_schema(make_teacher(retries=1))


def test_the_object_is_found_and_what_stands_beside_it() -> None:
    assert first_object("none") is None
    assert first_object("{not this} {}") is None
    assert first_object('a {"k": "v"} b') == ([("k", "v")], "a \n b")
    assert first_object('{"k": 1, "k": 2,}') == ([("k", 1), ("k", 2)], "\n")


@pytest.fixture(scope="module")
def teacher(
    gguf: Path, shared_cache_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[EmbeddedTeacher]:
    parameters = {"temperature": 0.4, "max_tokens": 192}
    settings = EmbeddedSettings(engine="embedded", slots=4, context=1024, parameters=parameters)
    cache = AnswerCache(tmp_path_factory.mktemp("schema") / "answers.sqlite")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PRECEPTOR_CACHE", str(shared_cache_folder))
        fast_weights(gguf, file_hash(gguf))
        with EmbeddedTeacher(settings, gguf, cache) as running:
            yield running


def test_llama_cpp_writes_by_a_schema(teacher: EmbeddedTeacher) -> None:
    assert takes_schema(teacher)
    labels = response_format({"kind": None, "label": ["yes", "no"]})
    request = ask_for("Name an animal as JSON.", response_format=labels)
    (answer,) = teacher.ask([request], "asking")
    assert isinstance(answer, Answer)
    told = json.loads(answer.text)
    assert list(told) == ["kind", "label"]
    assert told["label"] in ("yes", "no")


TASK = ChoiceTask.model_validate(
    {"kind": "choice", "labels": ["yes", "no", "maybe"], "input": "{{ question }} {{ context }}"}
)


@pytest.mark.slow
def test_two_reworded_fields_can_be_read_by_schema(teacher: EmbeddedTeacher) -> None:
    """In the form `Question: ...` this small model wrote none of 8 before there was a schema."""
    rows = [
        json.loads(line) for line in locate("demo:questions.jsonl", Path()).read_text().splitlines()
    ]
    human = [
        Example(
            row["id"],
            {"question": row["question"], "context": row["context"]},
            row["label"],
            extra={"long_answer": row["long_answer"]},
        )
        for row in rows
    ]
    told = {"operation": "rewrite", "fields": ["question", "long_answer"]}
    settings = rewrite.RewriteSettings.model_validate(told)
    calls = list(islice(rewrite.calls(settings, TASK, human, 0, Path(), structured=True), 8))
    answers = teacher.ask([call.request for call in calls], "asking")
    made = [
        rewrite.read(settings, TASK, call, answer.text, id="r", teacher="t")
        for call, answer in zip(calls, answers, strict=True)
        if isinstance(answer, Answer)
    ]
    assert sum(isinstance(one, Example) for one in made) >= 6

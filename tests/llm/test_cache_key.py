"""The key holds all that can change an answer, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from preceptor.llm import embedded
from preceptor.llm.cache import AnswerCache
from preceptor.llm.chat import Answer, Message, Request
from preceptor.llm.settings import EmbeddedSettings

from .conftest import KEY, MakeTeacher, ask_for
from .faulty import FaultyServer

SCHEMA = {"type": "json_schema", "json_schema": {"name": "row", "schema": {"type": "object"}}}
PARAMETERS: dict[str, Any] = {
    "temperature": 0.7,
    "top_p": 0.9,
    "top_k": 40,
    "max_tokens": 64,
    "seed": 1,
    "stop": ["\n"],
    "frequency_penalty": 0.1,
    "presence_penalty": 0.1,
    "logit_bias": {"50256": -100},
    "response_format": SCHEMA,
}
OTHER: dict[str, Any] = {
    "temperature": 0.70001,
    "top_p": 0.8,
    "top_k": 41,
    "max_tokens": 65,
    "seed": 2,
    "stop": ["\n", "."],
    "frequency_penalty": 0.2,
    "presence_penalty": -0.1,
    "logit_bias": {"50256": -99},
    "response_format": {
        **SCHEMA,
        "json_schema": {"name": "row", "schema": {"type": "object", "required": ["text"]}},
    },
}
MESSAGES = (
    Message("system", "be brief"),
    Message("user", "one"),
    Message("assistant", "two"),
    Message("user", "three"),
)
REQUEST = Request(
    MESSAGES,
    PARAMETERS,
    sample=4,
)


def changed(place: int, **of: Any) -> Request:
    messages = list(REQUEST.messages)
    messages[place] = replace(messages[place], **of)
    return replace(REQUEST, messages=tuple(messages))


VARIANTS = {
    **{f"role of message {n}": changed(n, role="assistant") for n in (0, 1, 3)},
    "role of message 2": changed(2, role="user"),
    **{f"content of message {n}": changed(n, content="other") for n in range(4)},
    "a blank at the end": changed(3, content="three "),
    "one message less": replace(REQUEST, messages=REQUEST.messages[1:]),
    "order of messages": replace(REQUEST, messages=REQUEST.messages[::-1]),
    "messages joined": replace(REQUEST, messages=(Message("user", "one\ntwo\nthree"),)),
    "sample": replace(REQUEST, sample=5),
    **{
        f"parameter {name}": replace(REQUEST, parameters={**PARAMETERS, name: value})
        for name, value in OTHER.items()
    },
    **{
        f"without parameter {name}": replace(
            REQUEST, parameters={key: one for key, one in PARAMETERS.items() if key != name}
        )
        for name in PARAMETERS
    },
}


def test_every_parameter_has_a_variant() -> None:
    assert set(PARAMETERS) == set(OTHER)


@pytest.mark.parametrize("variant", VARIANTS.values(), ids=list(VARIANTS))
def test_whatever_can_change_an_answer_is_in_the_key(
    make_teacher: MakeTeacher, server: FaultyServer, variant: Request
) -> None:
    make_teacher().ask([REQUEST], "asking")
    again = make_teacher()
    again.ask([variant, REQUEST], "asking")
    assert (again.usage.calls, again.usage.cached) == (1, 1)
    assert server.calls == 2


def test_the_order_of_parameters_is_not_in_the_key(
    make_teacher: MakeTeacher, server: FaultyServer
) -> None:
    turned = dict(reversed(PARAMETERS.items()))
    make_teacher().ask([REQUEST, replace(REQUEST, parameters=turned)], "asking")
    assert server.calls == 1


def test_the_secret_is_in_no_file(
    make_teacher: MakeTeacher, server: FaultyServer, cache: AnswerCache
) -> None:
    make_teacher().ask([REQUEST], "asking")
    assert server.headers[0]["authorization"] == f"Bearer {KEY}"
    cache.close()
    files = [path for path in cache.path.parent.rglob("*") if path.is_file()]
    assert cache.path in files
    assert all(KEY.encode() not in path.read_bytes() for path in files)


def test_a_row_more_among_a_thousand_is_one_call(
    make_teacher: MakeTeacher, server: FaultyServer
) -> None:
    rows = [ask_for(f"row {number}") for number in range(1000)]
    make_teacher(concurrency=16).ask(rows, "asking")
    assert server.calls == 1000
    again = make_teacher(concurrency=16)
    answers = again.ask([*rows[:300], ask_for("a row more"), *rows[300:]], "asking")
    assert server.calls == 1001
    texts = [answer.text for answer in answers if isinstance(answer, Answer)]
    assert texts[300] == "echo: a row more"
    del texts[300]
    assert texts == [f"echo: row {number}" for number in range(1000)]
    assert (again.usage.calls, again.usage.cached) == (1, 1000)


SETTINGS = EmbeddedSettings(engine="embedded", slots=2, context=512)


def test_an_engine_of_this_machine_goes_by_weights_version_context_and_slots(
    tmp_path: Path,
) -> None:
    ours, theirs = tmp_path / "ours.gguf", tmp_path / "theirs.gguf"
    ours.write_bytes(b"GGUF one")
    theirs.write_bytes(b"GGUF two")
    identity = embedded.model_of(SETTINGS, ours)
    assert identity["engine_version"] == version("xllamacpp")
    others = [
        embedded.model_of(SETTINGS, theirs),
        embedded.model_of(SETTINGS.model_copy(update={"context": 1024}), ours),
        embedded.model_of(SETTINGS.model_copy(update={"slots": 4}), ours),
        {**identity, "engine_version": "0"},
        {**identity, "requantised": "another rule"},
    ]
    keys = {AnswerCache.key(one, REQUEST, PARAMETERS) for one in [identity, *others]}
    assert len(keys) == 6
    moved = tmp_path / "elsewhere.gguf"
    moved.write_bytes(b"GGUF one")
    same = embedded.model_of(SETTINGS.model_copy(update={"threads": 1}), moved)
    assert AnswerCache.key(same, REQUEST, PARAMETERS) in keys, "a path and threads change nothing"

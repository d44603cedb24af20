"""Answers as JSON: asking a server to write by a schema, finding out whether it can, reading."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from preceptor.errors import TeacherError
from preceptor.llm.chat import Answer, Failure, FailureCause, Message, Request, Teacher

_KEY, _VALUE = "zq7", "vx4"
"""what no model would write of itself, and what the prompt does not name"""
_TELLING: frozenset[FailureCause] = frozenset(["bad_request", "truncated", "refused", "empty"])
"""failures that come of what was asked, and so say that the server does not obey"""

Keys = Mapping[str, Sequence[str] | None]
"""what an answer must hold, in order: names, each with its possible values (None: any text)"""


def response_format(keys: Keys) -> dict[str, Any]:
    """OpenAI's ``response_format`` parameter for one flat object of strings.

    In the subset of JSON schema that strict mode takes everywhere: every key required, no
    other allowed (https://platform.openai.com/docs/guides/structured-outputs).

    Args:
        keys: what the object must hold, in the order in which it is to be written.
    """
    properties = {
        key: {"type": "string"} if values is None else {"type": "string", "enum": list(values)}
        for key, values in keys.items()
    }
    schema = {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
    named = {"name": "answer", "strict": True, "schema": schema}
    return {"type": "json_schema", "json_schema": named}


def probe() -> Request:
    """A call whose answer tells whether the server writes by a schema."""
    asked = Message("user", "Answer with a JSON object.")
    return Request((asked,), {"response_format": response_format({_KEY: [_VALUE]})})


def takes_schema(teacher: Teacher) -> bool:
    """Whether the teacher's server writes by a JSON schema, found out by one small call.

    Many servers take the parameter and pass it over, so the schema allows only an object that
    nobody would write without having read it. The answer is kept in the cache like any other.

    Raises:
        TeacherError: the server gave no answer at all, so that nothing is known.
    """
    try:
        (outcome,) = teacher.ask([probe()], "trying structured output")
    except TeacherError as error:
        if _is_refusal(error):
            return False
        raise
    if isinstance(outcome, Answer):
        found = first_object(outcome.text)
        return found is not None and found[0] == [(_KEY, _VALUE)]
    if outcome.cause in _TELLING:
        return False
    raise _unknown(teacher, outcome)


def _is_refusal(error: TeacherError) -> bool:
    """Whether an error that ends all calls says that this parameter is not taken."""
    return "status 400" in error.what or "status 422" in error.what


def _unknown(teacher: Teacher, failure: Failure) -> TeacherError:
    return TeacherError(
        "cannot find out whether the teacher's server writes by a JSON schema",
        where=f"the teacher {teacher.name}",
        found=f"{failure.cause}: {failure.detail}",
        fix="run again, or set the arm's `structured: off` where the server fails each time",
    )


_DECODER = json.JSONDecoder(object_pairs_hook=list, strict=False)
_TRAILING_COMMA = re.compile(r'("(?:[^"\\]|\\.)*")|,(?=\s*[}\]])', re.DOTALL)


def first_object(text: str) -> tuple[list[tuple[str, Any]], str] | None:
    """The JSON object that begins at the first brace of a text, and the text around it.

    Line breaks within strings and a comma after the last value are passed over.

    Returns:
        The pairs of key and value as they stand, doubles among them, and all else of the text;
        None if no object begins there.
    """
    start = text.find("{")
    if start < 0:
        return None
    for candidate in (text[start:], _TRAILING_COMMA.sub(_kept, text[start:])):
        try:
            pairs, end = _DECODER.raw_decode(candidate)
        except (ValueError, RecursionError):
            continue
        return pairs, f"{text[:start]}\n{candidate[end:]}"
    return None


def _kept(match: re.Match[str]) -> str:
    return match[1] or ""

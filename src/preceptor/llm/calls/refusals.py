"""Which parameter a server refuses, read from its words."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from preceptor.llm.calls.replies import error_of, server_message

SCHEMA = "response_format"
_ALSO_CALLED = {SCHEMA: ("json_schema", "json_object", "structured output", "structured outputs")}
_RENAMED = {
    "max_tokens": ("max_completion_tokens", "max_output_tokens"),
    "max_completion_tokens": ("max_tokens",),
}
"""names of one thing, of which servers know different ones"""
_CODES = ("unsupported_parameter", "unsupported_value", "unknown_parameter", "extra_forbidden")
_REFUSING = re.compile(
    r"un(supported|known|recogni[sz]ed|expected|available)|deprecated|invalid|must be|only|instead"
    r"|no longer|cannot be (used|set)|not (\w+ )?(support|allow|permit|availab|recogni[sz]|accept)",
    re.IGNORECASE,
)
# A value that is wrong in itself is a slip that its author wants to mend, and both of two that
# exclude each other may be meant.
_WRONG_VALUE = re.compile(
    r"between|at (most|least)|(less|greater|smaller|larger|lower|higher|more) than|too (large|high"
    r"|small|low|big|long|many)|maximum|minimum|exceed|\brange|[<>≤≥]|\bboth\b|invalid type"
    r"|(must|should) be an? |expected an? |supported values|one of",
    re.IGNORECASE,
)
# "stop" and "user" are words of any sentence; quoted or called a parameter, they are names.
_PLAIN = (
    r"['\"`]{0}['\"`.\[]|\b(parameter|argument|field|supplied|invalid|unsupported)s?:? {0}\b"
    r"|\b{0} (parameter|argument|field|option|value)|^{0}\b"
)


def named(body: object, parameters: Mapping[str, Any]) -> str | None:
    """The parameter that a refusal speaks of, if it is one of those that were sent.

    Args:
        body: of a reply with status 400 or 422, parsed where it was JSON.
        parameters: as sent.
    """
    places = list(_places(body))
    for name in parameters:
        if {name, *_ALSO_CALLED.get(name, ())} & set(places):
            return name
    # A place that is none of ours means something else. FastAPI, besides, repeats what it was
    # sent, prompts and all.
    if places:
        return None
    message = server_message(body)
    found = {name: place for name in parameters if (place := _place(name, message)) is not None}
    return min(found, key=lambda name: found[name]) if found else None


def is_unsupported(body: object, name: str) -> bool:
    """Whether the server does not take this parameter, rather than this value of it.

    Args:
        body: of the refusal.
        name: from :func:`named`.
    """
    error = error_of(body)
    told = [error.get("code"), error.get("type"), *(one.get("type") for one in _details(error))]
    # Which forms of answer a server knows is found out by trying.
    if name == SCHEMA or any(code in _CODES for code in told):
        return True
    message = server_message(body)
    return bool(_REFUSING.search(message)) and not _WRONG_VALUE.search(message)


def instead_of(name: str, body: object, parameters: Mapping[str, Any]) -> str | None:
    """The other name of ``name`` that the refusal asks for; None: there is none.

    Args:
        name: from :func:`named`.
        body: of the refusal.
        parameters: as sent; a name that is among them already is no other one.
    """
    message = server_message(body)
    others = (other for other in _RENAMED.get(name, ()) if other not in parameters)
    return next((other for other in others if _place(other, message) is not None), None)


def _places(body: object) -> Iterator[str]:
    """The names in OpenAI's ``param`` ("reasoning.effort") and in FastAPI's ``loc``."""
    error = error_of(body)
    param = error.get("param")
    if isinstance(param, str) and param:
        yield from param.split(".")
    for detail in _details(error):
        place = detail.get("loc")
        yield from (str(part) for part in place) if isinstance(place, list) else ()


def _details(error: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    details = error.get("detail")
    listed = details if isinstance(details, list) else []
    return [one for one in listed if isinstance(one, Mapping)]


def _place(name: str, message: str) -> int | None:
    """Where a message speaks of a parameter, if it does."""
    names = (name, *_ALSO_CALLED.get(name, ()))
    found = (re.search(_pattern(one), message, re.IGNORECASE) for one in names)
    return min((match.start() for match in found if match), default=None)


def _pattern(name: str) -> str:
    plain = re.escape(name)
    return rf"(?<!\w){plain}(?!\w)" if re.search(r"\W|_", name) else _PLAIN.format(plain)

"""One line of a batch: a request on its way out, an answer or a typed failure on its way back."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from preceptor.llm.cache import KEPT_FAILURES
from preceptor.llm.cached import Outcome
from preceptor.llm.calls import replies
from preceptor.llm.chat import Answer, Failure, FailureCause, Request

PATH = "/v1/chat/completions"
"""of every request of a batch, whatever the server's own address"""
_SHOWN = 200


@dataclass(frozen=True, slots=True)
class Row:
    """What a batch brought for one request.

    Attributes:
        key: the request's cache key, sent as ``custom_id``.
        outcome: what came back.
        again: whether another batch may bring more.
        refusal: status and body, where the server would not take the request: for its prompt,
            or for what all requests have in common.
    """

    key: str
    outcome: Outcome
    again: bool = False
    refusal: tuple[int, object] | None = None


def write_row(key: str, model: str, request: Request, sent: Mapping[str, Any]) -> bytes:
    """The line that asks for a request's answer.

    Args:
        key: its cache key. OpenAI allows 64 characters, the length of a SHA-256.
        model: the model's name.
        request: its messages count.
        sent: its parameters as the server takes them.
    """
    messages = [{"role": one.role, "content": one.content} for one in request.messages]
    body = {"model": model, "messages": messages, **sent}
    line = {"custom_id": key, "method": "POST", "url": PATH, "body": body}
    # All in ASCII: some readers take U+2028, raw in a text, for the end of a line.
    return json.dumps(line).encode() + b"\n"


def read_row(line: bytes) -> Row | None:
    """Read a line of an output or error file; None where it names no request."""
    try:
        told = json.loads(line)
        key = told["custom_id"]
    except (ValueError, LookupError, TypeError, RecursionError):
        return None
    if not isinstance(key, str):
        return None
    reply = told.get("response")
    if isinstance(reply, Mapping):
        return _replied(key, reply.get("status_code"), reply.get("body"))
    return _failed(key, told.get("error"))


def kind_of(sent: Mapping[str, Any]) -> str:
    """What a server takes or refuses in all prompts alike: the parameters, but for a seed."""
    parameters = {name: value for name, value in sent.items() if name != "seed"}
    return json.dumps(parameters, sort_keys=True)


def shortened(line: bytes) -> str:
    """The beginning of a line that cannot be read, for a person."""
    text = line[: _SHOWN + 1].decode("utf-8", errors="replace").strip()
    return text if len(line) <= _SHOWN else f"{text[:_SHOWN]}…"


def _replied(key: str, status: Any, body: object) -> Row:
    status = status if isinstance(status, int) else 0
    if status == 200:
        # A batch tells no time of one call.
        outcome = replies.read_completion(json.dumps(body), 0.0)
        return Row(key, outcome, again=_is_malformed(outcome))
    failure = replies.failure_of_one(status, body)
    if failure is not None:
        return Row(key, failure)
    # OpenAI writes status 0 where its own part of a batch broke.
    if status >= 300 and replies.is_final(status, body):
        failure = Failure("bad_request", f"status {status}: {replies.server_message(body)}")
        return Row(key, failure, refusal=(status, body))
    return Row(key, replies.exhausted(status, body), again=True)


def _is_malformed(outcome: Outcome) -> bool:
    return isinstance(outcome, Failure) and outcome.cause == "malformed"


def _failed(key: str, error: object) -> Row:
    failure = replies.failure_of_one(0, {"error": error})
    if failure is not None:
        return Row(key, failure)
    code = error.get("code") if isinstance(error, Mapping) else None
    cause: FailureCause = "timeout" if code == "batch_expired" else "server_error"
    message = replies.server_message({"error": error})
    return Row(key, Failure(cause, f"{code or 'no answer'}: {message}"), again=True)


def missing(status: str, unread: Sequence[str]) -> Failure:
    """Why a request has no line of its own in what a batch brought.

    Args:
        status: that the batch ended with.
        unread: lines of it that cannot be read.
    """
    if status == "expired":
        return Failure("timeout", "the batch expired before its turn came")
    what = f"the batch ended as {status} without a line for this request"
    if unread:
        what += f"; {len(unread)} of its lines cannot be read, the first: {unread[0]}"
    return Failure("malformed" if unread else "server_error", what)


def is_kept(outcome: Outcome) -> bool:
    """Whether a model answered, so that the cache keeps it."""
    return isinstance(outcome, Answer) or outcome.cause in KEPT_FAILURES

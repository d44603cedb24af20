"""What a server's reply means: an answer, a failure of one call, or the end of all calls."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from preceptor.errors import TeacherError
from preceptor.llm.chat import Answer, Failure, FailureCause

RETRIED_STATUS = (408, 409, 429)
"""besides 5xx; those that the OpenAI SDK tries again too"""

_TOO_LONG = ("context_length_exceeded", "exceed_context_size_error", "string_above_max_length")
_TOO_LONG_WORDS = (
    "maximum context length",  # OpenAI, vLLM, Mistral, DeepSeek
    "context size",  # llama.cpp
    "context window",
    "model's context length",  # SGLang
    "too many tokens",
    "prompt is too long",  # Anthropic, Fireworks
    "input is too long",  # Bedrock
    "maximum number of tokens allowed",  # Gemini
    "maximum prompt length",  # xAI
    "maximum model length",  # vLLM
    "inputs tokens + max_new_tokens must be",  # TGI
    "inputs must have less than",  # TGI
    "reduce the length of the",  # OpenAI, Groq
)
UNPROCESSABLE = (400, 422)
"""speak of one prompt where others were answered, and of all calls alike where none was"""
_REFUSED = ("content_filter", "content_policy_violation")
_FIXES = {
    401: "check the key in the environment variable that key_env names",
    402: "the account has no credit left: top it up, then run again",
    403: "the key may not use this model: check the account's rights",
    404: "check the teacher's base_url (up to and including /v1) and model",
    429: "the account's quota is spent: raise it or wait, then run again",
}
_SHOWN = 500
_NOT_A_COMPLETION = (
    *(ValueError, LookupError, TypeError, AttributeError),
    OverflowError,  # usage of Infinity tokens, which Python reads as JSON
    RecursionError,  # brackets without end
)


def read_completion(body: str, seconds: float) -> Answer | Failure:
    """Read the body of a reply with status 200.

    Args:
        body: the reply as text.
        seconds: how long the call took.

    Returns:
        The answer if it is whole; otherwise a failure that is "truncated", "refused",
        "empty" or, where the body is no chat completion, "malformed".
    """
    try:
        completion = json.loads(body)
        choice = completion["choices"][0]
        message = choice["message"]
        text = message.get("content") or ""
        told = completion.get("usage") or {}
        paid = (int(told.get("prompt_tokens") or 0), int(told.get("completion_tokens") or 0))
        finish = choice.get("finish_reason")
        refusal = message.get("refusal")
        # Half a surrogate pair, an emoji cut in two, is no text that can be kept.
        str(text).encode()
    except _NOT_A_COMPLETION:
        return Failure("malformed", shown(body))
    if not isinstance(text, str):
        return Failure("malformed", shown(body), *paid)
    if finish == "length":
        return Failure("truncated", text, *paid, seconds=seconds)
    if finish == "content_filter" or refusal:
        return Failure("refused", str(refusal or text), *paid, seconds=seconds)
    if not text.strip():
        return Failure("empty", f"finish_reason: {finish}", *paid, seconds=seconds)
    return Answer(text, *paid, seconds=seconds, cached=False)


def failure_of_one(status: int, body: object) -> Failure | None:
    """The failure, if a status other than 200 speaks of this one prompt and no other.

    Args:
        status: HTTP status of the reply.
        body: its body, parsed where it was JSON.
    """
    codes = {str(error_of(body).get(name)).lower() for name in ("code", "type")}
    message = server_message(body)
    if status == 413 or codes & set(_TOO_LONG):
        return Failure("too_long", message)
    plain = message.lower().replace("`", "")
    if status in UNPROCESSABLE and any(words in plain for words in _TOO_LONG_WORDS):
        return Failure("too_long", message)
    if codes & set(_REFUSED):
        return Failure("refused", message)
    return None


def exhausted(status: int, body: object) -> Failure:
    """The failure of a call whose last try ended in a status that is worth a retry."""
    cause: FailureCause = "server_error"
    if status == 429:
        cause = "rate_limited"
    elif status == 408:
        cause = "timeout"
    return Failure(cause, f"status {status}: {server_message(body)}")


def is_final(status: int, body: object) -> bool:
    """Whether asking again cannot help."""
    if status == 429:
        return "insufficient_quota" in (error_of(body).get("code"), error_of(body).get("type"))
    return status not in RETRIED_STATUS and status < 500


def stop(status: int, body: object, address: str, model: str, refused: str | None) -> TeacherError:
    """The error that ends a batch: every further call would be refused alike.

    Args:
        status: HTTP status of the reply.
        body: its body, parsed where it was JSON.
        address: the server's address.
        model: the model that was asked for.
        refused: the parameter that the server speaks of, if it does.
    """
    fix = _FIXES.get(status, "change the teacher's settings as the server says")
    if 300 <= status < 400:
        fix = "the server sends calls to another address: put that one into base_url"
    if refused:
        fix = f"in the study, rename, change or remove the teacher's parameters.{refused}"
    return TeacherError(
        f"the teacher's server refuses the calls (status {status})",
        where=f"{address}, model {model}",
        found=server_message(body),
        fix=fix,
    )


def server_message(body: object) -> str:
    """The server's own words."""
    error = error_of(body)
    words = error.get("message") or error.get("detail") or body
    return shown(words if isinstance(words, str) else json.dumps(words, ensure_ascii=False))


def without(key: str | None, body: object) -> object:
    """The body with the API key struck out: some servers repeat it in their refusal."""
    # A shorter one ("none", "EMPTY") is a placeholder, and may stand in any sentence.
    if not key or len(key) < 8:
        return body
    if isinstance(body, str):
        return body.replace(key, "***")
    if isinstance(body, dict):
        return {name: without(key, value) for name, value in body.items()}
    if isinstance(body, list):
        return [without(key, value) for value in body]
    return body


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait as the server asks (RFC 9110, 10.2.3: seconds or a date), if it does."""
    if text := headers.get("retry-after-ms"):
        return _number(text, 1000.0)
    text = headers.get("retry-after", "")
    seconds = _number(text)
    if seconds is not None or not text:
        return seconds
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())


def _number(text: str, per_second: float = 1.0) -> float | None:
    try:
        return max(0.0, float(text) / per_second)
    except ValueError:
        return None


def error_of(body: object) -> Mapping[str, Any]:
    """The part of a body that tells of an error; empty where it is no JSON object."""
    # The SDK has taken the "error" object out of the body already where there was one.
    if not isinstance(body, Mapping):
        return {}
    inner = body.get("error")
    return inner if isinstance(inner, Mapping) else body


def shown(text: str) -> str:
    """As much of a server's words as is worth showing."""
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"

"""What is asked of a teacher and what comes back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

FailureCause = Literal[
    "unauthorised",  # 401, 403
    "not_found",  # 404: no such model or path
    "bad_request",  # another 4xx
    "rate_limited",  # 429 after all retries
    "server_error",  # 5xx after all retries
    "timeout",
    "unreachable",
    "malformed",  # a body that is not a chat completion
    "truncated",  # finish_reason "length": the answer is not whole
    "refused",  # a refusal or a content filter
    "empty",
]


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a conversation."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class Request:
    """One call of a teacher.

    Attributes:
        messages: the conversation as rendered.
        parameters: sampling parameters beyond the teacher's own (a seed, say); they win.
        sample: tells apart calls that are otherwise the same and shall be answered anew.
    """

    messages: tuple[Message, ...]
    parameters: Mapping[str, Any] = field(default_factory=dict)
    sample: int = 0


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer.

    Attributes:
        text: what the teacher wrote.
        prompt_tokens: tokens of the prompt as the server counted them (0: not told).
        completion_tokens: tokens of the answer, likewise.
        seconds: time of the call; of the original call where it came from the cache.
        cached: whether it came from the cache.
    """

    text: str
    prompt_tokens: int
    completion_tokens: int
    seconds: float
    cached: bool


@dataclass(frozen=True, slots=True)
class Failure:
    """A call that gave no whole answer.

    Attributes:
        cause: what went wrong, one of a fixed set.
        detail: the server's words or the broken text.
    """

    cause: FailureCause
    detail: str


class Teacher(Protocol):
    """A large model that answers requests. Use as a context manager: engines start and stop."""

    def ask(self, requests: list[Request], label: str) -> list[Answer | Failure]:
        """Answer all requests, in their order; ``label`` names the progress bar."""
        ...

    def __enter__(self) -> Teacher: ...

    def __exit__(self, *exc: object) -> None: ...

"""What is asked of a teacher and what comes back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, Protocol

from preceptor.llm.settings import Price

FailureCause = Literal[
    "unauthorised",  # 401, 403
    "not_found",  # 404: no such model or path
    "bad_request",  # another 4xx
    "too_long",  # the prompt does not fit the model's context
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
        full_price: whether a teacher that asks in batches called for it at once, outside of them.
    """

    text: str
    prompt_tokens: int
    completion_tokens: int
    seconds: float
    cached: bool
    full_price: bool = False


@dataclass(frozen=True, slots=True)
class Failure:
    """A call that gave no whole answer.

    Attributes:
        cause: what went wrong, one of a fixed set.
        detail: the server's words or the broken text.
        prompt_tokens: tokens that were paid all the same (a truncated answer), if told.
        completion_tokens: likewise.
        full_price: as of an answer.
        seconds: time of the call, as of an answer; 0 where it is not known.
    """

    cause: FailureCause
    detail: str
    prompt_tokens: int = 0
    completion_tokens: int = 0
    full_price: bool = False
    seconds: float = field(default=0.0, compare=False)


_COUNTS = (
    "calls",
    "cached",
    "failed",
    "prompt_tokens",
    "completion_tokens",
    "cached_prompt_tokens",
    "cached_completion_tokens",
    "full_prompt_tokens",
    "full_completion_tokens",
    "seconds",
)


_PLACES = 12
"""of a cost; a token costs some 1e-8, and what lies below is the noise of sums"""


@dataclass(frozen=True, slots=True)
class Usage:
    """What a teacher has been asked since it was opened, and what its answers cost.

    Tokens and cost are those of all answers used, whenever they were paid, so that they do not
    depend on how often a run was stopped; what the cache gave is told apart, and the rest is
    what was paid just now. An answer counts once for each batch of requests that uses it.

    Attributes:
        calls: requests that went to the model; further tries of one are not counted.
        cached: requests answered without a call, duplicates within a batch among them.
        failed: answers that were none or not whole, those that the cache gave among them.
        prompt_tokens: tokens of the answers' prompts, failed ones included where told.
        completion_tokens: tokens of the answers, likewise.
        cached_prompt_tokens: how many of them were paid before and stood in the cache.
        cached_completion_tokens: likewise.
        full_prompt_tokens: how many of them a teacher that asks in batches paid in full, since
            it called at once. Of what stood in the cache that is not known, and none counts so.
        full_completion_tokens: likewise.
        seconds: wall-clock time in which calls were running.
        cost: price of all these tokens; None where the study names no price.
        cached_cost: the part of it that was paid before.
        currency: of the costs; None where there is none.
    """

    calls: int = 0
    cached: int = 0
    failed: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_prompt_tokens: int = 0
    cached_completion_tokens: int = 0
    full_prompt_tokens: int = 0
    full_completion_tokens: int = 0
    seconds: float = 0.0
    cost: float | None = None
    cached_cost: float | None = None
    currency: str | None = None

    def __add__(self, other: Usage) -> Usage:
        """Both together; a cost that only one of them knows counts alone."""
        return Usage(
            **{name: getattr(self, name) + getattr(other, name) for name in _COUNTS},
            cost=_sum(self.cost, other.cost),
            cached_cost=_sum(self.cached_cost, other.cached_cost),
            currency=self.currency or other.currency,
        )

    def __sub__(self, earlier: Usage) -> Usage:
        """What came after ``earlier``, a usage of the same teacher."""
        return Usage(
            **{name: getattr(self, name) - getattr(earlier, name) for name in _COUNTS},
            cost=_less(self.cost, earlier.cost),
            cached_cost=_less(self.cached_cost, earlier.cached_cost),
            currency=self.currency,
        )

    def priced(self, price: Price | None, full: Price | None = None) -> Usage:
        """The same with its costs, as far as a price is known.

        Args:
            price: of a token.
            full: of one outside of batches, where that is another.
        """
        if price is None:
            return self
        at_once = (self.full_prompt_tokens, self.full_completion_tokens)
        rest = (self.prompt_tokens - at_once[0], self.completion_tokens - at_once[1])
        return replace(
            self,
            cost=price.of(*rest) + (full or price).of(*at_once),
            cached_cost=price.of(self.cached_prompt_tokens, self.cached_completion_tokens),
            currency=price.currency,
        )

    def as_dict(self) -> dict[str, int | float | str | None]:
        """The fields as JSON values."""
        return asdict(self)


def _sum(one: float | None, other: float | None) -> float | None:
    known = [cost for cost in (one, other) if cost is not None]
    return round(sum(known), _PLACES) if known else None


def _less(cost: float | None, earlier: float | None) -> float | None:
    return None if cost is None else round(cost - (earlier or 0.0), _PLACES)


class Teacher(Protocol):
    """A large model that answers requests. Use as a context manager: engines start and stop."""

    @property
    def name(self) -> str:
        """What the report and the made examples call the teacher."""
        ...

    @property
    def identity(self) -> dict[str, Any]:
        """All that can change its answers; :func:`preceptor.llm.identity_of` tells it before."""
        ...

    @property
    def usage(self) -> Usage:
        """What was asked of it so far; the difference of two is what came between them."""
        ...

    @property
    def footprint(self) -> dict[str, Any]:
        """What it takes on this machine while it runs; empty where that is not known."""
        ...

    def ask(self, requests: list[Request], label: str) -> list[Answer | Failure]:
        """Answer all requests, in their order; ``label`` names the progress bar."""
        ...

    def __enter__(self) -> Teacher: ...

    def __exit__(self, *exc: object) -> None: ...

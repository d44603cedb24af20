"""Requests and tokens a minute, where a server allows only so many."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from preceptor.llm.chat import Request
from preceptor.llm.settings import ANSWER_LIMITS

WINDOW = 61.0
"""seconds in which at most a minute's share is sent: the way to the server takes not always
equally long, so calls may arrive closer together than they were sent"""
CHARACTERS = 4
"""of a prompt to one token, before the server has counted; English text has about so many"""
UNKNOWN_ANSWER = 256
"""tokens of an answer as long as none has come and no parameter caps it"""


@dataclass(slots=True)
class Spent:
    """What one call takes of the limits.

    Attributes:
        at: when it was sent, in seconds of the clock.
        tokens: of its prompt and its answer; estimated, until the server has told.
        counts: whether it was sent less than a window ago.
    """

    at: float
    tokens: int
    counts: bool = True


class Rates:
    """At most so many requests and tokens in any window, wherever the window begins.

    That is stricter than a bucket that fills steadily and than minutes of the clock, so a server
    that counts in either way is content.

    Args:
        requests: calls in a window; None for no limit.
        tokens: of their prompts and answers; None for no limit. A call that alone takes more
            waits until it is alone in its window.
        window: seconds.
        clock: seconds that never go backwards.
    """

    def __init__(
        self,
        requests: int | None,
        tokens: int | None,
        window: float = WINDOW,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._requests = requests
        self._tokens = tokens
        self._window = window
        self._clock = clock
        self._spent: deque[Spent] = deque()
        self._sum = 0
        self._answers = self._answer_tokens = 0

    def estimate(self, request: Request, parameters: Mapping[str, Any]) -> int:
        """Tokens that a call may take at most, as servers reckon before they answer.

        Args:
            request: its prompt.
            parameters: as sent; what caps the answer counts as its length, otherwise the mean
                of the answers so far.
        """
        characters = sum(len(message.content) for message in request.messages)
        caps = (parameters.get(name) for name in ANSWER_LIMITS)
        cap = next((cap for cap in caps if isinstance(cap, int)), None)
        return characters // CHARACTERS + (self._mean_answer() if cap is None else cap)

    def wait(self, tokens: int) -> float:
        """Seconds until a call of so many tokens may be sent, as far as is known; 0: at once."""
        now = self._clock()
        self._forget(now)
        return max(self._until_request(now), self._until_tokens(now, tokens))

    def start(self, tokens: int) -> Spent:
        """Count a call that is sent now; hand its record to :meth:`told` once it is answered."""
        limited = self._requests is not None or self._tokens is not None
        spent = Spent(self._clock(), tokens, counts=limited)
        if not limited:
            return spent
        self._spent.append(spent)
        self._sum += tokens
        return spent

    def told(self, spent: Spent, prompt_tokens: int, answer_tokens: int) -> None:
        """Put what the server has counted in the place of the estimate."""
        if not prompt_tokens and not answer_tokens:
            return
        self._answers += 1
        self._answer_tokens += answer_tokens
        if spent.counts:
            self._sum += prompt_tokens + answer_tokens - spent.tokens
        spent.tokens = prompt_tokens + answer_tokens

    def _mean_answer(self) -> int:
        return self._answer_tokens // self._answers if self._answers else UNKNOWN_ANSWER

    def _forget(self, now: float) -> None:
        while self._spent and self._spent[0].at + self._window <= now:
            gone = self._spent.popleft()
            gone.counts = False
            self._sum -= gone.tokens

    def _until_request(self, now: float) -> float:
        if self._requests is None or len(self._spent) < self._requests:
            return 0.0
        return self._spent[-self._requests].at + self._window - now

    def _until_tokens(self, now: float, tokens: int) -> float:
        if self._tokens is None:
            return 0.0
        over = self._sum + min(tokens, self._tokens) - self._tokens
        free_at = now
        for spent in self._spent:
            if over <= 0:
                break
            over -= spent.tokens
            free_at = spent.at + self._window
        return free_at - now

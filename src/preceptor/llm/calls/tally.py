"""How a batch fares: stop where too many of its calls fail on the server's side."""

from __future__ import annotations

from collections import Counter

from preceptor.errors import TeacherError
from preceptor.llm.chat import Answer, Failure, FailureCause

SERVER_SIDE: frozenset[FailureCause] = frozenset(
    ["rate_limited", "server_error", "timeout", "unreachable", "malformed"]
)
"""causes that lie with the server, not with what was asked"""
ENOUGH = 20
"""calls that must have ended before their share of failures says anything"""


class Tally:
    """Counts the calls of a batch as they end.

    Args:
        max_failures: the share of failed calls from which on no more are made.
        where: the server, for the error.
    """

    def __init__(self, max_failures: float, where: str) -> None:
        self._max_failures = max_failures
        self._where = where
        self._ended = 0
        self._failed: Counter[FailureCause] = Counter()
        self._last: dict[FailureCause, str] = {}

    def add(self, outcome: Answer | Failure) -> None:
        """Count a call that has ended, after all its tries.

        Raises:
            TeacherError: more than ``max_failures`` of the calls have failed.
        """
        self._ended += 1
        if isinstance(outcome, Failure) and outcome.cause in SERVER_SIDE:
            self._failed[outcome.cause] += 1
            self._last[outcome.cause] = outcome.detail
        failed = self._failed.total()
        if self._ended >= ENOUGH and failed > self._max_failures * self._ended:
            raise TeacherError(
                f"{failed} of the first {self._ended} calls failed, more than the share of"
                f" {self._max_failures:g} that max_failures allows",
                where=self._where,
                found=self._by_cause(),
                fix="run again once the server is well: answers received so far are kept. Where"
                " it goes on, lower the teacher's concurrency, raise its timeout or retries, or"
                " allow more failures with max_failures",
            )

    def _by_cause(self) -> str:
        """Each cause with its count and the last words heard of it, the commonest first."""
        return "".join(
            f"\n    {cause} ({count}), the last: {self._last[cause][:200]}"
            for cause, count in self._failed.most_common()
        )

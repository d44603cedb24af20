"""How many calls are in flight: as many as go well, fewer while the server has enough."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from statistics import median

BUSY = (429, 503, 529)
"""statuses by which servers say that they have too much to do (529: Anthropic)"""
ENOUGH = 20
"""calls whose median says how long answers take just now"""
RISE = 3.0
"""times the best median seen that count as rising latency; answers that are compared differ in
length, and so in time, by less than 2"""
FLOOR = 1.0
"""seconds of a median below which nothing counts as slow: there, this machine's own load and the
network weigh as much as the server"""
TIMED_OUT = 4
"""one in so many of a window's calls that times out counts as rising latency; 3 at least"""


class Throttle:
    """Slots for calls: halved at once where the server is busy, one more after each good window.

    Additive increase and multiplicative decrease, as in TCP (Chiu and Jain 1989; RFC 5681): many
    clients of one server come to fair shares without knowing of each other. Calls that were in
    flight together halve it once. A window is as many good calls as there are slots.

    How long answers take is compared only between answers of about one length (the same power of
    two of tokens), so that a long answer does not look like trouble.

    Args:
        most: slots to start with, and at most.
        adapts: whether the number changes at all.
    """

    def __init__(self, most: int, adapts: bool = True) -> None:
        self.limit = most
        self.halvings = 0
        self._most = most
        self._adapts = adapts
        self._running = 0
        self._queue: deque[asyncio.Future[None]] = deque()
        self._well = self._timeouts = 0
        self._recent: dict[int, list[float]] = {}
        self._best: dict[int, float] = {}

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """Wait for a slot, first come, first served, and hold it for the block."""
        if self._running < self.limit and not self._queue:
            self._running += 1
        else:
            await self._handed_over()
        try:
            yield
        finally:
            self._release()

    def went_well(self, halvings: int, seconds: float, tokens: int) -> None:
        """Count a call that was answered.

        Args:
            halvings: how many there had been when the call was sent; an older call says nothing
                of the slots that there are now.
            seconds: from its sending to its answer.
            tokens: of its answer.
        """
        if not self._adapts or halvings != self.halvings:
            return
        if self._is_slow(seconds, tokens.bit_length()):
            self._halve()
            return
        self._well += 1
        if self._well >= self.limit:
            self._well = self._timeouts = 0
            self.limit = min(self._most, self.limit + 1)
            self._hand_over()

    def was_busy(self, halvings: int) -> None:
        """Count a call that was turned away with a status of :data:`BUSY`."""
        if self._adapts and halvings == self.halvings:
            self._halve()

    def timed_out(self, halvings: int) -> None:
        """Count a call that was given up; one alone may be a model that does not end."""
        if not self._adapts or halvings != self.halvings:
            return
        self._timeouts += 1
        if self._timeouts >= max(3, self.limit // TIMED_OUT):
            self._halve()

    def _is_slow(self, seconds: float, length: int) -> bool:
        recent = self._recent.setdefault(length, [])
        recent.append(seconds)
        if len(recent) < max(ENOUGH, self.limit):
            return False
        now = median(recent)
        best = self._best.get(length, now)
        recent.clear()
        slow = now > max(FLOOR, RISE * best)
        # Where calls wait for each other, half of them take half as long. Where they do not, the
        # server is slow for another reason, and its present pace is what to go by: otherwise
        # one slow hour would end with a single slot.
        self._best[length] = max(best, now / 2) if slow else min(best, now)
        return slow

    def _halve(self) -> None:
        self.limit = max(1, self.limit // 2)
        self.halvings += 1
        self._well = self._timeouts = 0
        self._recent.clear()

    async def _handed_over(self) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._release()
            raise

    def _release(self) -> None:
        self._running -= 1
        self._hand_over()

    def _hand_over(self) -> None:
        while self._queue and self._running < self.limit:
            turn = self._queue.popleft()
            if not turn.done():
                self._running += 1
                turn.set_result(None)

"""What every teacher has: the cache around its calls and the account of them."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Self, cast

from preceptor.llm.budget import Account
from preceptor.llm.cache import AnswerCache
from preceptor.llm.chat import Answer, Failure, Request, Usage
from preceptor.llm.settings import Price
from preceptor.llm.waiting import Books, Deliver, Outcome, Waiting
from preceptor.progress import Advance, bar

__all__ = ["CachedTeacher", "Deliver", "Outcome"]


class CachedTeacher(ABC):
    """A teacher that never asks its model for what the cache holds.

    Args:
        name: what the report calls it.
        model: all that tells the answering model from others, as JSON values.
        parameters: sampling parameters of every call; a request's own win.
        cache: where whole answers are kept.
        price: for the cost in :attr:`usage`.
    """

    def __init__(
        self,
        name: str,
        model: Mapping[str, Any],
        parameters: Mapping[str, Any],
        cache: AnswerCache,
        price: Price | None = None,
    ) -> None:
        self._name = name
        self._model = dict(model)
        self._parameters = dict(parameters)
        self._cache = cache
        self._books = Books(cache, self._title(), self._key_of, Account(price))
        self._seconds = 0.0
        self._advance: Advance

    @property
    def name(self) -> str:
        """What the report and the made examples call the teacher."""
        return self._name

    @property
    def identity(self) -> dict[str, Any]:
        """All that can change the teacher's answers."""
        return {**self._model, "parameters": dict(self._parameters)}

    @property
    def usage(self) -> Usage:
        """What was asked so far, and what its answers cost, whenever they were paid."""
        used = Usage(**dict[str, Any](self._books.counts), seconds=self._seconds)
        account = self._books.account
        return used.priced(account.price, account.full)

    @property
    def footprint(self) -> dict[str, Any]:
        """What it takes on this machine while it runs: ``weights_bytes``, ``memory_bytes`` and
        ``memory_of``; nothing where it does not run here, or that is not known."""
        return {}

    def charge(self, account: Account) -> None:
        """Have calls counted in this account, and refused where its limit does not allow them."""
        self._books.account = account

    def ask(self, requests: list[Request], label: str) -> list[Answer | Failure]:
        """Answer all requests, in their order; ``label`` names the progress bar.

        Each answer is in the cache before the next is looked at, so an interrupted call of
        this method, called again, asks for the missing ones alone.

        Raises:
            TeacherError: the model cannot be reached or refuses every call alike.
            LimitError: further calls could pass what the study allows.
            PreceptorError: the cache cannot be read or written.
        """
        outcomes: list[Outcome | None] = [None] * len(requests)
        self.each(requests, len(requests), label, outcomes.__setitem__)
        return cast(list[Outcome], outcomes)

    def each(self, requests: Iterable[Request], count: int, label: str, take: Deliver) -> None:
        """Hand each outcome to ``take`` with its request's place, as it comes, in no order.

        Requests are read as they are needed and nothing of them is kept: memory does not grow
        with their number but for some bytes of each key. Raises what :meth:`ask` raises.

        Args:
            requests: any number, read once.
            count: how many they are, for the progress bar.
            label: its name.
            take: called in this thread; duplicates get the outcome of the first.
        """
        merged = (
            replace(request, parameters={**self._parameters, **request.parameters})
            for request in requests
        )
        with bar(label, count) as advance:
            self._advance = advance

            def hand_on(place: int, outcome: Outcome) -> None:
                take(place, outcome)
                advance(note=self._books.account.told())

            waiting = Waiting(merged, count, self._books, hand_on)
            while waiting.any():
                self._pass(waiting)

    def close(self) -> None:
        """Stop what runs for this teacher and let go of its files."""
        self._books.account.close()
        self._cache.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    @abstractmethod
    def _call(self, requests: Sequence[Request], deliver: Deliver) -> None:
        """Ask the model; their parameters are complete.

        Requests are to be taken in order, once, each as late as possible: taking one looks into
        the cache for those behind it and sets money aside. Every one taken must be delivered
        once, under its number in that order.

        Raises:
            TeacherError: the model cannot be reached or refuses every call alike.
        """

    def _pass(self, waiting: Waiting) -> None:
        started = time.monotonic()
        try:
            self._call(waiting, waiting.deliver)
        finally:
            self._seconds += time.monotonic() - started
            self._books.account.drop()
        waiting.check_end()

    def _key_of(self, request: Request) -> str:
        return AnswerCache.key(self._model, request, request.parameters)

    def _title(self) -> str:
        """Who answers, as `preceptor cache` shows it."""
        place = self._model.get("base_url") or self._model.get("engine", "")
        weights = str(self._model.get("weights", ""))[:12]
        return " ".join(part for part in (self._name, "at", str(place), weights) if part)

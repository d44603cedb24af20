"""One pass through requests: the cache answers what it can, the rest wait for the model."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count, islice
from typing import Any

from preceptor.llm.budget import Account, Outlay
from preceptor.llm.cache import KEPT_FAILURES, AnswerCache
from preceptor.llm.chat import Answer, Failure, Request
from preceptor.llm.keyset import KeySet

Outcome = Answer | Failure
Deliver = Callable[[int, Outcome], None]
"""Hand over what came back for the request at an index, the moment it came."""
_BLOCK = 256
"""requests looked up at once; calls in flight wait for that, some milliseconds"""


@dataclass
class Books:
    """Where a teacher's outcomes are kept and counted.

    Attributes:
        cache: asked first, and given every whole answer before anyone else.
        title: the model in words, for the cache's inventory.
        key: gives a request's key.
        account: what was paid and may be paid.
        counts: the sums of :class:`preceptor.llm.chat.Usage`, but for seconds and costs.
    """

    cache: AnswerCache
    title: str
    key: Callable[[Request], str]
    account: Account = field(default_factory=Account)
    counts: Counter[str] = field(default_factory=Counter)

    def look_up(self, keys: Sequence[str]) -> dict[str, Outcome]:
        """What the cache holds, counted as used."""
        kept = self.cache.get_many(keys, self.title)
        self.account.use(kept)
        for outcome in kept.values():
            self._count(outcome, prefix="cached_")
        return kept

    def settle(self, key: str, request: Request, held: Outlay, outcome: Outcome) -> None:
        """Keep and count what came of a call. The account first: what was paid stands there."""
        self.account.pay(key, outcome, held)
        if isinstance(outcome, Answer) or outcome.cause in KEPT_FAILURES:
            self.cache.put(key, _written(request), outcome, self.title)
        self._count(outcome)
        self.counts["calls"] += 1

    def _count(self, outcome: Outcome, prefix: str = "") -> None:
        counts, tokens = self.counts, (outcome.prompt_tokens, outcome.completion_tokens)
        counts["failed"] += isinstance(outcome, Failure)
        for name, number in zip(("prompt_tokens", "completion_tokens"), tokens, strict=True):
            counts[name] += number
            if prefix:
                counts[prefix + name] += number
            if outcome.full_price:
                counts["full_" + name] += number


class Waiting(Sequence[Request]):
    """The requests that the model must be asked, found as they are taken.

    An engine takes them in order by iterating once, each as late as it can, and calls
    :meth:`deliver` with the number of each in that order. Iterating ends early where the
    account allows no further call, and begins anew when all that was taken is delivered.

    Args:
        requests: complete with their parameters; read once.
        most: how many they are.
        books: where outcomes are kept and counted.
        take: gets every outcome with its request's place among all requests.
    """

    def __init__(self, requests: Iterable[Request], most: int, books: Books, take: Deliver) -> None:
        self._requests = enumerate(requests)
        self._most = most
        self._books = books
        self._take = take
        self._missing = self._find_missing()
        self._next: tuple[str, Request] | None = None
        self._taken: dict[int, tuple[str, Request, Outlay]] = {}
        self._places: dict[str, list[int]] = {}
        self._seen = KeySet()
        self._failed: dict[str, Failure] = {}

    def any(self) -> bool:
        """Whether a request is left that the cache does not answer; finds the next one."""
        if self._next is None:
            self._next = next(self._missing, None)
        return self._next is not None

    def __len__(self) -> int:
        return self._most

    def __getitem__(self, index: Any) -> Any:
        raise TypeError("requests are taken one after the other: iterate")

    def __iter__(self) -> Iterator[Request]:
        self._taken.clear()
        for number in count():
            if not self.any():
                return
            assert self._next is not None
            key, request = self._next
            held = self._books.account.hold(request)
            if held is None:
                return
            self._next = None
            self._taken[number] = (key, request, held)
            yield request

    def deliver(self, number: int, outcome: Outcome) -> None:
        """Keep, count and hand on what came of the request with this number."""
        key, request, held = self._taken.pop(number)
        self._books.settle(key, request, held, outcome)
        if isinstance(outcome, Failure) and outcome.cause not in KEPT_FAILURES:
            self._failed[key] = outcome
        for place in self._places.pop(key):
            self._take(place, outcome)
            # A duplicate cost no call of its own.
            outcome = _cached(outcome)

    def check_end(self) -> None:
        """Hold the engine to its contract after a pass, and the study to its limit.

        Raises:
            LimitError: the account allows no further call, and one is needed.
            RuntimeError: the engine took requests that it delivered no outcome for.
        """
        if self._taken:
            raise RuntimeError(f"the engine lost {len(self._taken)} requests")
        if self.any():
            assert self._next is not None
            self._books.account.check(self._next[1])

    def _find_missing(self) -> Iterator[tuple[str, Request]]:
        while block := list(islice(self._requests, _BLOCK)):
            keyed = [(self._books.key(request), place, request) for place, request in block]
            fresh = {key: None for key, *_ in keyed if key not in self._seen}
            kept = self._books.look_up(list(fresh))
            for key, place, request in keyed:
                outcome = self._known(key, kept)
                if outcome is not None:
                    self._take(place, outcome)
                elif key in self._places:
                    self._places[key].append(place)
                else:
                    self._places[key] = [place]
                    yield key, request

    def _known(self, key: str, kept: Mapping[str, Outcome]) -> Outcome | None:
        """What a key was answered; None where it is missing, or being asked already."""
        first = self._seen.add(key)
        if not first or key in kept:
            self._books.counts["cached"] += 1
        if first or key in kept or key in self._places:
            return kept.get(key)
        return self._failed.get(key) or self._books.cache.get(key)


def _cached(outcome: Outcome) -> Outcome:
    return replace(outcome, cached=True) if isinstance(outcome, Answer) else outcome


def _written(request: Request) -> str:
    value = {
        "messages": [
            {"role": message.role, "content": message.content} for message in request.messages
        ],
        "parameters": dict(request.parameters),
        "sample": request.sample,
    }
    return json.dumps(value, ensure_ascii=False)

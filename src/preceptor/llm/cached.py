"""What every teacher has: the cache around its calls and the ledger of them."""

from __future__ import annotations

import json
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Self

from preceptor.llm.cache import KEPT_FAILURES, AnswerCache
from preceptor.llm.chat import Answer, Failure, Request, Usage
from preceptor.llm.settings import Price
from preceptor.progress import bar

Outcome = Answer | Failure
Deliver = Callable[[int, Outcome], None]
"""Hand over what came back for the request at an index, the moment it came."""


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
        self._price = price
        self._usage = Usage()

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
        used, price = self._usage, self._price
        if price is None:
            return used
        return replace(
            used,
            cost=price.of(used.prompt_tokens, used.completion_tokens),
            cached_cost=price.of(used.cached_prompt_tokens, used.cached_completion_tokens),
            currency=price.currency,
        )

    def ask(self, requests: list[Request], label: str) -> list[Answer | Failure]:
        """Answer all requests, in their order; ``label`` names the progress bar.

        Each answer is in the cache before the next is looked at, so an interrupted call of
        this method, called again, asks for the missing ones alone.

        Raises:
            TeacherError: the model cannot be reached or refuses every call alike.
            PreceptorError: the cache cannot be read or written.
        """
        merged = [
            replace(request, parameters={**self._parameters, **request.parameters})
            for request in requests
        ]
        keys = [AnswerCache.key(self._model, request, request.parameters) for request in merged]
        outcomes: dict[str, Outcome] = {}
        missing: dict[str, Request] = {}
        for key, request in zip(keys, merged, strict=True):
            if key not in outcomes and key not in missing:
                kept = self._cache.get(key)
                if kept is None:
                    missing[key] = request
                else:
                    outcomes[key] = kept
        self._count(cached=len(requests) - len(missing))
        for outcome in outcomes.values():
            self._count_kept(outcome)
        if missing:
            outcomes |= self._fetch(missing, label)
        return _in_order(keys, outcomes)

    def close(self) -> None:
        """Stop what runs for this teacher and let go of its files."""
        self._cache.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    @abstractmethod
    def _call(self, requests: Sequence[Request], deliver: Deliver) -> None:
        """Ask the model; their parameters are complete. Every index must be delivered once.

        Raises:
            TeacherError: the model cannot be reached or refuses every call alike.
        """

    def _fetch(self, missing: Mapping[str, Request], label: str) -> dict[str, Outcome]:
        keys, requests = list(missing), list(missing.values())
        outcomes: dict[str, Outcome] = {}
        started = time.monotonic()

        with bar(label, len(keys)) as advance:

            def deliver(index: int, outcome: Outcome) -> None:
                if isinstance(outcome, Answer) or outcome.cause in KEPT_FAILURES:
                    self._cache.put(keys[index], _written(requests[index]), outcome)
                outcomes[keys[index]] = outcome
                self._count_call(outcome)
                advance()

            try:
                self._call(requests, deliver)
            finally:
                self._count(seconds=time.monotonic() - started)
        return outcomes

    def _count_call(self, outcome: Outcome) -> None:
        self._count_used(outcome)
        self._count(calls=1)

    def _count_kept(self, outcome: Outcome) -> None:
        self._count_used(outcome)
        self._count(
            cached_prompt_tokens=outcome.prompt_tokens,
            cached_completion_tokens=outcome.completion_tokens,
        )

    def _count_used(self, outcome: Outcome) -> None:
        self._count(
            failed=int(isinstance(outcome, Failure)),
            prompt_tokens=outcome.prompt_tokens,
            completion_tokens=outcome.completion_tokens,
        )

    def _count(self, **amounts: float) -> None:
        sums = {name: getattr(self._usage, name) + amount for name, amount in amounts.items()}
        self._usage = replace(self._usage, **sums)


def _in_order(keys: Sequence[str], outcomes: Mapping[str, Outcome]) -> list[Outcome]:
    seen: set[str] = set()
    ordered: list[Outcome] = []
    for key in keys:
        outcome = outcomes[key]
        # A duplicate cost no call of its own.
        if key in seen and isinstance(outcome, Answer):
            outcome = replace(outcome, cached=True)
        seen.add(key)
        ordered.append(outcome)
    return ordered


def _written(request: Request) -> str:
    value = {
        "messages": [
            {"role": message.role, "content": message.content} for message in request.messages
        ],
        "parameters": dict(request.parameters),
        "sample": request.sample,
    }
    return json.dumps(value, ensure_ascii=False)

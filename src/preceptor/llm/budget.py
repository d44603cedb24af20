"""What a teacher's calls have cost so far, and whether the study allows another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from preceptor.errors import LimitError, TeacherError
from preceptor.llm.chat import Answer, Failure, Request, Usage
from preceptor.llm.ledger import Ledger
from preceptor.llm.settings import ANSWER_LIMITS, Limit, Price

_PER_MESSAGE = 16
"""tokens that a chat template puts around a message at most"""


@dataclass(frozen=True, slots=True)
class Outlay:
    """What calls took, or would take at most.

    Attributes:
        calls: requests that went to the model; further tries of one are not counted.
        tokens: of prompts and answers.
        cost: their price; 0 where no price is known.
    """

    calls: int = 0
    tokens: int = 0
    cost: float = 0.0

    def __add__(self, other: Outlay) -> Outlay:
        """Both together."""
        return Outlay(self.calls + other.calls, self.tokens + other.tokens, self.cost + other.cost)

    def __sub__(self, other: Outlay) -> Outlay:
        """What is left without ``other``."""
        return Outlay(self.calls - other.calls, self.tokens - other.tokens, self.cost - other.cost)


class Account:
    """What a teacher was paid in a run, and whether it may be paid for one call more.

    A call is allowed only if the limit would hold with the most that it and those in flight
    can take, so a limit is never passed by what servers count. A token is a byte of UTF-8 at
    least, so a prompt has no more tokens than bytes; an answer has no more than the call asks for.

    Args:
        price: what tokens cost, if that is known.
        full: what they cost outside of batches, where `price` is that of batches. Any request
            may come to be called at once, so that it is set aside at this price.
        limit: what the study allows; nothing is limited without it.
        ledger: the run's record; without one, the calls of this object alone are counted.
        name: the teacher's name in the study, for messages.

    Raises:
        TeacherError: the limit is one of cost and no price is known.
    """

    def __init__(
        self,
        price: Price | None = None,
        limit: Limit | None = None,
        ledger: Ledger | None = None,
        name: str = "NAME",
        full: Price | None = None,
    ) -> None:
        self.price = price
        self.full = full or price
        self._limits = {} if limit is None else limit.model_dump(exclude_none=True)
        self._ledger = ledger
        self._name = name
        self._held = Outlay()
        self.spent = Outlay()
        check_price(limit, price, name)
        if ledger is not None:
            self.spent = self._worth(Usage(**dict[str, Any](ledger.paid)))

    def hold(self, request: Request) -> Outlay | None:
        """Set aside what a call can take at most; None where the limit does not allow it."""
        most = self._most(request)
        if self._passed(most):
            return None
        self._held += most
        return most

    def pay(self, key: str, outcome: Answer | Failure, held: Outlay) -> None:
        """Count a call that came to its end, in place of what was set aside for it."""
        self._held -= held
        self.spent += self._one(
            outcome.prompt_tokens, outcome.completion_tokens, outcome.full_price
        )
        if self._ledger is not None:
            self._ledger.pay(key, outcome)

    def drop(self) -> None:
        """Forget what was set aside: the calls were ended from outside."""
        self._held = Outlay()

    def use(self, outcomes: Mapping[str, Answer | Failure]) -> None:
        """Note what the cache answered, by key."""
        if self._ledger is not None:
            self._ledger.use(outcomes)

    def told(self) -> str:
        """What was spent so far, for the progress bar and messages."""
        spent = self.spent
        cost = "" if self.price is None else f", {_money(spent.cost, self.price)}"
        return f"{spent.calls:,} calls, {spent.tokens:,} tokens{cost}"

    def check(self, request: Request) -> None:
        """Refuse a request that the limit does not allow.

        Raises:
            LimitError: with what was spent and how to go on.
        """
        most = self._most(request)
        passed = self._passed(most)
        if not passed:
            return
        told = ", ".join(f"{name}: {self._limits[name]:,}" for name in passed)
        reasons = ", ".join(f"{name} by {asdict(most)[name]:,.6g} at most" for name in passed)
        raise LimitError(
            f"the limit of what the teacher {self._name} may be paid is reached ({told})",
            found=f"{self.told()} {self._since}; one call more adds to {reasons}",
            fix="all answers so far are kept. Raise "
            + " and ".join(f"teachers.{self._name}.limit.{name}" for name in passed)
            + " in the study (or with --set) and give the same command again: it continues",
        )

    def close(self) -> None:
        """Let go of the ledger's file."""
        if self._ledger is not None:
            self._ledger.close()

    def _passed(self, more: Outlay) -> list[str]:
        if not self._limits:
            return []
        then = asdict(self.spent + self._held + more)
        return [name for name, most in self._limits.items() if then[name] > most]

    @property
    def _since(self) -> str:
        return "in this run" if self._ledger else "since this start"

    def _one(self, prompt_tokens: int, answer_tokens: int, full_price: bool) -> Outlay:
        """What one call takes."""
        full = (prompt_tokens, answer_tokens) if full_price else (0, 0)
        return self._worth(
            Usage(
                calls=1,
                prompt_tokens=prompt_tokens,
                completion_tokens=answer_tokens,
                full_prompt_tokens=full[0],
                full_completion_tokens=full[1],
            )
        )

    def _worth(self, used: Usage) -> Outlay:
        cost = used.priced(self.price, self.full).cost or 0.0
        return Outlay(used.calls, used.prompt_tokens + used.completion_tokens, cost)

    def _most(self, request: Request) -> Outlay:
        if not {"tokens", "cost"} & set(self._limits):
            return Outlay(1)
        text = sum(len(message.content.encode()) for message in request.messages)
        # A schema is written into the prompt by some servers.
        schema = len(str(request.parameters.get("response_format", "")).encode())
        prompt = text + schema + _PER_MESSAGE * (len(request.messages) + 1)
        return self._one(prompt, _longest(request.parameters), full_price=True)


def check_price(limit: Limit | None, price: Price | None, name: str) -> None:
    """Refuse a limit of cost that cannot be held.

    Raises:
        TeacherError: no price is known.
    """
    if limit is not None and limit.cost is not None and price is None:
        raise TeacherError(
            "a limit of cost needs a price, and none is known for this model",
            where=f"teachers.{name}.limit.cost",
            fix="give the teacher's price: {input: ..., output: ...} per million tokens, or limit"
            " calls or tokens",
        )


def _longest(parameters: Mapping[str, Any]) -> int:
    """Tokens of an answer at most; settings see to it that a limit of tokens has one."""
    return max(int(parameters[name]) for name in ANSWER_LIMITS if parameters.get(name))


def _money(cost: float, price: Price) -> str:
    return f"{cost:,.{2 if cost >= 1 else 4}f} {price.currency}"

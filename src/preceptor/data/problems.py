"""All that is wrong with some data, collected and raised as one error."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from difflib import get_close_matches

from preceptor.errors import DataError

SHOWN = 20
"""how many problems an error spells out; the rest are counted"""


@dataclass(frozen=True)
class Dropped:
    """A row of the input that is not used, and why.

    Attributes:
        where: where it stands.
        reason: in words that recur, so that reasons can be counted.
        detail: what else is to be said of this row (the id of the one that it repeats).
    """

    where: str
    reason: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong; the fields are those of :class:`DataError`."""

    what: str
    where: str | None = None
    found: object = None
    expected: object = None
    fix: str | None = None

    def line(self) -> str:
        """The problem on one line, for a list of many."""
        parts = [f"{self.where}: {self.what}" if self.where else self.what]
        parts += [f"found {self.found}"] if self.found is not None else []
        parts += [f"expected {self.expected}"] if self.expected is not None else []
        return "; ".join(parts) + (f" ({self.fix})" if self.fix else "")


@dataclass
class Problems:
    """Collects problems, so that a user sees all of them at once.

    Attributes:
        about: the file, or whatever else the problems lie in.
        found: the problems so far.
        notes: what was passed over, which is no problem but worth saying.
    """

    about: str
    found: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(
        self,
        what: str,
        *,
        where: str | None = None,
        found: object = None,
        expected: object = None,
        fix: str | None = None,
    ) -> None:
        """Note one problem and go on."""
        self.found.append(Problem(what, where, found, expected, fix))

    @contextmanager
    def gather(self) -> Iterator[None]:
        """Note a DataError of the block among the problems and go on after it."""
        try:
            yield
        except DataError as error:
            self.add(
                error.what,
                where=error.where,
                found=error.found,
                expected=error.expected,
                fix=error.fix,
            )

    def raise_if_any(self) -> None:
        """Raise what was collected.

        Raises:
            DataError: there are problems; up to ``SHOWN`` of them are spelled out.
        """
        if not self.found:
            return
        if len(self.found) == 1:
            one = self.found[0]
            raise DataError(
                one.what,
                where=one.where or self.about,
                found=one.found,
                expected=one.expected,
                fix=one.fix,
            )
        lines = [f"  {number}. {one.line()}" for number, one in enumerate(self.found[:SHOWN], 1)]
        if len(self.found) > SHOWN:
            lines.append(f"  and {len(self.found) - SHOWN} more")
        raise DataError("\n".join([f"{self.about}: {len(self.found)} problems", *lines]))


def nearest(word: str, options: Iterable[str]) -> str | None:
    """The option that looks most like ``word``, case aside; None if none does."""
    by_fold = {option.casefold(): option for option in options}
    close = get_close_matches(word.casefold(), list(by_fold), n=1, cutoff=0.6)
    return by_fold[close[0]] if close else None


def did_you_mean(word: str, options: Iterable[str]) -> str | None:
    """``did you mean 'x'?`` where an option looks like ``word``, else None."""
    close = nearest(word, options)
    return f"did you mean {close!r}?" if close is not None else None


def short(value: object, limit: int = 60) -> str:
    """A value as an error shows it: quoted, on one line, cut to ``limit`` characters."""
    text = repr(value)
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def listed(names: Iterable[str], limit: int = 20) -> str:
    """Names with commas between them, cut after ``limit``."""
    shown = list(names)
    more = f" and {len(shown) - limit} more" if len(shown) > limit else ""
    return ", ".join(shown[:limit]) + more

"""What a filter is."""

from __future__ import annotations

from typing import Protocol

from preceptor.data.candidate import Rejection
from preceptor.data.example import Example


class Filter(Protocol):
    """Judges one made example after the other; may remember what was kept before."""

    def judge(self, example: Example) -> Rejection | None:
        """Why the example must go, or None."""
        ...

    def keep(self, example: Example) -> None:
        """Told of every example that all filters let pass."""
        ...

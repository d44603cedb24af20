"""What differs between two JSON values, by its place."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from itertools import zip_longest
from typing import Any

_NEAR = 1e-9
"""relative; sums in another order, as another version of a library may take them, differ less"""
_ABSENT = "(absent)"


def differences(told: Any, now: Any, place: str = "") -> Iterator[str]:
    """Name every leaf of ``told`` that is another in ``now``, as ``a.b.0: 1 -> 2``.

    What ``now`` has beside it is nothing that was told: a newer version tells more.
    """
    if isinstance(told, Mapping) and isinstance(now, Mapping):
        for key, value in told.items():
            yield from differences(value, now.get(key, _ABSENT), f"{place}{key}.")
    elif isinstance(told, list | tuple) and isinstance(now, list | tuple):
        for number, (one, other) in enumerate(zip_longest(told, now, fillvalue=_ABSENT)):
            yield from differences(one, other, f"{place}{number}.")
    elif not _same(told, now):
        yield f"{place.rstrip('.')}: {told} -> {now}"


def _same(told: Any, now: Any) -> bool:
    numbers = isinstance(told, float | int) and isinstance(now, float | int)
    return math.isclose(told, now, rel_tol=_NEAR) if numbers else bool(told == now)

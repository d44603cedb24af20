"""A set of keys that takes few bytes for each: a run may have millions."""

from __future__ import annotations

from array import array

SHOWN = 16
"""characters of a key that count: 64 bits tell the keys of a run apart"""
_FIRST = 1 << 10


class KeySet:
    """Keys by their first 64 bits, in a table of numbers: 16 to 32 bytes a key, a tenth of a set's.

    Linear probing; keys are hashes already, so that their bits are where they fall.
    """

    def __init__(self) -> None:
        self._table = array("Q", bytes(8 * _FIRST))
        self._count = 0

    def add(self, key: str) -> bool:
        """Add a key (hexadecimal); whether it is a new one."""
        number = _number(key)
        place = self._place(number)
        if self._table[place]:
            return False
        self._table[place] = number
        self._count += 1
        if 2 * self._count > len(self._table):
            self._grow()
        return True

    def __contains__(self, key: str) -> bool:
        return bool(self._table[self._place(_number(key))])

    def __len__(self) -> int:
        return self._count

    def _place(self, number: int) -> int:
        """Where the number stands, or would stand."""
        table, mask = self._table, len(self._table) - 1
        place = number & mask
        while table[place] and table[place] != number:
            place = (place + 1) & mask
        return place

    def _grow(self) -> None:
        old, self._table = self._table, array("Q", bytes(16 * len(self._table)))
        for number in old:
            if number:
                self._table[self._place(number)] = number


def _number(key: str) -> int:
    # 0 marks a free place.
    return int(key[:SHOWN], 16) or 1

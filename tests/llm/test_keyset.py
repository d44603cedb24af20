from __future__ import annotations

import random

from preceptor.llm.keyset import KeySet
from preceptor.store.fingerprint import fingerprint


def test_it_is_a_set_of_keys() -> None:
    keys, chance = KeySet(), random.Random(1)
    known: set[str] = set()
    for _ in range(20_000):
        key = fingerprint(chance.randrange(9_000))
        assert (key in keys) == (key in known)
        assert keys.add(key) == (key not in known)
        known.add(key)
    assert len(keys) == len(known)
    assert all(key in keys for key in known)


def test_keys_that_fall_on_one_place_are_told_apart() -> None:
    keys = KeySet()
    alike = [f"{number:08x}{'0' * 56}" for number in range(2_000)]
    assert all(keys.add(key) for key in alike)
    assert not any(keys.add(key) for key in alike)
    assert "0" * 64 in keys
    assert f"{2_000:08x}{'0' * 56}" not in keys

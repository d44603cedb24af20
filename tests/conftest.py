"""Puts this folder on the import path, so that tests find what they share."""

from __future__ import annotations

import gc

import pytest


@pytest.fixture(autouse=True, scope="module")
def _libraries_are_no_garbage() -> None:
    """Keep what is loaded by now out of the garbage collector's sight.

    A run collects garbage before every cell; to look through all of torch and transformers each
    time took more than half of a small study's time.
    """
    gc.collect()
    gc.freeze()

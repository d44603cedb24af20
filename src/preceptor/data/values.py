"""A value of a table as text: the one way from what a file holds to what a model reads."""

from __future__ import annotations

from typing import Any


def text_of(value: Any) -> str:
    """A value as text: "" for nothing (null, NaN), booleans as ``true`` and ``false``.

    A whole number in a column of floats keeps its ``.0``, as Parquet and pandas show it.
    """
    if value is None or value != value:  # noqa: PLR0124  a Parquet or JSON NaN is no value
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)

"""A part of the study file by its bare name."""

from __future__ import annotations

from typing import Any

from pydantic import BeforeValidator


def named(key: str, kinds: Any) -> BeforeValidator:
    """Let a bare word stand for a part that has only its name: ``lora`` is ``{name: lora}``."""
    return BeforeValidator(
        lambda value: {key: value} if isinstance(value, str) else value,
        json_schema_input_type=str | kinds,
    )

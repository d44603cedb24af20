"""What was asked of a teacher, as ``results.json`` has it."""

from __future__ import annotations

from pydantic import BaseModel

from preceptor.report.read.scores import Number


class Usage(BaseModel, frozen=True):
    """What was asked of a teacher; tokens and cost of all answers used, whenever paid."""

    calls: int = 0
    cached: int = 0
    failed: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_prompt_tokens: int = 0
    cached_completion_tokens: int = 0
    seconds: Number = None
    cost: Number = None
    cached_cost: Number = None
    """the part of the cost that was paid before, for answers that stood in the cache"""
    currency: str | None = None

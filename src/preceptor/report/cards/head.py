"""The YAML head of a card, and what both cards say alike."""

from __future__ import annotations

from typing import Any

import yaml

from preceptor.report.read.results import Results

ADVICE = (
    "It is meant for research and for trying out what made data do. What it says is not medical, "
    "legal or other professional advice, and no decision about a person should rest on it without "
    "a qualified person's own judgement."
)


def headed(head: dict[str, Any], body: str) -> str:
    """A card: the head as YAML between two lines of dashes, then the text."""
    text = yaml.safe_dump(head, sort_keys=False, allow_unicode=True)
    return f"---\n{text}---\n\n{body.lstrip()}"


def language(results: Results) -> dict[str, list[str]]:
    """The head's key; none where the study does not say."""
    found = results.provenance.language
    return {"language": found} if found else {}


def languages(results: Results) -> str:
    """The languages in words."""
    return ", ".join(results.provenance.language) or "not stated by the study"

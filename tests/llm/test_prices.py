"""Whose price counts: the study's, then a maintained list's, else none; nobody is called for it."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from preceptor.llm.prices import quote
from preceptor.llm.settings import EmbeddedSettings, EndpointSettings


def endpoint(**changes: Any) -> EndpointSettings:
    told = {"engine": "endpoint", "model": "gpt-4.1-mini", "data_may_leave": True, **changes}
    return EndpointSettings(**told)


def test_the_studys_price_wins() -> None:
    found = quote(endpoint(price={"input": 1, "output": 2, "currency": "EUR"}))
    assert found is not None
    assert found.as_dict() == {
        "input": 1.0, "output": 2.0, "currency": "EUR", "source": "the study"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("address", "model", "expected"),
    [
        ("https://api.openai.com/v1", "gpt-4.1-mini", (0.4, 1.6)),
        ("https://api.openai.com/v1", "gpt-4.1-mini-2025-04-14", (0.4, 1.6)),
        ("https://api.openai.com/v1", "gpt-4o-mini", (0.15, 0.6)),
        ("https://openrouter.ai/api/v1", "openai/gpt-4.1-mini", (0.4, 1.6)),
    ],
)
def test_a_known_model_at_its_own_address_has_its_list_price(
    address: str, model: str, expected: tuple[float, float]
) -> None:
    found = quote(endpoint(base_url=address, model=model))
    assert found is not None
    assert (found.price.input, found.price.output) == expected
    assert found.price.currency == "USD"
    assert found.source.startswith("genai-prices ")
    assert "gpt-4" in found.source


@pytest.mark.parametrize(
    "changes",
    [
        {"model": "nobody-knows-this"},
        {"base_url": "https://llm.example.org/v1"},
        {"base_url": "http://127.0.0.1:8000/v1"},
    ],
)
def test_what_is_not_known_has_no_price(changes: dict[str, Any]) -> None:
    assert quote(endpoint(**changes)) is None


def test_what_runs_on_this_machine_costs_nothing() -> None:
    assert quote(EmbeddedSettings(engine="embedded")) is None


def test_batches_have_their_share() -> None:
    found = quote(endpoint(batch=True))
    assert found is not None
    assert (found.price.input, found.price.output) == (0.2, 0.8)
    assert "times 0.5 in batches" in found.source


def test_the_list_is_read_without_a_network() -> None:
    code = """
import socket
def refuse(*args, **more):
    raise AssertionError("a call went out")
socket.socket.connect = socket.getaddrinfo = refuse
from preceptor.llm.prices import quote
from preceptor.llm.settings import EndpointSettings
found = quote(EndpointSettings(engine="endpoint", model="gpt-4.1-mini"))
print(found.price.input)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "0.4\n"

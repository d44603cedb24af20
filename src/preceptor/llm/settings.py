"""The teachers that a study can name."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, JsonValue, field_validator

from preceptor.settings import Settings

_OWN = ("messages", "model", "n", "stream", "tools")


def _no_own_names(parameters: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
    taken = sorted(set(parameters) & set(_OWN))
    if taken:
        raise ValueError(f"not a sampling parameter that can be set here: {', '.join(taken)}")
    return parameters


Parameters = Annotated[Mapping[str, JsonValue], AfterValidator(_no_own_names)]


class Price(Settings):
    """What tokens cost."""

    input: float = Field(ge=0)
    """per million prompt tokens"""
    output: float = Field(ge=0)
    """per million answer tokens"""
    currency: str = "USD"

    def of(self, prompt_tokens: int, answer_tokens: int) -> float:
        """What so many tokens cost."""
        return (prompt_tokens * self.input + answer_tokens * self.output) / 1e6


class EndpointSettings(Settings):
    """Any server that speaks OpenAI's chat completions."""

    engine: Literal["endpoint"]
    model: str
    """the model's name, as the server knows it"""
    base_url: str = "https://api.openai.com/v1"
    """the server's address, up to and including /v1"""
    key_env: str | None = "OPENAI_API_KEY"
    """the environment variable that holds the key; null for a server that needs none"""
    data_may_leave: bool = False
    """must be true for a server that is not this machine: your examples are sent to it"""
    parameters: Parameters = Field({"temperature": 1.0, "max_tokens": 512})
    """sent with every call under these very names (newer models want max_completion_tokens,
    and refuse temperature: leave it out)"""
    concurrency: int = Field(8, ge=1)
    """calls in flight at once"""
    timeout: float = Field(120.0, gt=0)
    """seconds until a call is given up and tried again"""
    retries: int = Field(5, ge=0)
    """further tries after 408, 429, 5xx, timeouts and broken connections"""
    price: Price | None = None
    """for the estimate of `plan` and the cost in the report"""
    stands_for: str | None = None
    """the model that a paper used, where this one is a substitute for it; the report says so"""

    @field_validator("base_url")
    @classmethod
    def _address(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("base_url: must look like https://host/v1")
        # The address is written to the cache and the report, where no secret may stand.
        if "@" in parts.netloc or parts.query or parts.fragment:
            raise ValueError("base_url: no user, password, ? or #; name the key in key_env")
        return url.rstrip("/")

    @property
    def on_this_machine(self) -> bool:
        """Whether the server's address is a loopback address."""
        host = urlsplit(self.base_url).hostname or ""
        if host == "localhost":
            return True
        try:
            return ip_address(host).is_loopback
        except ValueError:
            return False


class EmbeddedSettings(Settings):
    """A GGUF model served on this machine by llama.cpp, spoken to like any endpoint."""

    engine: Literal["embedded"]
    weights: str = "smollm2"
    """a GGUF: the name of a known package, or a path"""
    parameters: Parameters = Field({"temperature": 0.4, "max_tokens": 256})
    """sent with every call"""
    slots: int = Field(8, ge=1)
    """answers written at once"""
    context: int = Field(2048, ge=256)
    """tokens of one prompt and its answer at most"""
    threads: int | None = Field(None, ge=1)
    """processor threads; all cores if not given"""
    stands_for: str | None = None
    """the model that a paper used, where this one is a substitute for it; the report says so"""


TeacherSettings = Annotated[EndpointSettings | EmbeddedSettings, Field(discriminator="engine")]

"""The teachers that a study can name."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    JsonValue,
    field_validator,
    model_validator,
)

from preceptor.settings import Settings
from preceptor.tune.methods import MethodSettings
from preceptor.tune.methods.lora import LoraSettings
from preceptor.tune.settings import Budget, FitSettings

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

    def times(self, factor: float) -> Price:
        """The price at a share of it."""
        return Price(input=self.input * factor, output=self.output * factor, currency=self.currency)


ANSWER_LIMITS = ("max_tokens", "max_completion_tokens")
"""names of the parameter that bounds an answer's tokens"""


class Limit(Settings):
    """What a teacher may be paid in one run folder, by all starts of its run together.

    The run stops before a limit is passed and keeps all answers; raised, it continues. What the
    cache answers costs nothing and is not counted. `preview` holds it too, for all arms together,
    but counts each of its starts anew and apart from runs.
    """

    calls: int | None = Field(None, ge=1)
    """requests; further tries of one are not counted"""
    tokens: int | None = Field(None, ge=1)
    """of prompts and answers together, as the server counts them"""
    cost: float | None = Field(None, gt=0)
    """in the currency of the price (USD unless `price` says otherwise)"""


class BatchSettings(Settings):
    """Answers within a day for less, where the server has OpenAI's files and batches.

    A round of calls waits for its batches; stopped or killed, the same command waits on.
    """

    window: str = "24h"
    """what the server may take; OpenAI takes no other. What it leaves unanswered is asked again"""
    poll: float = Field(60.0, gt=0)
    """seconds between two looks at a batch at most"""
    least: int = Field(10, ge=1)
    """fewer requests than this are called at once, at the full price: a batch may take hours"""
    requests: int = Field(50_000, ge=1, le=50_000)
    """of one batch at most; fewer than the 50,000 that OpenAI takes where the account's limit of
    queued tokens is small"""
    tries: int = Field(3, ge=1)
    """batches that a request is put into before it counts as failed"""
    price_factor: float = Field(0.5, ge=0, le=1)
    """what a call in a batch costs, as a share of the price of a plain one (OpenAI: half)"""


def _switched(batch: object) -> object:
    return {} if batch is True else None if batch is False else batch


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
    """sent with every call under these very names; one that the server refuses is renamed or left
    out from then on, which the report says"""
    concurrency: int = Field(8, ge=1)
    """calls in flight at once, from the start; fewer while the server is busy (status 429) or
    becomes slow"""
    requests_per_minute: int | None = Field(None, ge=1)
    """calls, further tries included, in any minute at most"""
    tokens_per_minute: int | None = Field(None, ge=1)
    """tokens of prompts and answers in any minute at most: estimated (a token for 4 characters,
    and max_tokens or the mean answer so far) until the server has told"""
    timeout: float = Field(120.0, gt=0)
    """seconds until a call is given up and tried again"""
    retries: int = Field(5, ge=0)
    """further tries after 408, 429, 5xx, timeouts and broken connections"""
    max_failures: float = Field(0.1, ge=0, le=1)
    """the share of a batch's calls (of 20 at least) that may fail in these ways, after all their
    tries, before no more are made"""
    price: Price | None = None
    """for the estimate of `plan`, the cost in the report and `limit.cost`. Where it is not given,
    the list price of the package genai-prices, if it knows the model at this base_url"""
    limit: Limit | None = None
    """stop before more is paid than this ({calls: 2000}, {cost: 5.0})"""
    batch: Annotated[BatchSettings | None, BeforeValidator(_switched)] = None
    """`true` asks in batches: answers within a day, for half the price"""
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

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        limit = self.limit
        if limit and (limit.tokens or limit.cost) and not set(ANSWER_LIMITS) & set(self.parameters):
            raise ValueError(
                "limit: a limit of tokens or cost needs parameters.max_tokens (or"
                " max_completion_tokens), which bounds what one call can take"
            )
        return self

    def paid(self, price: Price) -> Price:
        """A list price as this teacher pays it: less in batches."""
        return price if self.batch is None else price.times(self.batch.price_factor)

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


class VllmSettings(Settings):
    """A model served on this machine by vLLM, spoken to like any endpoint."""

    engine: Literal["vllm"]
    weights: str
    """a model folder or a hub id; a known package or a GGUF is exported first"""
    adapter: str | None = None
    """a folder with a LoRA adapter for these weights, as PEFT saves it"""
    parameters: Parameters = Field({"temperature": 1.0, "max_tokens": 512})
    """sent with every call; nothing is taken from the model's generation_config.json"""
    concurrency: int = Field(128, ge=1)
    """calls in flight at once; vLLM takes as many into a batch as its memory holds"""
    max_model_len: int | None = Field(None, ge=16)
    """tokens of one prompt and its answer at most; the model's own limit if not given"""
    gpu_memory_utilization: float | None = Field(None, gt=0, le=1)
    """share of each GPU's memory that vLLM may take; vLLM's own default if not given"""
    dtype: Literal["auto", "bfloat16", "float16", "float32"] = "auto"
    """of the weights in memory; auto: as they were saved, float32 rounded to float16"""
    tensor_parallel_size: int = Field(1, ge=1)
    """GPUs that share each layer"""
    seed: int = Field(0, ge=0, lt=2**31)
    """another seed draws other answers; each call has a seed of its own made from it"""
    startup_timeout: float = Field(1800.0, gt=0)
    """seconds until a server that does not answer counts as failed: large weights load slowly"""
    stands_for: str | None = None
    """the model that a paper used, where this one is a substitute for it; the report says so"""


class TunedSettings(Settings):
    """A decoder that is tuned on the human examples first, and then annotates or creates (Kaddour
    and Liu, figure 1, steps 1 and 2). Every operation, and every seed, has a tuning of its own,
    which the run keeps."""

    engine: Literal["tuned"]
    weights: str = "smollm2"
    """what is tuned: a known package, a folder, a GGUF file, or a hub id"""
    method: Annotated[
        MethodSettings,
        BeforeValidator(lambda value: {"name": value} if isinstance(value, str) else value),
    ] = LoraSettings()
    """how its weights move, as a student's"""
    fit: FitSettings = FitSettings()
    budget: Budget = Budget(epochs=4)
    """how long it is tuned"""
    human: int | float | None = Field(None, gt=0)
    """on how many of the human training examples: a number (125), or a share below 1 (0.05, the
    paper's); all if not given. The first of each label's in the seed's order, so that a larger
    number holds a smaller one's examples"""
    validation: float = Field(0.2, ge=0, lt=1)
    """the share of these that is kept out of its tuning to choose the update it ends with (the
    paper's validation examples come out of the same few); 0 takes the last update"""
    load_in_4bit: bool = False
    """hold its frozen weights in 4 bits, as a student's `load_in_4bit`"""
    tuned_from: str | None = None
    """take what an earlier run tuned, in place of tuning: its folder `RUN/teachers/NAME`"""
    serve: Literal["process", "vllm"] = "process"
    """what lets it write: this process, in batches sorted by length, or vLLM with the adapter"""
    parameters: Parameters = Field({"temperature": 1.0, "max_tokens": 256})
    """of its sampling: temperature, top_p, top_k, max_tokens, seed"""
    batch_tokens: int = Field(16_384, ge=16)
    """tokens of a batch without gradients, padding and answers included"""
    stands_for: str | None = None
    """the model that a paper used, where this one is a substitute for it; the report says so"""


AnyTeacher = EndpointSettings | EmbeddedSettings | VllmSettings | TunedSettings
TeacherSettings = Annotated[AnyTeacher, Field(discriminator="engine")]

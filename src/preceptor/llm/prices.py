"""What a model's tokens cost: as the study says, or as a maintained library knows it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import version
from typing import Any

from preceptor.llm.settings import AnyTeacher, EndpointSettings, Price

_SAMPLE = 1_000
"""tokens that are priced to learn the price of a million; prices of long prompts are higher"""


@dataclass(frozen=True, slots=True)
class Quote:
    """A price and where it is from.

    Attributes:
        price: per million tokens.
        full: the same of a call that a teacher with batches makes at once; otherwise no other.
        source: "the study", or the library with its version and the names it goes by.
    """

    price: Price
    full: Price
    source: str

    def as_dict(self) -> dict[str, Any]:
        """The fields as JSON values."""
        return {**self.price.model_dump(mode="json"), "source": self.source}


def quote(settings: AnyTeacher) -> Quote | None:
    """The price of a teacher; None where none is known, and for models on this machine.

    The study's own price wins. Otherwise genai-prices (https://github.com/pydantic/genai-prices)
    is asked for the model at this address: list prices that come with its wheel, standard
    service, prompts that are not long; no call is made. Batches have their share of either.
    """
    if not isinstance(settings, EndpointSettings):
        return None
    found = None
    if settings.price is not None:
        found = Quote(settings.price, settings.price, "the study")
    elif not settings.on_this_machine:
        found = _listed(settings.base_url, settings.model)
    if found is None or settings.batch is None:
        return found
    source = f"{found.source}, times {settings.batch.price_factor:g} in batches"
    return Quote(settings.paid(found.full), found.full, source)


@lru_cache
def _listed(base_url: str, model: str) -> Quote | None:
    from genai_prices import Usage, calc_price

    usage = Usage(input_tokens=_SAMPLE, output_tokens=_SAMPLE)
    try:
        found = calc_price(usage, model, provider_api_url=base_url)
    except LookupError:
        return None
    per_million = 1_000_000 / _SAMPLE
    price = Price(
        input=round(float(found.input_price) * per_million, 6),
        output=round(float(found.output_price) * per_million, 6),
    )
    names = f"{found.provider.id}, {found.model.id}"
    return Quote(price, price, f"genai-prices {version('genai-prices')}: {names}")

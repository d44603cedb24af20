"""OpenAI's Batch API, half the price and within a day: ``asking`` is where it starts."""

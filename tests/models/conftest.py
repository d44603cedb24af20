"""Models for the tests of this folder."""

from fixtures_models import minilm, own_cache, smollm2

__all__ = ["minilm", "own_cache", "smollm2"]

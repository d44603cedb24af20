"""Calls over HTTP, one try after the other and many at once: ``line`` is where they start."""

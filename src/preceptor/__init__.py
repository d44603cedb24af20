"""Preceptor teaches a small language model a domain and tells whether that helped."""

__version__ = "0.1.0"

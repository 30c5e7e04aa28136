"""Sentiment you host yourself: the runtime."""

__version__ = "0.1.0"

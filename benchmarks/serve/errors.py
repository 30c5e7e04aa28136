"""What can go wrong, apart from a peer that fails, which is a result."""

from __future__ import annotations


class BenchmarkError(Exception):
    """The benchmark cannot go on; the message says why."""


class VariantFailed(Exception):
    """One variant of a peer did not start, answered wrongly or not at all."""


class NothingAnswered(VariantFailed):
    """Not one answer came while the load lasted: fair enough in a warm-up."""

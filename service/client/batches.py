"""Cuts any number of texts into requests, as they come."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from dataclasses import dataclass

from service.client.requests import check_text

# A quarter of what a request may hold by default, and less than a megabyte of JSON in Chinese.
BATCH_SIZE = 256
BATCH_CHARS = 100_000


@dataclass(frozen=True)
class BatchLimits:
    """The most that one request holds; a longer text goes alone."""

    texts: int
    chars: int

    def __post_init__(self) -> None:
        for name, value in (("batch_size", self.texts), ("batch_chars", self.chars)):
            if value < 1:
                raise ValueError(f"{name} must be at least 1, it is {value}")


class Batch:
    """The texts that wait until they fill a request."""

    def __init__(self, limits: BatchLimits) -> None:
        self._limits = limits
        self._texts: list[str] = []
        self._chars = 0

    def add(self, text: str) -> list[str]:
        """Take a text; give the batch that is full without it, else none."""
        check_text(text)
        chars = self._chars + len(text)
        full = len(self._texts) == self._limits.texts or chars > self._limits.chars
        batch = self.take() if full else []
        self._texts.append(text)
        self._chars += len(text)
        return batch

    def take(self) -> list[str]:
        """Give what waits."""
        batch, self._texts, self._chars = self._texts, [], 0
        return batch


def cut_batches(texts: Iterable[str], limits: BatchLimits) -> Iterator[list[str]]:
    """The texts in order, in lists within the limits."""
    waiting = Batch(limits)
    for text in texts:
        if batch := waiting.add(text):
            yield batch
    if batch := waiting.take():
        yield batch


async def cut_batches_async(
    texts: Iterable[str] | AsyncIterable[str], limits: BatchLimits
) -> AsyncIterator[list[str]]:
    """The same for texts that may come over time."""
    if not isinstance(texts, AsyncIterable):
        for batch in cut_batches(texts, limits):
            yield batch
        return
    waiting = Batch(limits)
    async for text in texts:
        if batch := waiting.add(text):
            yield batch
    if batch := waiting.take():
        yield batch

"""Work on texts beside the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

INLINE_CHARS = 4000  # some 2 ms of tokenizing

T = TypeVar("T")


async def call_aside(work: Callable[[], T], chars: int) -> T:
    """What `work` on so many characters gives, done in a thread where they are many.

    A thread costs more than what little text costs, and less than much would hold up.
    """
    return work() if chars <= INLINE_CHARS else await asyncio.to_thread(work)

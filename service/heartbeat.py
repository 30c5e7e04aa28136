"""Signs of life between a serving process and the one that watches over it."""

from __future__ import annotations

import asyncio
import logging
import mmap
import os
import signal
import time

from service.pipeline import Pipeline

logger = logging.getLogger(__name__)

BEAT_EVERY_S = 0.25
LAST_WORDS_S = 0.5
EXIT_HUNG = 70


class Heartbeats:
    """When each of `count` processes was last seen alive; lies in memory that forks share."""

    def __init__(self, count: int) -> None:
        self._seen_s = memoryview(mmap.mmap(-1, 8 * count)).cast("d")
        self._watcher = os.getpid()

    def beat(self, slot: int) -> None:
        self._seen_s[slot] = time.monotonic()

    def is_orphaned(self) -> bool:
        """Whether this process was forked from the one that watches, and that one is gone."""
        return self._watcher not in (os.getpid(), os.getppid())

    def seen_s(self, slot: int) -> float:
        """When, on the monotonic clock, the process of this slot was last seen alive."""
        return self._seen_s[slot]

    def silent_s(self, slot: int) -> float:
        """Seconds since the process of this slot was last seen alive."""
        return time.monotonic() - self.seen_s(slot)


async def keep_watch(
    pipeline: Pipeline, heartbeats: Heartbeats, slot: int, hang_timeout_s: float
) -> None:
    """Beat while the event loop runs and no engine hangs, until cancelled.

    A thread that hangs cannot be stopped. So when an engine run takes longer than
    `hang_timeout_s`, whoever waits for it gets an Unavailable at once, readiness turns
    false, and the process ends to be replaced.
    """
    orphaned = False
    while True:
        heartbeats.beat(slot)
        await asyncio.sleep(BEAT_EVERY_S)
        if heartbeats.is_orphaned() and not orphaned:
            logger.critical("the process that watches over this one is gone: stopping")
            os.kill(os.getpid(), signal.SIGTERM)
            orphaned = True  # and go on: nobody else would notice a run that hangs
        if pipeline.longest_run_s() > hang_timeout_s:
            logger.critical("an engine run hangs for over %g s: restarting", hang_timeout_s)
            pipeline.abandon("the model hangs and is being restarted; try again")
            await asyncio.sleep(LAST_WORDS_S)
            os._exit(EXIT_HUNG)

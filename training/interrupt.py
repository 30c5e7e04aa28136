"""Stopping when asked, at a moment of the loop's own choice."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from training.errors import TrainingError


class Interrupted(TrainingError):
    """The run was asked to stop; its checkpoint is complete."""


@contextmanager
def stop_requested() -> Iterator[list[bool]]:
    """A flag that SIGINT and SIGTERM set; a second Ctrl-C stops at once."""
    flag = [False]

    def ask(number: int, frame: FrameType | None) -> None:
        if flag[0]:
            raise KeyboardInterrupt
        flag[0] = True

    previous = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield flag
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)

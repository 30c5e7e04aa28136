"""A limit to how long a piece of work may take."""

from __future__ import annotations

import asyncio
from types import TracebackType


class Deadline:
    """`asyncio.timeout`, at half its cost: a request that is in time pays for it too.

    Cancels the task that entered it after `seconds`, and turns that into TimeoutError.
    """

    __slots__ = ("_cancelling", "_expired", "_seconds", "_task", "_timer")

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._expired = False

    def __enter__(self) -> None:
        loop = asyncio.get_running_loop()
        task = asyncio.current_task(loop)
        assert task is not None
        self._task = task
        self._cancelling = task.cancelling()
        self._timer = loop.call_later(self._seconds, self._expire)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._timer.cancel()
        if self._expired:
            # Whoever else cancelled the task meanwhile has precedence, as in asyncio.timeout.
            others = self._task.uncancel() > self._cancelling
            if kind is asyncio.CancelledError and not others:
                raise TimeoutError from error

    def _expire(self) -> None:
        self._expired = True
        self._task.cancel()

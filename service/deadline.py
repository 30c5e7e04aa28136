"""A limit to how long a piece of work may take."""

from __future__ import annotations

import asyncio
from types import TracebackType

from service.errors import DeadlineExceeded


class Deadline:
    """`asyncio.timeout`, at half its cost: a request that is in time pays for it too.

    Cancels the task that entered it after `timeout_ms`, and turns that into DeadlineExceeded.
    """

    __slots__ = ("_cancelling", "_expired", "_task", "_timeout_ms", "_timer")

    def __init__(self, timeout_ms: int) -> None:
        self._timeout_ms = timeout_ms
        self._expired = False

    def __enter__(self) -> None:
        loop = asyncio.get_running_loop()
        task = asyncio.current_task(loop)
        assert task is not None
        self._task = task
        self._cancelling = task.cancelling()
        self._timer = loop.call_later(self._timeout_ms / 1000, self._expire)

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
                raise DeadlineExceeded(f"no answer within {self._timeout_ms} ms") from error

    def _expire(self) -> None:
        self._expired = True
        self._task.cancel()

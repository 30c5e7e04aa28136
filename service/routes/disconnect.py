"""Stopping work that nobody waits for any more."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from fastapi import Request
from starlette.requests import ClientDisconnect

T = TypeVar("T")

WATCH_AFTER_S = 0.05
"""What is answered sooner costs less than watching whether its client stays."""


async def while_connected(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`, which is cancelled when the client goes.

    To be called once the body has been read. Raises ClientDisconnect when the client went.
    """
    watch = _Watch(request)
    timer = asyncio.get_running_loop().call_later(WATCH_AFTER_S, watch.begin)
    try:
        return await work
    except asyncio.CancelledError:
        if watch.has_left and not watch.waiter.uncancel():
            raise ClientDisconnect from None
        raise
    finally:
        timer.cancel()
        watch.end()


class _Watch:
    """Cancels the task that made it when the client goes."""

    def __init__(self, request: Request) -> None:
        waiter = asyncio.current_task()
        assert waiter is not None
        self.waiter = waiter
        self.has_left = False
        self._request = request
        self._gone: asyncio.Task[None] | None = None

    def begin(self) -> None:
        self._gone = asyncio.create_task(_wait_until_gone(self._request))
        self._gone.add_done_callback(self._leave)

    def end(self) -> None:
        if self._gone:
            self._gone.remove_done_callback(self._leave)
            self._gone.cancel()

    def _leave(self, gone: asyncio.Task[None]) -> None:
        self.has_left = True
        self.waiter.cancel()


async def _wait_until_gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass

"""Stopping work that nobody waits for any more."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from fastapi import Request
from starlette.requests import ClientDisconnect

T = TypeVar("T")


async def while_connected(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`, which is cancelled when the client goes.

    To be called once the body has been read. Raises ClientDisconnect when the client went.
    """
    waiter = asyncio.current_task()
    assert waiter is not None
    has_left = False

    def leave(gone: asyncio.Task[None]) -> None:
        nonlocal has_left
        has_left = True
        waiter.cancel()

    gone = asyncio.create_task(_wait_until_gone(request))
    gone.add_done_callback(leave)
    try:
        return await work
    except asyncio.CancelledError:
        if has_left and not waiter.uncancel():
            raise ClientDisconnect from None
        raise
    finally:
        gone.remove_done_callback(leave)
        gone.cancel()


async def _wait_until_gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from service.errors import BodyTimeout, TooLarge
from service.middleware import BodyLimit, BodyRule

pytestmark = pytest.mark.anyio


async def read_body(path: str, receive: Receive, **scope: Any) -> int:
    """How many bytes come through, of a body that may have 10, but any number at /stream."""
    received = 0

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal received
        while (message := await receive())["more_body"]:
            received += len(message["body"])

    async def send(message: Message) -> None:
        raise AssertionError("nothing is answered")

    rules = {"/stream": BodyRule(None, 60_000), "/stalls": BodyRule(None, 1)}
    limit = BodyLimit(app, BodyRule(10, 60_000), rules)
    given = {"type": "http", "path": path, "root_path": "", "headers": [], **scope}
    await limit(given, receive, send)
    return received


def parts(count: int) -> Receive:
    messages = [{"type": "http.request", "body": b"12345", "more_body": True}] * count
    rest = iter([*messages, {"type": "http.request", "body": b"", "more_body": False}])

    async def receive() -> Message:
        return next(rest)

    return receive


async def test_a_stream_may_be_of_any_length_and_other_bodies_may_not() -> None:
    assert await read_body("/stream", parts(1000)) == 5000
    assert await read_body("/proxy/stream", parts(1000), root_path="/proxy") == 5000
    assert await read_body("/predict", parts(2)) == 10
    with pytest.raises(TooLarge, match="10 bytes"):
        await read_body("/predict", parts(3))


async def test_a_body_that_stalls_is_given_up_by_the_limit_of_its_path() -> None:
    async def receive() -> Message:
        await asyncio.get_running_loop().create_future()
        raise AssertionError("nothing comes")

    with pytest.raises(BodyTimeout, match="for 1 ms"):
        await read_body("/stalls", receive)

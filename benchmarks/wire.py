"""An application behind uvicorn's HTTP protocol, without a network."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

App = Any


class Wire(asyncio.Transport):
    """A connection: what is sent goes to the protocol, and what the protocol writes is kept.

    `state` is what the application's lifespan yields. To be made where an event loop runs.
    """

    def __init__(self, app: App, state: dict[str, Any], root_path: str = "") -> None:
        super().__init__({"sockname": ("127.0.0.1", 8000), "peername": ("127.0.0.1", 40_000)})
        self.written: list[bytes] = []
        self.closed = False
        self._news = asyncio.Event()
        loaded = Config(app, access_log=False, lifespan="off", ws="none", root_path=root_path)
        loaded.load()
        server = ServerState()
        server.default_headers = [(b"server", b"uvicorn")]
        self.protocol = HttpToolsProtocol(loaded, server, dict(state))
        self.protocol.connection_made(self)

    def send(self, content: bytes) -> None:
        """Bytes of requests, as one read of the socket gives them."""
        self.protocol.data_received(content)

    async def wait_for_writes(self, count: int) -> None:
        """Until so many pieces have been written in all."""
        while len(self.written) < count:
            self._news.clear()
            await self._news.wait()

    def hang_up(self) -> None:
        """The client goes."""
        self.closed = True
        self.protocol.connection_lost(None)

    def write(self, data: Any) -> None:
        self.written.append(bytes(data))
        self._news.set()

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


def post(path: str, body: bytes, *headers: str) -> bytes:
    """A request with a JSON body, as it goes over the wire."""
    lines = [
        f"POST {path} HTTP/1.1",
        "host: 127.0.0.1:8000",
        "content-type: application/json",
        f"content-length: {len(body)}",
        *headers,
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body

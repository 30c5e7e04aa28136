"""The lines of a body while it comes, no more of them in memory than are being answered."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass

from starlette.types import Receive

from service.errors import RequestError, TooLarge
from service.tables import WINDOW_ROWS

READ_AHEAD_BYTES = 262_144  # of whole lines, while those before are answered


@dataclass(frozen=True)
class Line:
    """A line by its number, from 1, without its end; or why it was not kept."""

    number: int
    content: bytes | RequestError


class LineSource:
    """Cuts a body into lines as it comes.

    `pump` reads; `windows` gives what has come. Where that is not taken, nothing more is read,
    and the client has to wait.
    """

    def __init__(self, receive: Receive, max_line_bytes: int) -> None:
        self._receive = receive
        self._max_line_bytes = max_line_bytes
        self._lines: deque[Line] = deque()
        self._waiting_bytes = 0
        self._tail = bytearray()
        self._tail_is_too_long = False
        self._count = 0
        self._ended = False
        self._error: RequestError | None = None
        self._something = asyncio.Event()  # to be taken, or to be known of
        self._room = asyncio.Event()
        self._room.set()

    async def pump(self) -> None:
        """Read until the client has gone, which may be long after the body has ended."""
        while True:
            await self._room.wait()
            try:
                message = await self._receive()
            except RequestError as error:
                self.end(error)
                continue
            if message["type"] == "http.disconnect":
                return
            if self._ended:
                continue  # what nobody waits for
            self._feed(message.get("body", b""))
            if not message.get("more_body", False):
                if self._tail or self._tail_is_too_long:
                    self._add_tail()
                self.end(None)

    async def windows(self) -> AsyncIterator[list[Line]]:
        """What has come, as soon as there is any, some lines at once.

        Raises the error that the source was ended with, after the last line.
        """
        while True:
            await self._something.wait()
            if window := self._take():
                yield window
            elif self._error:
                raise self._error
            else:
                return

    def end(self, error: RequestError | None) -> None:
        """No more lines, but for those that are whole already; for `error`, if there is one."""
        if not self._ended:
            self._ended, self._error = True, error
            self._tail.clear()
            self._something.set()
            self._room.set()

    def _take(self) -> list[Line]:
        window = [self._lines.popleft() for _ in range(min(len(self._lines), WINDOW_ROWS))]
        self._waiting_bytes -= sum(map(_size, window))
        if self._waiting_bytes < READ_AHEAD_BYTES:
            self._room.set()
        if not self._lines and not self._ended:
            self._something.clear()
        return window

    def _feed(self, chunk: bytes) -> None:
        *ends, rest = chunk.split(b"\n")
        for end in ends:
            self._extend_tail(end)
            self._add_tail()
        self._extend_tail(rest)

    def _extend_tail(self, part: bytes) -> None:
        if len(self._tail) + len(part) > self._max_line_bytes:
            self._tail_is_too_long = True
            self._tail.clear()
        if not self._tail_is_too_long:
            self._tail += part

    def _add_tail(self) -> None:
        self._count += 1
        content: bytes | RequestError = bytes(self._tail)
        if self._tail_is_too_long:
            content = TooLarge(f"the line has more than the limit of {self._max_line_bytes} bytes")
        line = Line(self._count, content)
        self._tail.clear()
        self._tail_is_too_long = False
        self._lines.append(line)
        self._waiting_bytes += _size(line)
        self._something.set()
        if self._waiting_bytes >= READ_AHEAD_BYTES:
            self._room.clear()


def _size(line: Line) -> int:
    return len(line.content) if isinstance(line.content, bytes) else 0

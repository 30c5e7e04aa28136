"""Pure ASGI middleware: the limits of a body, and the last net for a defect."""

from __future__ import annotations

import asyncio
import logging
import traceback

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.errors import BodyTimeout, InternalError, TooLarge
from service.routes.errors import error_response

logger = logging.getLogger(__name__)


class BodyLimit:
    """Refuses a body of more than `max_body_bytes`, by its header or as it streams in.

    And one of which nothing comes for `timeout_ms`, so that a stalled client holds nothing
    for long. The error is raised where the body is read: a body that nobody reads harms nobody.
    """

    def __init__(self, app: ASGIApp, max_body_bytes: int, timeout_ms: int) -> None:
        self._app = app
        self._max_body_bytes = max_body_bytes
        self._timeout_ms = timeout_ms

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        declared = _content_length(scope)
        received, whole = 0, False

        async def receive_within_limit() -> Message:
            nonlocal received, whole
            self._check(declared)  # before the first byte, so that `Expect: 100-continue` works
            message = await (receive() if whole else self._receive_in_time(receive))
            received += len(message.get("body", b""))
            whole = not message.get("more_body", False)
            self._check(received)
            return message

        await self._app(scope, receive_within_limit, send)

    async def _receive_in_time(self, receive: Receive) -> Message:
        try:
            async with asyncio.timeout(self._timeout_ms / 1000):
                return await receive()
        except TimeoutError:
            reason = f"nothing of the body came for {self._timeout_ms} ms"
            raise BodyTimeout(reason) from None

    def _check(self, body_bytes: int) -> None:
        if body_bytes > self._max_body_bytes:
            raise TooLarge(f"the body has more than the limit of {self._max_body_bytes} bytes")


class DefectNet:
    """Answers 500 for an exception that nothing else caught, and logs where it arose.

    The exception's message is kept out of the log and of the answer: it may quote a text.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def send_and_note(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, receive, send_and_note)
        except Exception as error:
            _log_defect(scope, error)
            if not started:
                await _internal_error(scope)(scope, receive, send)


def _content_length(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            return int(value)
    return 0


def _internal_error(scope: Scope) -> Response:
    return error_response(scope, InternalError("a defect of the service; it has been logged"))


def _log_defect(scope: Scope, error: Exception) -> None:
    frames = "".join(traceback.format_tb(error.__traceback__))
    logger.error(
        "%s %s failed with %s\n%s", scope["method"], scope["path"], type(error).__name__, frames
    )

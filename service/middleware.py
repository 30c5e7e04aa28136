"""Pure ASGI middleware: the limits of a body, and the last net for a defect."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Mapping
from dataclasses import dataclass

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.deadline import Deadline
from service.errors import BodyTimeout, DeadlineExceeded, InternalError, TooLarge
from service.routes.errors import error_response, local_path

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class BodyRule:
    """How much of a body may come, None for any amount, and how long nothing of it may come."""

    max_bytes: int | None
    timeout_ms: int

    async def receive_in_time(self, receive: Receive) -> Message:
        """The next message, or BodyTimeout."""
        try:
            with Deadline(self.timeout_ms):
                return await receive()
        except DeadlineExceeded:
            reason = f"nothing of the body came for {self.timeout_ms} ms"
            raise BodyTimeout(reason) from None

    def check(self, body_bytes: int) -> None:
        """Raise TooLarge for more bytes than may come."""
        if self.max_bytes is not None and body_bytes > self.max_bytes:
            raise TooLarge(f"the body has more than the limit of {self.max_bytes} bytes")


class BodyLimit:
    """Refuses a body that is too large, by its header or as it streams in.

    And one of which nothing comes for too long, so that a stalled client holds nothing. Paths
    in `special` have rules of their own. The error is raised where the body is read: a body
    that nobody reads harms nobody.
    """

    def __init__(self, app: ASGIApp, rule: BodyRule, special: Mapping[str, BodyRule]) -> None:
        self._app = app
        self._rule = rule
        self._special = special

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        rule = self._special.get(local_path(scope), self._rule)
        declared = _content_length(scope)
        received, whole = 0, False

        async def receive_within_limit() -> Message:
            nonlocal received, whole
            rule.check(declared)  # before the first byte, so that `Expect: 100-continue` works
            message = await (receive() if whole else rule.receive_in_time(receive))
            received += len(message.get("body", b""))
            whole = not message.get("more_body", False)
            rule.check(received)
            return message

        await self._app(scope, receive_within_limit, send)


class DefectNet:
    """Answers 500 for an exception that nothing else caught, and logs where it arose."""

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
            response = answer_defect(scope, error)
            if not started:
                await response(scope, receive, send)


def answer_defect(scope: Scope, error: Exception) -> Response:
    """The answer 500 for an exception that nothing else knows, which is logged where it arose.

    The exception's message is kept out of the log and of the answer: it may quote a text.
    """
    frames = "".join(traceback.format_tb(error.__traceback__))
    logger.error(
        "%s %s failed with %s\n%s", scope["method"], scope["path"], type(error).__name__, frames
    )
    return error_response(scope, InternalError("a defect of the service; it has been logged"))


def _content_length(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            return int(value)
    return 0

"""The express way of a small JSON request: answered past ASGI's messages, in one write."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Iterator
from typing import Any

from fastapi import Request, Response
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from service.middleware import answer_defect
from service.records import current_record
from service.routes.errors import answer_error, local_path
from service.routes.lean import LeanRoute
from service.telemetry import REQUEST_ID, Telemetry

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class Express:
    """Pure ASGI, outermost: the lean routes, where uvicorn has read the whole body already.

    The layers of the application, and the messages they pass on to each other, take as long as
    a short run of the model. All that they would do for such a request is done here at once,
    with the same handlers. Whatever else comes takes the way through `app`, to the same answer:
    bodies that come in parts, other routes, another server than uvicorn on httptools.
    """

    def __init__(
        self, app: ASGIApp, routes: Iterable[BaseRoute], telemetry: Telemetry, max_body_bytes: int
    ) -> None:
        self._app = app
        self._telemetry = telemetry
        self._max_body_bytes = max_body_bytes
        self._handlers: dict[tuple[str, str], tuple[LeanRoute, Handler]] = {
            (method, route.path): (route, route.get_route_handler())
            for route in routes
            if isinstance(route, LeanRoute)
            for method in route.methods or ()
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        found = scope["type"] == "http" and self._handlers.get((scope["method"], local_path(scope)))
        cycle = getattr(send, "__self__", None)
        if found and isinstance(cycle, RequestResponseCycle) and self._is_here(cycle):
            scope["route"], handle = found
            await self._answer(Request(scope, receive), handle, cycle)
        else:
            await self._app(scope, receive, send)

    def _is_here(self, cycle: RequestResponseCycle) -> bool:
        return not cycle.more_body and len(cycle.body) <= self._max_body_bytes

    async def _answer(self, request: Request, handle: Handler, cycle: RequestResponseCycle) -> None:
        began_s = self._telemetry.clock()
        record = self._telemetry.begin(request.scope)
        current_record.set(record)  # of this request's task, which ends with it
        try:
            response = await _respond(request, handle)
            record.status = response.status_code
            response.raw_headers.append((REQUEST_ID, record.id.encode()))
            if cycle.flow.write_paused:
                await cycle.flow.drain()
            _write(cycle, response)
        finally:
            self._telemetry.end(record, request.scope, self._telemetry.clock() - began_s)


async def _respond(request: Request, handle: Handler) -> Response:
    try:
        return await handle(request)
    except Exception as error:
        try:
            return await answer_error(request, error)
        except Exception as defect:
            return answer_defect(request.scope, defect)


def _write(cycle: RequestResponseCycle, response: Response) -> None:
    """Answer in one piece, and leave the cycle as its own `send` leaves it at the end."""
    if cycle.disconnected:
        return
    cycle.response_started = cycle.response_complete = True
    cycle.transport.write(b"".join(_pieces(cycle, response)))
    if not cycle.keep_alive:
        cycle.transport.close()
    cycle.on_response()


def _pieces(cycle: RequestResponseCycle, response: Response) -> Iterator[bytes]:
    yield STATUS_LINE[response.status_code]
    for headers in (cycle.default_headers, response.raw_headers):
        for name, value in headers:
            yield b"%b: %b\r\n" % (name, value)
    if not cycle.keep_alive:
        yield b"connection: close\r\n"
    yield b"\r\n"
    yield bytes(response.body)

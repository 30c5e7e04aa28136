"""POST /predict/stream: lines in, lines out, as they come."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from service.bulk import in_order, predict_window
from service.entries import read_entry, write_end, write_entry
from service.errors import RequestError, Unavailable
from service.examples import STREAM_EXAMPLES, STREAMED_EXAMPLES
from service.lines import Line, LineSource
from service.pipeline import Pipeline
from service.records import note_cut_short
from service.routes.bodies import NDJSON, require_ndjson
from service.routes.documented import documented_errors
from service.routes.gradual import GradualResponse
from service.routes.stages import PipelineStage
from service.schemas import StreamOptions

STREAM_PATH = "/predict/stream"

router = APIRouter(tags=["predict"])


def _lines_of(examples: dict[str, Any]) -> dict[str, Any]:
    return {NDJSON: {"schema": {"type": "string"}, "examples": examples}}


STREAMED = {
    "description": "A line for each line, in order: a prediction, with the line's `id`, or "
    "`error` with the `line`'s number.",
    "content": _lines_of(STREAMED_EXAMPLES),
}


@router.post(
    STREAM_PATH,
    summary="The sentiment of any number of texts, a line each",
    response_class=Response,
    responses={200: STREAMED, **documented_errors(404, 408, 415, 422, 503)},
    dependencies=[Depends(require_ndjson)],
    openapi_extra={"requestBody": {"required": True, "content": _lines_of(STREAM_EXAMPLES)}},
)
async def predict_stream(
    request: Request, options: Annotated[StreamOptions, Query()], pipeline: PipelineStage
) -> Response:
    """Send lines of JSON, each `{"text": …, "id"?: …}` or just a text; `id` can be anything.

    Lines are answered while others are still being sent: read while you send, as curl does.
    There is no limit to their number, and one that is sent fast waits for room in the queue
    rather than get 429. A line that cannot be answered has its error in its place.

    A stream that is cut short, because nothing came for `stream_idle_ms` or the service stops,
    ends with a line that has the `error` and the first `line` that is not answered.
    """
    pipeline.find_lane(options.model)
    return AnsweredLines(pipeline, options, request.app.state.stopping)


class AnsweredLines(GradualResponse):
    """Answers the lines of the request's body as they come."""

    def __init__(self, pipeline: Pipeline, options: StreamOptions, stopping: asyncio.Event) -> None:
        # One stream a connection: after one that is cut short, no other could begin.
        super().__init__({"content-type": NDJSON, "connection": "close"})
        self._pipeline = pipeline
        self._options = options
        self._stopping = stopping

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        source = LineSource(receive, self._pipeline.settings.max_body_bytes)
        async with (
            _aside(self._end_when_stopping(source)),
            _aside(source.pump()) as gone,
            _aside(self._answer(source, send)) as answering,
        ):
            await asyncio.wait({gone, answering}, return_when=asyncio.FIRST_COMPLETED)
            if answering.done():
                return answering.result()
            gone.result()
        if not self.started:
            raise ClientDisconnect
        note_cut_short()

    async def _end_when_stopping(self, source: LineSource) -> None:
        await self._stopping.wait()
        source.end(Unavailable("the service is stopping; send the rest again"))

    async def _answer(self, source: LineSource, send: Send) -> None:
        answered_lines, last = 0, b""
        try:
            async with in_order(source.windows(), self._answer_window) as answered:
                async for lines, written in answered:
                    await self.write(send, written)
                    answered_lines = lines[-1].number
        except RequestError as error:
            if not self.started:
                raise
            note_cut_short(error)
            last = write_end(answered_lines + 1, error)
        await self.write(send, last, more=False)

    async def _answer_window(self, lines: list[Line]) -> bytes:
        options = self._options
        entries = [read_entry(line) for line in lines]
        answers = await predict_window(
            self._pipeline,
            [entry.text for entry in entries],
            param="text",
            model=options.model,
            top_k=options.top_k,
            raw_scores=options.raw_scores,
            truncate=options.truncate,
        )
        return b"".join(map(write_entry, entries, answers))


@asynccontextmanager
async def _aside(work: Coroutine[Any, Any, None]) -> AsyncIterator[asyncio.Task[None]]:
    """Work that goes on meanwhile, and is cancelled in the end."""
    task = asyncio.create_task(work)
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait({task})

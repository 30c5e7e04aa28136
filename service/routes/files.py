"""POST /predict/file: a file of rows in, the same file with columns added out."""

from __future__ import annotations

import asyncio
import io
from typing import Annotated, Any, BinaryIO, cast
from urllib.parse import quote

from fastapi import APIRouter, Depends, Query, Request
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from service.bulk import in_order, in_thread, predict_window
from service.errors import RequestError
from service.examples import FILE_EXAMPLES, FILED_EXAMPLES
from service.formats import MEDIA_TYPES, open_table
from service.pipeline import Pipeline
from service.records import note_cut_short
from service.routes.bodies import MULTIPART
from service.routes.disconnect import while_connected
from service.routes.documented import documented_errors
from service.routes.gradual import GradualResponse
from service.routes.stages import PipelineStage
from service.routes.uploads import Upload, receive_upload
from service.schemas import Answered, FileOptions
from service.tables import Table, TableOptions, Window

FILE_PATH = "/predict/file"

router = APIRouter(tags=["predict"])

BINARY: dict[str, Any] = {"type": "string", "format": "binary"}
CONTENT: dict[str, Any] = {
    media_type: {"schema": BINARY if "sheet" in media_type else {"type": "string"}}
    for media_type in MEDIA_TYPES
}
FORM = {
    "type": "object",
    "properties": {"file": BINARY},
    "required": ["file"],
    "additionalProperties": False,
}
TAKEN = {
    **CONTENT,
    "text/csv": {**CONTENT["text/csv"], "examples": FILE_EXAMPLES},
    MULTIPART: {"schema": FORM},
}
GIVEN = {
    "description": "The file with the columns `label`, `score`, `score_…` of each label and "
    "`error`; all of them named `sentiment_…` when the file has one of that name.",
    "content": {**CONTENT, "text/csv": {**CONTENT["text/csv"], "examples": FILED_EXAMPLES}},
}


@router.post(
    FILE_PATH,
    summary="The sentiment of each row of a file",
    response_class=Response,
    responses={200: GIVEN, **documented_errors(400, 404, 408, 413, 415, 422, 503)},
    openapi_extra={"requestBody": {"required": True, "content": TAKEN}},
)
async def predict_file(
    options: Annotated[FileOptions, Query()],
    upload: Annotated[Upload, Depends(receive_upload)],
    pipeline: PipelineStage,
) -> Response:
    """Send CSV, TSV, JSON lines or XLSX, as the body or as `file` of a form that has nothing else.

    The answer is the same file, row by row, with the answers in added columns and everything
    else as it was. A row that cannot be answered has the reason in the column `error`.

    The file is answered when all of it has come, and is as large as `max_file_bytes` at most;
    for more there are `POST /predict/stream` and the command line.
    """
    settings = pipeline.settings
    read = TableOptions(
        format=upload.format,
        column=options.column,
        encoding=options.encoding,
        max_row_chars=8 * settings.max_text_chars,
        max_bytes=settings.max_file_bytes,
    )
    table = await asyncio.to_thread(open_table, upload.file, read)
    return AnsweredFile(pipeline, options, table, upload)


class AnsweredFile(GradualResponse):
    """Writes a table with its answers, window by window."""

    def __init__(
        self,
        pipeline: Pipeline,
        options: FileOptions,
        table: Table,
        upload: Upload,
    ) -> None:
        media_type = next(key for key, value in MEDIA_TYPES.items() if value == upload.format)
        charset = f"; charset={table.encoding}" if table.encoding else ""
        headers = {"content-type": media_type + charset}
        if upload.name:
            name = quote(upload.name, safe="", errors="replace")
            headers["content-disposition"] = f"attachment; filename*=utf-8''{name}"
        super().__init__(headers)
        self._pipeline = pipeline
        self._options = options
        self._table = table

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await while_connected(Request(scope, receive), self._answer(send))
        except (ClientDisconnect, RequestError) as error:
            if not self.started:
                raise
            # Without the end of the transfer, by which a client sees that it is not whole.
            note_cut_short(error if isinstance(error, RequestError) else None)

    async def _answer(self, send: Send) -> None:
        labels = self._pipeline.find_lane(self._options.model).model.manifest.labels
        sink = _Sink()
        writer = await asyncio.to_thread(self._table.writer, cast(BinaryIO, sink), labels)
        windows = in_thread(self._table.windows())
        async with in_order(windows, self._answer_window) as answered:
            async for window, answers in answered:
                await asyncio.to_thread(writer.write, window, answers)
                if part := sink.take():
                    await self.write(send, part)
        await asyncio.to_thread(writer.close)
        await self.write(send, sink.take(), more=False)

    async def _answer_window(self, window: Window) -> list[Answered]:
        options = self._options
        return await predict_window(
            self._pipeline,
            window.texts,
            model=options.model,
            raw_scores=options.raw_scores,
            truncate=options.truncate,
        )


class _Sink(io.RawIOBase):
    """Keeps what is written until it is taken."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, part: Any) -> int:
        self._parts.append(bytes(part))
        return len(part)

    def take(self) -> bytes:
        whole = b"".join(self._parts)
        self._parts.clear()
        return whole

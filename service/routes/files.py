"""POST /predict/file: a file of rows in, the same file with columns added out."""

from __future__ import annotations

import asyncio
import io
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import Annotated, Any, BinaryIO, cast
from urllib.parse import quote

from fastapi import APIRouter, Query, Request
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from service.bulk import in_order, in_thread, predict_window
from service.errors import InvalidInput, MalformedBody, RequestError, Unavailable
from service.examples import FILE_EXAMPLES, FILED_EXAMPLES
from service.pipeline import Pipeline
from service.records import note_cut_short
from service.routes.bodies import MULTIPART, find_format, read_media_type
from service.routes.disconnect import while_connected
from service.routes.documented import documented_errors
from service.routes.stages import PipelineStage
from service.schemas import Answered, FileOptions
from service.tables import MEDIA_TYPES, SUFFIXES, Format, Table, TableOptions, Window, open_table

FILE_PATH = "/predict/file"
IN_MEMORY_BYTES = 1_048_576  # of a file; what is beyond goes to the temporary folder

router = APIRouter(tags=["predict"])

BINARY: dict[str, Any] = {"type": "string", "format": "binary"}
CONTENT: dict[str, Any] = {
    media_type: {"schema": {"type": "string"} if "text" in media_type else BINARY}
    for media_type in MEDIA_TYPES
}
FORM = {"type": "object", "properties": {"file": BINARY}, "required": ["file"]}
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
    request: Request, options: Annotated[FileOptions, Query()], pipeline: PipelineStage
) -> Response:
    """Send CSV, TSV, JSON lines or XLSX, as the body or as `file` of a form.

    The answer is the same file, row by row, with the answers in added columns and everything
    else as it was. A row that cannot be answered has the reason in the column `error`.

    The file is answered when all of it has come, and is as large as `max_file_bytes` at most;
    for more there are `POST /predict/stream` and the command line.
    """
    pipeline.find_lane(options.model)
    try:
        file, table_format, name = await _receive_file(request)
    except OSError as error:
        raise Unavailable("there is no room for the file now; try again later") from error
    settings = pipeline.settings
    read = TableOptions(
        format=table_format,
        column=options.column,
        encoding=options.encoding,
        max_row_chars=8 * settings.max_text_chars,
        max_bytes=settings.max_file_bytes,
    )
    table = await asyncio.to_thread(open_table, file, read)
    return AnsweredFile(pipeline, options, table, table_format, name)


class AnsweredFile(Response):
    """Writes a table with its answers, window by window."""

    def __init__(
        self,
        pipeline: Pipeline,
        options: FileOptions,
        table: Table,
        table_format: Format,
        name: str | None,
    ) -> None:
        media_type = next(key for key, value in MEDIA_TYPES.items() if value == table_format)
        charset = f"; charset={table.encoding}" if table.encoding else ""
        headers = {"content-type": media_type + charset}
        if name:
            headers["content-disposition"] = f"attachment; filename*=utf-8''{quote(name, safe='')}"
        super().__init__(headers=headers)
        del self.headers["content-length"]
        self._pipeline = pipeline
        self._options = options
        self._table = table
        self._started = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await while_connected(Request(scope, receive), self._answer(send))
        except (ClientDisconnect, RequestError) as error:
            if not self._started:
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
                    await self._write(send, part)
        await asyncio.to_thread(writer.close)
        await self._write(send, sink.take(), more=False)

    async def _answer_window(self, window: Window) -> list[Answered]:
        options = self._options
        return await predict_window(
            self._pipeline,
            window.texts,
            model=options.model,
            raw_scores=options.raw_scores,
            truncate=options.truncate,
        )

    async def _write(self, send: Send, body: bytes, *, more: bool = True) -> None:
        if not self._started:
            self._started = True
            headers = self.raw_headers
            await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body, "more_body": more})


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


async def _receive_file(request: Request) -> tuple[BinaryIO, Format, str | None]:
    """The whole file, its format, and the name it had."""
    media_type = read_media_type(request)
    if media_type == MULTIPART:
        return await _receive_form(request)
    found = find_format(media_type)
    file = SpooledTemporaryFile(IN_MEMORY_BYTES)  # noqa: SIM115
    async for chunk in request.stream():
        file.write(chunk)
    return cast(BinaryIO, file), found, None


async def _receive_form(request: Request) -> tuple[BinaryIO, Format, str | None]:
    try:
        form = await request.form(max_files=1)
    except HTTPException as error:
        raise MalformedBody(f"the form cannot be read: {error.detail}") from None
    upload = form.get("file")
    if not isinstance(upload, UploadFile):
        raise InvalidInput("the form has no file of this name", "file")
    name = upload.filename or ""
    suffix = Path(name).suffix.lower()
    # The name before the type: browsers call CSV files many things.
    found = SUFFIXES.get(suffix) if suffix in SUFFIXES else None
    if found is None or found not in MEDIA_TYPES.values():
        found = find_format((upload.content_type or "").partition(";")[0].strip().lower())
    return upload.file, found, name or None

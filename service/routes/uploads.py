"""Files that come as a body or in a form, kept until they are answered."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import BinaryIO, cast

from fastapi import Request
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException

from service.errors import InvalidInput, MalformedBody, Unavailable
from service.formats import MEDIA_TYPES, SUFFIXES
from service.routes.bodies import MULTIPART, find_format, read_media_type
from service.routes.errors import MAX_PARAM_CHARS
from service.tables import Format

IN_MEMORY_BYTES = 1_048_576  # what is beyond goes to the temporary folder
NO_ROOM = "there is no room for the file now; try again later"


@dataclass(frozen=True)
class Upload:
    """A whole file, its format, and its name where it has one."""

    file: BinaryIO
    format: Format
    name: str | None = None


async def receive_upload(request: Request) -> AsyncIterator[Upload]:
    """The file of a request, which is closed once the request has been answered.

    Raises UnsupportedMedia for a format that is not read here, MalformedBody and InvalidInput
    for a form without a file, Unavailable when the temporary folder is full.
    """
    media_type = read_media_type(request)
    if media_type == MULTIPART:
        async with _read_form(request) as upload:
            yield upload
        return
    found = find_format(media_type)
    with SpooledTemporaryFile(IN_MEMORY_BYTES) as file:
        try:
            async for chunk in request.stream():
                file.write(chunk)
        except OSError as error:
            raise Unavailable(NO_ROOM) from error
        yield Upload(cast(BinaryIO, file), found)


@asynccontextmanager
async def _read_form(request: Request) -> AsyncIterator[Upload]:
    try:
        form = await request.form(max_files=1)
    except HTTPException as error:
        raise MalformedBody(f"the form cannot be read: {error.detail}") from None
    except OSError as error:
        raise Unavailable(NO_ROOM) from error
    try:
        upload = form.get("file")
        if not isinstance(upload, UploadFile):
            raise InvalidInput("the form has no file of this name", "file")
        if others := [name for name in form if name != "file"]:
            reason = "the form takes only `file`; options go in the query"
            raise InvalidInput(reason, others[0][:MAX_PARAM_CHARS])
        yield Upload(upload.file, _find_format(upload), upload.filename or None)
    finally:
        await form.close()


def _find_format(upload: UploadFile) -> Format:
    # The name before the type: browsers call CSV files many things.
    found = SUFFIXES.get(Path(upload.filename or "").suffix.lower())
    if found and found in MEDIA_TYPES.values():
        return found
    return find_format((upload.content_type or "").partition(";")[0].strip().lower())

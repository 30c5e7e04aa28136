"""What a route demands of the body before it reads it."""

from __future__ import annotations

from fastapi import Request

from service.errors import UnsupportedMedia
from service.formats import MEDIA_TYPES
from service.tables import Format

BINARY = "application/octet-stream"
NDJSON = "application/x-ndjson"
MULTIPART = "multipart/form-data"


def require_json(request: Request) -> None:
    """Refuse, with UnsupportedMedia, a body that does not say that it is JSON."""
    media_type = read_media_type(request)
    if not _is_json(media_type):
        raise _unsupported("application/json", media_type)


def require_json_or_binary(request: Request) -> None:
    """Refuse, with UnsupportedMedia, a body that says that it is anything else."""
    media_type = read_media_type(request)
    if media_type and media_type != BINARY and not _is_json(media_type):
        raise _unsupported(f"application/json or {BINARY}", media_type)


def require_ndjson(request: Request) -> None:
    """Refuse, with UnsupportedMedia, a body that does not say that it is lines of JSON."""
    media_type = read_media_type(request)
    if media_type not in (NDJSON, "application/jsonl"):
        raise _unsupported(NDJSON, media_type)


def find_format(media_type: str) -> Format:
    """The format of a file; UnsupportedMedia for one that is not read here."""
    if media_type not in MEDIA_TYPES:
        raise _unsupported(", ".join([*MEDIA_TYPES, "or " + MULTIPART]), media_type)
    return MEDIA_TYPES[media_type]


def read_media_type(request: Request) -> str:
    """The content type without its parameters, in lower case; empty without any."""
    content_type = request.headers.get("content-type", "")
    return content_type.partition(";")[0].strip().lower()


def _is_json(media_type: str) -> bool:
    main, _, subtype = media_type.partition("/")
    return main == "application" and (subtype == "json" or subtype.endswith("+json"))


def _unsupported(wanted: str, media_type: str) -> UnsupportedMedia:
    got = media_type[:100] if media_type.isprintable() and media_type else "none"
    return UnsupportedMedia(f"the content type must be {wanted}, it is {got}")

"""What a route demands of the body before it reads it."""

from __future__ import annotations

from fastapi import Request

from service.errors import UnsupportedMedia


def require_json(request: Request) -> None:
    """Refuse, with UnsupportedMedia, a body that does not say that it is JSON."""
    content_type = request.headers.get("content-type", "")
    media_type = content_type.partition(";")[0].strip().lower()
    main, _, subtype = media_type.partition("/")
    if main != "application" or not (subtype == "json" or subtype.endswith("+json")):
        got = media_type[:100] if media_type.isprintable() and media_type else "none"
        raise UnsupportedMedia(f"the content type must be application/json, it is {got}")

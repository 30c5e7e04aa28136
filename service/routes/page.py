"""GET /: the page for people, and the files that it is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path

from fastapi import APIRouter, Request, Response

from service.errors import NotFound

FOLDER = Path(__file__).resolve().parents[1] / "web"
INDEX = "index.html"
MEDIA_TYPES = {  # not `mimetypes`, which asks the machine
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
SECURITY = {
    "Content-Security-Policy": "default-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'self'; object-src 'none'; require-trusted-types-for 'script'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True)
class Asset:
    """A file of the page, as it is sent."""

    content: bytes
    media_type: str
    etag: str


@router.api_route("/", methods=["GET", "HEAD"])
async def show_page(request: Request) -> Response:
    """The page itself."""
    return _answer(request, INDEX)


@router.api_route("/static/web/{name}", methods=["GET", "HEAD"])
async def show_asset(request: Request, name: str) -> Response:
    """A style sheet, script or image of the page. Raises NotFound for any other name."""
    return _answer(request, name)


def _answer(request: Request, name: str) -> Response:
    asset = _read_assets().get(name)
    if asset is None:
        raise NotFound("the page has no such file")
    # A browser asks again each time, so that the files of a page are of one version.
    headers = {**SECURITY, "Cache-Control": "no-cache", "ETag": asset.etag}
    if asset.etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(asset.content, media_type=asset.media_type, headers=headers)


@cache
def _read_assets() -> Mapping[str, Asset]:
    """Every file of the page by its name: what a request names is looked up, never opened."""
    return {
        path.name: _read(path) for path in sorted(FOLDER.iterdir()) if path.suffix in MEDIA_TYPES
    }


def _read(path: Path) -> Asset:
    content = path.read_bytes()
    return Asset(content, MEDIA_TYPES[path.suffix], f'"{sha256(content).hexdigest()[:32]}"')

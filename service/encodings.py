"""Compressed bodies."""

from __future__ import annotations

import zlib

from service.errors import MalformedBody, TooLarge, UnsupportedMedia

WINDOW_BITS = {"gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}  # RFC 9110, 8.4.1


def decode_body(body: bytes, encoding: str, max_bytes: int) -> bytes:
    """The body before the Content-Encoding `encoding`, never more than `max_bytes` of it.

    Raises UnsupportedMedia for an encoding other than gzip, deflate and identity,
    MalformedBody for a body that is not so encoded, TooLarge for one that unfolds too far.
    """
    coding = encoding.strip().lower()
    if coding == "identity":
        return body
    if coding not in WINDOW_BITS:
        raise UnsupportedMedia("the content encoding must be gzip, deflate or none")
    inflater = zlib.decompressobj(WINDOW_BITS[coding])
    try:
        decoded = inflater.decompress(body, max_bytes + 1)
    except zlib.error:
        raise MalformedBody(f"the body is not {coding}") from None
    if len(decoded) > max_bytes:
        raise TooLarge(f"the body, decompressed, has more than the limit of {max_bytes} bytes")
    if not inflater.eof or inflater.unused_data:
        raise MalformedBody(f"the body is not one whole {coding} stream")
    return decoded

from __future__ import annotations

import gzip
import zlib

import pytest

from service.encodings import decode_body
from service.errors import MalformedBody, TooLarge, UnsupportedMedia

BODY = b'{"inputs": "good"}'


@pytest.mark.parametrize(
    ("encoded", "encoding"),
    [
        (BODY, "identity"),
        (gzip.compress(BODY), "gzip"),
        (gzip.compress(BODY), " GZip "),
        (zlib.compress(BODY), "deflate"),
    ],
    ids=["identity", "gzip", "other case", "deflate"],  # gzip's bytes hold the time
)
def test_a_body_is_decoded(encoded: bytes, encoding: str) -> None:
    assert decode_body(encoded, encoding, max_bytes=len(BODY)) == BODY


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, gzip", ""])
def test_another_encoding_is_unsupported(encoding: str) -> None:
    with pytest.raises(UnsupportedMedia, match="must be gzip, deflate or none"):
        decode_body(BODY, encoding, max_bytes=100)


@pytest.mark.parametrize(
    "encoded",
    [b"", BODY, zlib.compress(BODY), gzip.compress(BODY)[:-1], gzip.compress(BODY) + b"x"],
    ids=["empty", "plain", "deflate", "cut", "longer"],
)
def test_what_is_no_whole_gzip_stream_is_malformed(encoded: bytes) -> None:
    with pytest.raises(MalformedBody, match="gzip"):
        decode_body(encoded, "gzip", max_bytes=100)


def test_a_bomb_is_refused_at_the_limit() -> None:
    bomb = gzip.compress(b"a" * 100_000_000)
    assert len(bomb) < 100_000
    with pytest.raises(TooLarge, match="decompressed, has more than the limit of 1000 bytes"):
        decode_body(bomb, "gzip", max_bytes=1000)

"""The binary tensor data extension of the Open Inference Protocol.

Tensors follow the JSON object in the order in which it names them, little-endian and row
by row. Each element of a BYTES tensor is its length, an unsigned 32-bit integer, and its bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from service.errors import InvalidInput, MalformedBody

LENGTH = struct.Struct("<I")


@dataclass(frozen=True)
class Tensor:
    """An array, its values flat and row by row: strings (BYTES) or floats (FP64)."""

    datatype: Literal["BYTES", "FP64"]
    shape: list[int]
    values: list[str] | list[float]


def split_body(body: bytes, json_bytes: int | None) -> tuple[bytes, bytes]:
    """The JSON object and the tensors that follow it; None says that all of it is JSON."""
    if json_bytes is None:
        return body, b""
    if json_bytes > len(body):
        raise MalformedBody(
            f"Inference-Header-Content-Length is {json_bytes}, the body has {len(body)} bytes"
        )
    return body[:json_bytes], body[json_bytes:]


def pack_tensor(tensor: Tensor) -> bytes:
    """The bytes of a tensor."""
    if tensor.datatype == "FP64":
        return struct.pack(f"<{len(tensor.values)}d", *tensor.values)
    encoded = [str(text).encode() for text in tensor.values]
    return b"".join(LENGTH.pack(len(text)) + text for text in encoded)


def unpack_texts(packed: bytes) -> list[str]:
    """The texts of a BYTES tensor.

    Raises MalformedBody when its lengths do not add up, InvalidInput for a text that is not UTF-8.
    """
    return [_decode(index, text) for index, text in enumerate(_elements(packed))]


def _elements(packed: bytes) -> Iterator[bytes]:
    start = 0
    while start < len(packed):
        if start + LENGTH.size > len(packed):
            raise MalformedBody("the binary data ends within the length of a text")
        (size,) = LENGTH.unpack_from(packed, start)
        start += LENGTH.size
        if start + size > len(packed):
            raise MalformedBody(
                f"the binary data ends after {len(packed) - start} of the {size} bytes of a text"
            )
        yield packed[start : start + size]
        start += size


def _decode(index: int, text: bytes) -> str:
    try:
        return text.decode()
    except UnicodeDecodeError as error:
        raise InvalidInput(
            f"the text is not UTF-8 at byte {error.start}", name_text(index)
        ) from None  # the cause would quote the text


def name_text(index: int) -> str:
    """The path of an element of the tensor `text`."""
    return f"text.{index}"

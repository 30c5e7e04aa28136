from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import InvalidInput, MalformedBody
from service.tensors import Tensor, pack_tensor, split_body, unpack_texts

TEXTS = st.lists(st.text(st.characters(codec="utf-8")))


@given(TEXTS)
def test_packed_texts_are_unpacked(texts: list[str]) -> None:
    assert unpack_texts(pack_tensor(Tensor("BYTES", [len(texts)], texts))) == texts


def test_texts_are_packed_behind_their_length_in_bytes() -> None:
    packed = pack_tensor(Tensor("BYTES", [2], ["好", "a"]))
    assert packed == b"\x03\0\0\0\xe5\xa5\xbd\x01\0\0\0a"


def test_floats_are_packed_in_64_bits() -> None:
    assert pack_tensor(Tensor("FP64", [2], [0.1, -1.0])) == struct.pack("<2d", 0.1, -1.0)


@given(st.binary())
def test_any_bytes_are_texts_or_refused(packed: bytes) -> None:
    try:
        texts = unpack_texts(packed)
    except (MalformedBody, InvalidInput):
        return
    assert pack_tensor(Tensor("BYTES", [len(texts)], texts)) == packed


@pytest.mark.parametrize(
    ("packed", "message"),
    [
        (b"\x01\0\0", "ends within the length"),
        (b"\x05\0\0\0good", "ends after 4 of the 5 bytes"),
        (b"\xff\xff\xff\xff", "ends after 0 of the 4294967295 bytes"),
    ],
)
def test_lengths_that_do_not_add_up_are_malformed(packed: bytes, message: str) -> None:
    with pytest.raises(MalformedBody, match=message):
        unpack_texts(packed)


def test_a_text_that_is_not_utf8_is_named_and_not_quoted() -> None:
    with pytest.raises(InvalidInput, match="not UTF-8 at byte 1") as caught:
        unpack_texts(b"\x01\0\0\0a" + b"\x02\0\0\0b\xff")
    assert caught.value.param == "text.1"
    assert caught.value.__cause__ is None


def test_a_body_is_split_where_its_json_ends() -> None:
    assert split_body(b"{}abc", 2) == (b"{}", b"abc")
    assert split_body(b"{}", 2) == (b"{}", b"")
    assert split_body(b"{}", None) == (b"{}", b"")
    with pytest.raises(MalformedBody, match="is 3, the body has 2 bytes"):
        split_body(b"{}", 3)

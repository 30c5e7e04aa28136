from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import BundleError
from service.model import Model
from service.tokenizer import Tokenizer


@pytest.mark.parametrize("content", [b"", b"not a model"])
def test_tokenizer_refuses_bytes_that_are_no_model(content: bytes) -> None:
    with pytest.raises(BundleError, match=r"tokenizer\.model: not a sentencepiece model"):
        Tokenizer(content)


def test_tokenizer_folds_case_and_width(model: Model) -> None:
    encode = model.tokenizer.encode
    assert encode("GREAT!") == encode("great!") == encode("great!")


@pytest.mark.parametrize("text", ["", "  \t\n", "\u200b"])
def test_tokenizer_finds_nothing_in_blank_text(model: Model, text: str) -> None:
    assert model.tokenizer.encode(text) == []


def test_tokenizer_reads_what_it_has_never_seen_by_its_bytes(model: Model) -> None:
    ids = model.tokenizer.encode("Жук 🪲")
    assert ids
    assert model.tokenizer.unk_id not in ids


@given(texts=st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=30)))
def test_many_texts_are_encoded_like_each_alone(model: Model, texts: list[str]) -> None:
    one_by_one = [model.tokenizer.encode(text) for text in texts]
    assert model.tokenizer.encode_all(texts) == one_by_one
    assert all(0 < id_ < model.tokenizer.vocab_size for ids in one_by_one for id_ in ids)


def test_pieces_are_as_written(model: Model) -> None:
    ids = model.tokenizer.encode("the room")
    assert "".join(model.tokenizer.pieces(ids)) == "▁the▁room"

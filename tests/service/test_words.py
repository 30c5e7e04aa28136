from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from service.characters import VISIBLE
from service.model import Model
from service.words import find_words

READABLE = st.text(st.characters(codec="utf-8", exclude_characters="\0"))


def words_of(model: Model, text: str) -> list[str]:
    words = find_words(text, model.tokenizer.offsets(text))
    return [text[word.span.start : word.span.end] for word in words]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("The room wasn't GREAT!!", ["The", "room", "wasn't", "GREAT", "!!"]),
        ("  well-made,\n\n3.5 stars ", ["well-made", ",", "3.5", "stars"]),
        ("a \u200bb", ["a", "b"]),
        ("ok 👨‍👩‍👧👍🏽🇬🇧❤️!", ["ok", "👨‍👩‍👧", "👍🏽", "🇬🇧", "❤️", "!"]),
        ("Ｆｕｌｌ　ﬁlm ½ e\u0301t", ["Ｆｕｌｌ", "ﬁlm", "½", "e\u0301t"]),
        ("Жук 🪲", ["Жук", "🪲"]),
        ("room很room", ["room", "很", "room"]),
    ],
)
def test_words_are_as_written(model: Model, text: str, words: list[str]) -> None:
    assert words_of(model, text) == words


def test_chinese_words_are_the_tokenizers_pieces(model: Model) -> None:
    text = "味道很好,分量也"
    pieces = model.tokenizer.pieces(model.tokenizer.encode(text))
    assert words_of(model, text) == [piece.strip("▁") for piece in pieces if piece != "▁"]


@given(text=READABLE)
@example("½")
@example(" \u3000很\u200b好\ufeff ")
@example("a\u0301\u0302 ㍿ﷺ 🏴󠁧󠁢󠁥󠁮󠁧󠁿")
def test_every_token_and_character_is_in_one_word(model: Model, text: str) -> None:
    words = find_words(text, model.tokenizer.offsets(text))
    tokens = [token for word in words for token in word.tokens]
    assert tokens == list(range(len(model.tokenizer.encode(text))))
    ends = [0, *(word.span.end for word in words)]
    gaps = [text[end : word.span.start] for end, word in zip(ends, words, strict=False)]
    assert not VISIBLE.search("".join(gaps) + text[ends[-1] :])
    assert all(word.span.start < word.span.end for word in words)


@given(text=READABLE)
def test_offsets_are_those_of_the_tokens(model: Model, text: str) -> None:
    offsets = model.tokenizer.offsets(text)
    assert len(offsets) == len(model.tokenizer.encode(text))
    edges = [edge for span in offsets for edge in span]
    assert edges == sorted(edges)
    assert all(edge <= len(text) for edge in edges)

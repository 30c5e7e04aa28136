from __future__ import annotations

import pytest

from service.errors import InvalidInput, TooLarge
from service.model import Model
from service.texts import TextLimits, encode_text

LIMITS = TextLimits(max_chars=100, max_tokens=10)
WORDS = "the room the room the room the room the room the room"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "the text is empty"),
        (" \t\n\u3000", "the text is blank"),
        ("\u200b", "nothing readable"),
        ("good\0", "NUL character at position 4"),
        ("ok \ud83d", "lone surrogate at position 3"),
        ("\udc00", "lone surrogate at position 0"),
    ],
)
def test_a_text_that_cannot_be_read_is_refused(model: Model, text: str, reason: str) -> None:
    with pytest.raises(InvalidInput, match=reason):
        encode_text(model.tokenizer, text, LIMITS, truncate=True)


def test_an_emoji_is_no_lone_surrogate(model: Model) -> None:
    assert encode_text(model.tokenizer, "\U0001f600", LIMITS, truncate=False).ids


def test_too_many_tokens_are_refused_with_both_numbers(model: Model) -> None:
    count = len(model.tokenizer.encode(WORDS))
    with pytest.raises(TooLarge, match=f"has {count} tokens, the limit is 10"):
        encode_text(model.tokenizer, WORDS, LIMITS, truncate=False)


def test_too_many_tokens_are_cut_on_demand(model: Model) -> None:
    ids = model.tokenizer.encode(WORDS)
    encoded = encode_text(model.tokenizer, WORDS, LIMITS, truncate=True)
    assert encoded.ids == ids[:10]
    assert encoded.truncated
    assert encoded.original_tokens == len(ids)


def test_too_many_characters_are_refused_with_both_numbers(model: Model) -> None:
    with pytest.raises(TooLarge, match="has 101 characters, the limit is 100"):
        encode_text(model.tokenizer, "a" * 101, LIMITS, truncate=False)


def test_characters_are_cut_before_they_are_tokenized(model: Model) -> None:
    limits = TextLimits(max_chars=8, max_tokens=10)
    encoded = encode_text(model.tokenizer, "the room\0 beyond the limit", limits, truncate=True)
    assert encoded.ids == model.tokenizer.encode("the room")
    assert encoded.truncated
    assert encoded.original_tokens is None


def test_a_text_at_the_limits_is_read_whole(model: Model) -> None:
    count = len(model.tokenizer.encode(WORDS))
    encoded = encode_text(model.tokenizer, WORDS, TextLimits(len(WORDS), count), truncate=True)
    assert (len(encoded.ids), encoded.truncated) == (count, False)


def test_errors_do_not_quote_the_text(model: Model) -> None:
    with pytest.raises(InvalidInput) as caught:
        encode_text(model.tokenizer, "secret \ud800", LIMITS, truncate=False)
    assert "secret" not in str(caught.value)
    assert caught.value.__cause__ is None

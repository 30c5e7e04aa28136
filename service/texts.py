"""From a text to its tokens, or to the reason why it is refused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from service.errors import InvalidInput, TooLarge
from service.tokenizer import Tokenizer


@dataclass(frozen=True)
class TextLimits:
    """The longest text that is read."""

    max_chars: int
    max_tokens: int


class Encoded(NamedTuple):
    """The tokens that the model reads of one text.

    `original_tokens` is how many there were before the cut; None when nothing was cut,
    and when the text passed the limit of characters, whose rest is never tokenized.
    """

    ids: list[int]
    truncated: bool
    original_tokens: int | None = None


def encode_text(tokenizer: Tokenizer, text: str, limits: TextLimits, truncate: bool) -> Encoded:
    """The tokens of one text, cut to the limits when `truncate`.

    Raises TooLarge for a text beyond the limits and InvalidInput for one that cannot be
    read, both without `param`: the caller knows the name of its field.
    """
    # Length first: it is free, and what follows costs time for every character.
    cut = len(text) > limits.max_chars
    if cut and not truncate:
        raise TooLarge(_too_long(len(text), limits.max_chars, "characters"))
    readable = text[: limits.max_chars]
    _check_characters(readable)
    ids = tokenizer.encode(readable)
    if not ids:
        raise InvalidInput("the text holds nothing readable")
    return _fit(ids, cut, limits, truncate)


def _check_characters(text: str) -> None:
    if not text or text.isspace():
        raise InvalidInput("the text is blank" if text else "the text is empty")
    if "\0" in text:
        raise InvalidInput(f"the text holds a NUL character at position {text.index(chr(0))}")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InvalidInput(
            f"the text holds a lone surrogate at position {error.start}, which is no character"
        ) from None  # the cause would quote the text


def _fit(ids: list[int], cut: bool, limits: TextLimits, truncate: bool) -> Encoded:
    if len(ids) <= limits.max_tokens:
        return Encoded(ids, cut)
    if not truncate:
        raise TooLarge(_too_long(len(ids), limits.max_tokens, "tokens"))
    return Encoded(ids[: limits.max_tokens], True, None if cut else len(ids))


def _too_long(got: int, limit: int, unit: str) -> str:
    return f"the text has {got} {unit}, the limit is {limit}; send less, or truncate"

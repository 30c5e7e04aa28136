"""The words of a text, each with the tokens that the model reads it by."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from service.characters import BLANK, CJK, EMOJI, VISIBLE
from service.sentences import Span

_LETTERS = rf"(?:(?![{CJK}])[\w\u0300-\u036f])+"
# A word of letters, with what stands within (don't, well-made, 3.5, a@b.com); an emoji; a
# Chinese character; or a run of punctuation.
UNIT = re.compile(
    rf"{_LETTERS}(?:['’.\-&@/]{_LETTERS})*|{EMOJI}|[{CJK}]|(?:(?!{EMOJI})[^\w{BLANK}])+"
)


@dataclass(frozen=True)
class Word:
    """A part of a text, without the blanks around it, and the range of its tokens."""

    span: Span
    tokens: range


def find_words(text: str, offsets: Sequence[tuple[int, int]]) -> list[Word]:
    """The words of a text whose tokens stand at `offsets`, in Unicode code points.

    A word of an alphabet is written between blanks and punctuation. Chinese is not, so there
    a word is what the tokenizer takes together. Every token belongs to exactly one word.
    """
    starts = {match.start() for match in UNIT.finditer(text)}
    found: list[tuple[int, int]] = []  # first character, first token
    ends: list[int] = []
    first_token = 0
    for token, (start, end) in enumerate(offsets):
        visible = VISIBLE.search(text, start, end)
        if not visible:
            continue  # a blank, or a byte of a character that ends with a later token
        if not found or visible.start() in starts:
            found.append((visible.start(), first_token))
            ends.append(end)
        ends[-1] = end
        first_token = token + 1
    stops = [token for _, token in found[1:]] + [len(offsets)]
    return [
        Word(Span(start, _strip_blanks(text, start, end)), range(token, stop))
        for (start, token), end, stop in zip(found, ends, stops, strict=True)
    ]


def _strip_blanks(text: str, start: int, end: int) -> int:
    """The end of a part of a text without the blanks that it ends with."""
    while end > start + 1 and not VISIBLE.match(text, end - 1):
        end -= 1
    return end

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
    words: list[Word] = []
    first = 0  # token that is in no word yet
    for token, (start, end) in enumerate(offsets):
        visible = VISIBLE.search(text, start, end)
        if not visible:
            continue  # a blank, or a byte of a character that ends with a later token
        begin = visible.start()
        if words and begin not in starts:
            last = words.pop()
            begin, first = last.span.start, last.tokens.start
        words.append(Word(Span(begin, _strip_blanks(text, begin, end)), range(first, token + 1)))
        first = token + 1
    if words and first < len(offsets):
        words[-1] = Word(words[-1].span, range(words[-1].tokens.start, len(offsets)))
    return words


def _strip_blanks(text: str, start: int, end: int) -> int:
    """The end of a part of a text without the blanks that it ends with."""
    while end > start + 1 and not VISIBLE.match(text, end - 1):
        end -= 1
    return end

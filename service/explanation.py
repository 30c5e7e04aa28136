"""Which words moved an answer: the text is run again without each of them.

Leave-one-out, or occlusion (Zeiler & Fergus 2014; Li, Monroe & Jurafsky 2016, "Understanding
Neural Networks through Representation Erasure").
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from service.sentences import Span
from service.words import Word

NOTHING = 0.0  # the value of a text of which no word is left: it cannot be run


@dataclass(frozen=True)
class WordEffect:
    """What the value of a text loses without this word, its other words left as they are."""

    span: Span
    effect: float


@dataclass(frozen=True)
class Explanation:
    """The effects of a text's words in their order.

    They need not add up: two words of praise each lose little, because the other one stays.
    `remainder` is what is left of the value, `value = sum of effects + remainder`.
    """

    words: list[WordEffect]
    remainder: float


def leave_out(ids: Sequence[int], words: Sequence[Word]) -> list[list[int]]:
    """The tokens of a text without each of its words in turn; none for a text of one word."""
    if len(words) < 2:
        return []
    return [[*ids[: word.tokens.start], *ids[word.tokens.stop :]] for word in words]


def lengths_left(length: int, words: Sequence[Word]) -> list[int]:
    """How many tokens of a text of `length` each of what `leave_out` gives would have."""
    return [length - len(word.tokens) for word in words] if len(words) > 1 else []


def explain_value(value: float, without: Sequence[float], words: Sequence[Word]) -> Explanation:
    """The effects of words on the `value` of a text; `without` (W,) are those of `leave_out`."""
    left = without or [NOTHING] * len(words)
    effects = [WordEffect(word.span, value - rest) for word, rest in zip(words, left, strict=True)]
    return Explanation(effects, value - sum(word.effect for word in effects))

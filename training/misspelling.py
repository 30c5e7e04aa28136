"""Misspelt words, as they are typed in a hurry."""

from __future__ import annotations

import re
from random import Random

# Not a part of an address, a name with @ or #, or a word with other letters.
WORD = re.compile(r"(?<![\w@#/.])[a-zA-Z]{4,}(?![\w@/])")
KEYBOARD = ("qwertyuiop", "asdfghjkl", "zxcvbnm")


def misspell(text: str, share: float) -> str:
    """The text with a share of its words wrong, drawn by the text itself.

    Words of four Latin letters or more; their first and last letters stay, as people hardly
    miss those. Of the others, two change places, or one is left out, typed twice, or its
    neighbour on the keyboard is typed: much as in section 3 of "Combating Adversarial
    Misspellings with Robust Word Recognition" (Pruthi et al. 2019, arXiv:1905.11268).
    """
    draw = Random(text)
    return WORD.sub(
        lambda word: _mistyped(word[0], draw) if draw.random() < share else word[0], text
    )


def _mistyped(word: str, draw: Random) -> str:
    at = draw.randrange(1, len(word) - 2)  # an inner letter with an inner one behind it
    letter, following = word[at], word[at + 1]
    beside = _neighbour(letter, draw)
    typed = draw.choice(
        (following + letter, following, letter + letter + following, beside + following)
    )
    return word[:at] + typed + word[at + 2 :]


def _neighbour(letter: str, draw: Random) -> str:
    row = next(row for row in KEYBOARD if letter.lower() in row)
    at = row.index(letter.lower())
    return draw.choice(row[max(at - 1, 0) : at] + row[at + 1 : at + 2])

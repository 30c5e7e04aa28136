from __future__ import annotations

from difflib import SequenceMatcher

import pytest

from training.misspelling import misspell

STAY = ("The", "was", "on", "and", "服务太差", "naïvely", "😀", "somebody@there.com", "#tagged")
TEXT = f"The beautiful restaurant was TERRIBLE on that Wednesday, {' '.join(STAY)}"


def words(text: str) -> list[str]:
    return text.split()


def test_a_word_keeps_its_ends_and_has_one_slip() -> None:
    for number in range(200):
        word = f"word{'abcdefghij'[number % 10]}ful"
        found = misspell(f"{word} {number}", 1.0).split()[0]
        assert (found[0], found[-1]) == (word[0], word[-1])
        assert abs(len(found) - len(word)) <= 1
        assert SequenceMatcher(None, found, word).ratio() > 0.7


def test_each_kind_of_slip_is_made() -> None:
    found = {misspell(f"clean {number}", 1.0).split()[0] for number in range(300)}
    assert {"celan", "cean", "cllean", "ckean", "claen", "clan", "cleean", "clran"} <= found


def test_short_words_and_other_letters_stay() -> None:
    for before, after in zip(words(TEXT), words(misspell(TEXT, 1.0)), strict=True):
        assert (after == before) == (before in STAY)
    assert misspell("the cat sat on it", 1.0) == "the cat sat on it"


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_so_many_words_are_misspelt_and_always_the_same_ones(share: float) -> None:
    text = " ".join(f"plain{chr(97 + number % 26)}text" for number in range(2000))
    found = misspell(text, share)
    changed = sum(map(str.__ne__, words(found), words(text))) / 2000
    assert changed == pytest.approx(share, abs=0.08)  # two like letters may change places
    assert misspell(text, share) == found

"""Synthetic texts with exactly as many tokens as asked for, from a seed."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from benchmarks.serve.errors import BenchmarkError
from benchmarks.serve.words import CHINESE, CHINESE_FILLERS, ENGLISH, ENGLISH_FILLERS
from service.tokenizer import Tokenizer

TRIES = 200


@dataclass(frozen=True)
class _Language:
    parts: tuple[str, ...]
    separator: str
    fillers: tuple[str, ...]


LANGUAGES = (
    _Language(ENGLISH, " ", ENGLISH_FILLERS),
    _Language(CHINESE, "，", CHINESE_FILLERS),
)


class TextMaker:
    """Makes texts for one tokenizer, half of them English and half Chinese."""

    def __init__(self, tokenizer: Tokenizer, seed: int) -> None:
        self._tokenizer = tokenizer
        self._random = Random(seed)
        self._costs: dict[str, int] = {}

    def make(self, tokens: int) -> str:
        """A text of exactly `tokens` tokens.

        Raises BenchmarkError when the tokenizer splits our words so that none is found.
        """
        for _ in range(TRIES):
            language = self._random.choice(LANGUAGES)
            if (text := self._fill(self._begin(tokens, language), tokens, language)) is not None:
                return text
        raise BenchmarkError(f"found no text of exactly {tokens} tokens")

    def _begin(self, tokens: int, language: _Language) -> str:
        """Random parts while they are expected to fit."""
        parts: list[str] = []
        part = self._random.choice(language.parts)
        while (tokens := tokens - self._cost(part, language)) >= 0:
            parts.append(part)
            part = self._random.choice(language.parts)
        return language.separator.join(parts)

    def _fill(self, text: str, tokens: int, language: _Language) -> str | None:
        """The text with fillers until it has its tokens; None when it cannot be done."""
        while (missing := tokens - self._count(text)) > 0:
            fitting = [
                longer
                for filler in language.fillers
                if tokens - missing < self._count(longer := text + filler) <= tokens
            ]
            if not fitting:
                return None
            text = self._random.choice(fitting)
        return text if missing == 0 else None

    def _cost(self, part: str, language: _Language) -> int:
        """Tokens that a part adds to a text."""
        if part not in self._costs:
            one = language.parts[0]
            both = one + language.separator + part
            self._costs[part] = self._count(both) - self._count(one)
        return self._costs[part]

    def _count(self, text: str) -> int:
        return len(self._tokenizer.encode(text))

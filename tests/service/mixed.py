"""Texts of every length, and clients that ask them alone and in lists and compare the answers."""

from __future__ import annotations

import asyncio
import random
from typing import Any

from tests.service.serving import PATIENCE_S, Client
from tests.tiny import SENTENCES

MOST_TEXTS = 24


def make_texts(count: int, most_chars: int, seed: int) -> list[str]:
    """Texts of 1 to `most_chars` characters, most of them short, as in real life."""
    chooser = random.Random(seed)
    return [make_text(int(most_chars ** chooser.random()), chooser) for _ in range(count)]


def make_text(chars: int, chooser: random.Random) -> str:
    """A text of so many characters that makes no sense, and so takes many tokens."""
    return "".join(chooser.choices("".join(SENTENCES), k=chars)).strip() or "好"


async def predict_alone(port: int, texts: list[str]) -> dict[str, Any]:
    """Each text's prediction, asked one after the other."""
    async with asyncio.timeout(PATIENCE_S), Client(port) as client:
        answers = [await client.predict(text) for text in texts]
    return {
        text: answer.body["predictions"][0] for text, answer in zip(texts, answers, strict=True)
    }


async def predict_mixed(
    port: int, alone: dict[str, Any], connections: int, requests: int, seed: int = 0
) -> int:
    """Send texts alone and in lists, so many requests on each connection.

    Raises AssertionError unless each gets the prediction that it got alone; gives how many did.
    """

    async def ask(number: int) -> int:
        chooser, texts, alike = random.Random(f"{seed} {number}"), list(alone), 0
        async with Client(port) as client:
            for _ in range(requests):
                some = chooser.sample(texts, chooser.choice([1, 1, 1, 2, 5, MOST_TEXTS]))
                answer = await client.predict(some if len(some) > 1 else some[0])
                assert answer.status == 200, answer.body
                assert answer.body["predictions"] == [alone[text] for text in some]
                alike += len(some)
        return alike

    async with asyncio.timeout(PATIENCE_S):
        return sum(await asyncio.gather(*(ask(number) for number in range(connections))))

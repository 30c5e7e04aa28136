"""The same text gets the same bits: alone, in any batch, in any order, under load."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path
from typing import Any

from tests.service.serving import PATIENCE_S, Client, Server, wait_until
from tests.tiny import SENTENCES, make_bundle

TEXTS = 300
REQUESTS = 3200
CONNECTIONS = 32
MOST_TOKENS = 2000
MOST_TEXTS = 24


def make_texts(count: int, seed: int) -> list[str]:
    """Texts of 1 to some 2,000 tokens, most of them short, as in real life."""
    chooser = random.Random(seed)
    everything = "".join(SENTENCES)
    texts = []
    for _ in range(count):
        characters = int(MOST_TOKENS ** chooser.random())  # a token has a character or more
        texts.append("".join(chooser.choices(everything, k=characters)).strip() or "好")
    return texts


async def predict_alone(port: int, texts: list[str]) -> dict[str, Any]:
    async with Client(port) as client:
        answers = [await client.predict(text) for text in texts]
    return {
        text: answer.body["predictions"][0] for text, answer in zip(texts, answers, strict=True)
    }


async def predict_mixed(port: int, alone: dict[str, Any], requests: int, seed: int) -> int:
    """Send texts alone and in lists on a connection, and count those that are answered alike."""
    chooser, texts, alike = random.Random(seed), list(alone), 0
    async with Client(port) as client:
        for _ in range(requests):
            some = chooser.sample(texts, chooser.choice([1, 1, 1, 2, 5, MOST_TEXTS]))
            answer = await client.predict(some if len(some) > 1 else some[0])
            assert answer.status == 200, answer.body
            assert answer.body["predictions"] == [alone[text] for text in some]
            alike += len(some)
    return alike


def test_thousands_of_mixed_requests_get_the_answers_of_each_text_alone(
    tokenizer_model: bytes, tmp_path: Path
) -> None:
    make_bundle(tmp_path / "models" / "default", tokenizer_model, max_tokens=8192)
    texts = make_texts(TEXTS, seed=3)
    settings = {"processes": 2, "inline_ms": 1, "hang_timeout_s": 60}  # by both ways of running
    with Server(tmp_path / "models", tmp_path / "log", **settings) as server:
        wait_until(server.is_ready, "readiness")

        async def predict_all() -> list[int]:
            async with asyncio.timeout(2 * PATIENCE_S):
                alone = await predict_alone(server.port, texts)
                lengths = [answer["tokens"] for answer in alone.values()]
                assert min(lengths) == 1
                assert max(lengths) > MOST_TOKENS / 2
                each = REQUESTS // CONNECTIONS
                return await asyncio.gather(
                    *(predict_mixed(server.port, alone, each, seed) for seed in range(CONNECTIONS))
                )

        assert sum(asyncio.run(predict_all())) > REQUESTS
        assert server.stop() == 0

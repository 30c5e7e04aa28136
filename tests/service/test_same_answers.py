"""The same text gets the same bits: alone, in any batch, in any order, under load."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.service.mixed import make_texts, predict_alone, predict_mixed
from tests.service.serving import Server, wait_until
from tests.tiny import make_bundle

TEXTS = 300
REQUESTS = 3200
CONNECTIONS = 32
MOST_TOKENS = 2000  # a token has a character or more


def test_thousands_of_mixed_requests_get_the_answers_of_each_text_alone(
    tokenizer_model: bytes, tmp_path: Path
) -> None:
    make_bundle(tmp_path / "models" / "default", tokenizer_model, max_tokens=8192)
    texts = make_texts(TEXTS, MOST_TOKENS, seed=3)
    settings = {"processes": 2, "inline_ms": 1, "hang_timeout_s": 60}  # by both ways of running
    with Server(tmp_path / "models", tmp_path / "log", **settings) as server:
        wait_until(server.is_ready, "readiness")
        alone = asyncio.run(predict_alone(server.port, texts))
        lengths = [answer["tokens"] for answer in alone.values()]
        assert min(lengths) == 1
        assert max(lengths) > MOST_TOKENS / 2
        each = REQUESTS // CONNECTIONS
        assert asyncio.run(predict_mixed(server.port, alone, CONNECTIONS, each)) > REQUESTS
        assert server.stop() == 0

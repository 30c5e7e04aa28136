"""The shipped model under load for a minute: what memory it takes, and whether that still grows."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.serve.memory import ALL_MB, PROCESS_MB, Weight, weigh
from tests.service.mixed import make_text, make_texts, predict_alone, predict_mixed
from tests.service.serving import ROOT, Server, wait_until

pytestmark = [pytest.mark.soak, pytest.mark.timeout(900)]

SOAK_S = 60.0
PROCESSES = 2  # which the bars are meant for
TEXTS, MOST_CHARS = 300, 300
LONG_CHARS = 11_000  # some 7,700 tokens
CONNECTIONS = 16
REQUESTS = 10  # on each connection, in each round
FEWEST_ROUNDS = 6  # where the machine is slow
GROWTH_MB = 8.0
"""What the second half may add to the most of the first, in all processes together."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with Server(ROOT / "models", tmp_path / "log", processes=PROCESSES) as server:
        wait_until(server.is_ready, "readiness")
        yield server


def soak(server: Server) -> Iterator[Weight]:
    """The weight after each round of requests, every answer of which is compared."""
    texts = make_texts(TEXTS, MOST_CHARS, seed=3)
    texts.append(make_text(LONG_CHARS, random.Random(3)))
    alone = asyncio.run(predict_alone(server.port, texts))
    began_s, rounds, answers = time.monotonic(), 0, 0
    while (passed_s := time.monotonic() - began_s) < SOAK_S or rounds < FEWEST_ROUNDS:
        answers += asyncio.run(predict_mixed(server.port, alone, CONNECTIONS, REQUESTS, rounds))
        rounds += 1
        weight = weigh(server.members())
        print(
            f"round {rounds} from {passed_s:.0f} s, {answers} answers alike: "
            f"largest process {weight.largest_mb:.0f} MB, all {weight.all_mb:.0f} MB"
        )
        yield weight


def test_memory_keeps_to_its_bars_and_stops_growing(server: Server) -> None:
    before = server.children()
    weights = list(soak(server))
    assert server.children() == before  # the same processes all the time
    assert max(weight.largest_mb for weight in weights) <= PROCESS_MB
    assert max(weight.all_mb for weight in weights) <= ALL_MB
    half = len(weights) // 2
    settled_mb = max(weight.all_mb for weight in weights[:half])
    assert max(weight.all_mb for weight in weights[half:]) <= settled_mb + GROWTH_MB
